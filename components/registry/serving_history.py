"""What served when: `newsdesk models --on 2026-11-20` or `--on 2026-11-20T14:30`, from the promotions alone.

Standard library only.
"""

import re
from datetime import datetime, timedelta, timezone

from components.core import clock
from components.core.states import Move


def terms(events: list[dict]) -> list[dict]:
    """The time that each promotion was in effect, oldest first. events: as `model_registry.history` returns them.

    `version`, `since`, `until` (ISO times in UTC; None: it still serves), `kind`, `who`, `why`, `sequence`. Where moves are missing
    between two promotions, the end of the first is unknown: its `until` is its `since`, and a term of version None and kind "unknown"
    covers the time up to the next one (`since` None: from the beginning).
    """
    served: list[dict] = []
    if not events:
        return served
    for before, event, after in zip([None, *events[:-1]], events, [*events[1:], None], strict=True):
        if event["kind"] == Move.LOST:  # it ends a term and begins none
            continue
        lost = event["sequence"] - (before["sequence"] if before else 0) - 1
        if lost > 0:
            served.append(_gap(before, event, lost))
        whole = after is None or after["sequence"] <= event["sequence"] + 1
        end = (after["time"] if after else None) if whole else event["time"]
        served.append(
            {
                "version": event["to"],
                "since": event["time"],
                "until": end,
                "kind": event["kind"],
                "who": event["who"],
                "why": event["reason"],
                "sequence": event["sequence"],
            }
        )
    return served


def _gap(before: dict | None, event: dict, lost: int) -> dict:
    ends = [f"version {before['to']} served at its beginning"] if before else []
    ends += [f"version {event['from']} served at its end"] if event["from"] is not None else []
    moves = "1 move is" if lost == 1 else f"{lost} moves are"
    return {
        "version": None,
        "since": before["time"] if before else None,
        "until": event["time"],
        "kind": Move.UNKNOWN,
        "who": "unknown",
        "why": "; ".join([f"{moves} missing in the history", *ends]),
        "sequence": event["sequence"] - lost,
    }


def span(asked: str) -> tuple[datetime, datetime]:
    """First and last moment of a date (a whole day in UTC) or of a time (one moment; UTC without a zone).

    Raises:
        ConfigError: neither.
    """
    start = clock.parse_time(asked, "on")
    if re.fullmatch(r"\d{4}-\d\d-\d\d", asked):
        return start, start + timedelta(days=1) - timedelta(microseconds=1)
    return start, start


def during(events: list[dict], start: datetime, end: datetime) -> list[dict]:
    """The terms that overlap the time from start to end, both included."""
    overlapping = []
    for term in terms(events):
        since = datetime.fromisoformat(term["since"]) if term["since"] else datetime.min.replace(tzinfo=timezone.utc)
        until = datetime.fromisoformat(term["until"]) if term["until"] else datetime.max.replace(tzinfo=timezone.utc)
        if since <= end and (start < until or start <= since == until):
            overlapping.append(term)
    return overlapping
