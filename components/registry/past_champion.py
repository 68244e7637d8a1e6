"""What a run is judged by: the champion; for a backfill the version that its interval would have met, which knows no later row.

A version knows the rows up to the `as_of` of the run that made it (`data.as_of` on its card). Standard library only.
"""

from datetime import datetime

from components.core import clock
from components.core.states import Move
from components.registry import champion_pointer
from components.registry.version_folders import card as card_of
from components.registry.version_folders import served_folder


def judge(line: str, moment: datetime | None) -> tuple[dict | None, dict | None]:
    """The pointer that a run is compared with, and None where it serves now.

    moment: a backfill is about the time before it (with a timezone); None for every other run. Where what serves now knows rows
    that are later, the pointer is that of the last version which the interval could have met and which is still kept (None: there
    was none), and the second value is `sequence` (of the move that made it serve, 0 without one), `serves` (the version that serves
    now) and `knows` (ISO time up to which that one knows the rows).

    Raises:
        RegistryError: the pointer or the history is damaged.
    """
    pointer = champion_pointer.champion(line)
    if pointer is None or moment is None or _knows(line, pointer["event"]) < moment:
        return pointer, None
    past = {"sequence": 0, "serves": pointer["version"], "knows": _knows(line, pointer["event"]).isoformat()}
    for event in reversed(champion_pointer.history(line)):
        card = card_of(line, event["to"])
        if card and _served_since(line, event) < moment and served_folder(line, event["to"]).is_dir():
            then = {"line": line, "version": event["to"], "digest": card.digest, "event": event}
            return then, {**past, "sequence": event["sequence"]}
    return None, past


def _knows(line: str, event: dict) -> datetime:
    """Up to when the version of a move knows the rows; that of a version without a card: when it was made to serve."""
    card = card_of(line, event["to"])
    return clock.parse_time(card.data["as_of"] if card else event["time"], "time")


def _served_since(line: str, event: dict) -> datetime:
    """From when on an interval could have met the version: a release counts from what it knows, since a backfill makes it late."""
    return _knows(line, event) if event["kind"] == Move.RELEASE else clock.parse_time(event["time"], "time")
