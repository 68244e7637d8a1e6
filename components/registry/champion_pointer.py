"""The champion pointer and its history, read: which version serves, what served before, what a rollback returns to.

    registry/<line>/champion.json      the pointer: version, digest and the event that moved it
    registry/<line>/promotions.jsonl   every move of the pointer, numbered from 1, append-only (lost ones: `lost_moves.py`)

Standard library only.
"""

from collections.abc import Sequence

from components.core import fileio, paths
from components.core.states import Move
from components.registry.manifest import RegistryError, label_places
from components.registry.version_folders import card, folder, labels_of


class PointerMoved(RegistryError):
    """The champion changed since it was read."""


def champion(line: str) -> dict | None:
    """The pointer: `version` (int), `digest` (hex) and the `event` that set it; None before the first promotion.

    Raises:
        RegistryError: it cannot be read as a pointer, or is gone although there was a promotion.
    """
    path, fault = paths.registry_dir(line) / "champion.json", "missing although there is a history"
    try:
        pointer = fileio.read_json(path)
        if pointer is None and not recorded(line):
            return None
        if pointer is not None:
            check_pointer(pointer)
            return pointer
    except (ValueError, KeyError, TypeError) as error:
        fault = f"unreadable, {type(error).__name__}"
    raise RegistryError(
        f"the champion pointer must be complete. Received: {path}, {fault}. "
        "`newsdesk doctor --repair` restores it from the history."
    )


def check_pointer(pointer: dict) -> None:
    """Raises KeyError or TypeError where a field is missing or of another type, or the move is not that to the version."""
    version, event = pointer["version"], pointer["event"]
    numbers = (version, event["sequence"])
    if not all(isinstance(number, int) for number in numbers) or {"from"} - event.keys() or not pointer["digest"]:
        raise TypeError("not a pointer")
    if event["to"] != version:
        raise TypeError("the pointer and its move name two versions")


def named(pointer: dict | None) -> str:
    """A pointer in a message."""
    return f"version {pointer['version']} (move {pointer['event']['sequence']})" if pointer else "none"


def history(line: str) -> list[dict]:
    """Every promotion, oldest first. The pointer's own event counts even if a crash kept it out of the file."""
    events, pointer = recorded(line), champion(line)
    if pointer and (not events or events[-1]["sequence"] < pointer["event"]["sequence"]):
        events.append(pointer["event"])
    return events


def recorded(line: str) -> list[dict]:
    """The events in `promotions.jsonl`, whatever the pointer says.

    Raises:
        RegistryError: a line before the last one is damaged.
    """
    path = paths.registry_dir(line) / "promotions.jsonl"
    try:
        return fileio.read_json_lines(path)
    except ValueError as error:
        raise RegistryError(f"every line of a history must be complete. Received: {path} ({error})") from error


def rollback_target(line: str) -> int | None:
    """The version a rollback returns to: the one that served before the champion; None where there is none.

    Versions that were rolled back, lost or are no longer kept do not count. So two rollbacks go back two versions; a rollback never
    returns to a version rolled back from.
    """
    served, serves = _served(line), (champion(line) or {}).get("version")
    return next((number for number in reversed(served) if number != serves and folder(line, number)), None)


def best_released(line: str, until: int | None = None, labels: Sequence[str] | None = None) -> dict | None:
    """The best version that ever served: `version`, `digest`, `folder`, by the test accuracy on its card, the newer of equals.

    Versions that were rolled back or lost, and those whose folder is no longer kept, do not count, nor those of other classes than
    `labels`, in any order: an accuracy on other classes says nothing. None where there is none.
    until: number of the last move that counts, where not all do. labels: None for those of what serves now.
    """
    if labels is None:
        pointer = champion(line)
        labels = labels_of(line, pointer["version"]) if pointer else []
    kept = [number for number in set(_served(line, until)) if folder(line, number)]
    # Where labels are not known a version counts: whoever compares with it looks at it again.
    served = (card(line, number) for number in kept if _same(labels_of(line, number), labels))
    top = max(filter(None, served), key=lambda c: (c.metrics["accuracy"], c.version), default=None)
    return top and {"version": top.version, "digest": top.digest, "folder": str(folder(line, top.version))}


def _same(own: Sequence[str], labels: Sequence[str]) -> bool:
    return not own or not labels or label_places(own, labels) is not None


def _served(line: str, until: int | None = None) -> list[int]:
    """The versions that served, oldest first, without those that were rolled back or lost."""
    served: list[int] = []
    lost: set[int] = set()
    for event in history(line):
        if until is not None and event["sequence"] > until:
            break
        if event["kind"] == Move.LOST:
            lost.add(event["to"])
            continue
        lost.discard(event["to"])
        if event["kind"] == Move.ROLLBACK and event["to"] in served:
            del served[len(served) - served[::-1].index(event["to"]) :]
            continue
        if event["kind"] != Move.ROLLBACK and event["from"] not in (None, *served[-1:]):
            served.append(event["from"])  # the move that made it serve is lost
        served.append(event["to"])
    return [number for number in served if number not in lost]


def aliases(line: str) -> dict[int, list[str]]:
    """Names of versions: the champion and, as `previous`, the one a rollback returns to."""
    pointer, previous = champion(line), rollback_target(line)
    names = {pointer["version"]: ["champion"]} if pointer else {}
    return {**names, previous: ["previous"]} if previous is not None else names
