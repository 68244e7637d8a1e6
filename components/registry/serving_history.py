"""What served when: `newsdesk models --on 2026-11-20` or `--on 2026-11-20T14:30`, answered from the promotions alone.

Standard library only.
"""

import argparse
import json
import re
from datetime import datetime, timedelta, timezone

from components.core import clock
from components.registry import model_registry


def terms(events: list[dict]) -> list[dict]:
    """How long each promotion stood, oldest first. events: as `registry.history` gives them.

    `version`, `since`, `until` (ISO times in UTC; None: it serves still), `kind`, `who`, `why`, `sequence`.
    """
    ends = [*(event["time"] for event in events[1:]), None][: len(events)]
    return [
        {
            "version": event["to"], "since": event["time"], "until": end, "kind": event["kind"], "who": event["who"],
            "why": event["reason"], "sequence": event["sequence"],
        } for event, end in zip(events, ends, strict=True)
    ]  # fmt: skip


def span(asked: str) -> tuple[datetime, datetime]:
    """First and last moment that are asked about: a whole day in UTC for a date, one moment for a time (UTC without a zone).

    Raises:
        config.ConfigError: neither.
    """
    start = clock.parse_time(asked, "on")
    if re.fullmatch(r"\d{4}-\d\d-\d\d", asked):
        return start, start + timedelta(days=1) - timedelta(microseconds=1)
    return start, start


def during(events: list[dict], start: datetime, end: datetime) -> list[dict]:
    """The terms that touch the time from start to end, both included."""
    found = []
    for term in terms(events):
        until = datetime.fromisoformat(term["until"]) if term["until"] else datetime.max.replace(tzinfo=timezone.utc)
        if datetime.fromisoformat(term["since"]) <= end and start < until:
            found.append(term)
    return found


def run(args: argparse.Namespace) -> int:
    """Prints what served then, of one line or of all; returns the exit code."""
    start, end = span(args.on)
    asked = [args.line] if args.line else model_registry.lines()
    found = {line: during(model_registry.history(line), start, end) for line in asked}
    if args.json:
        listed = [
            {"line": line, **term, "kept": model_registry.folder(line, term["version"]) is not None}
            for line, told in found.items()
            for term in told
        ]
        print(json.dumps(listed, indent=1, ensure_ascii=False))
        return 0
    when = f"{args.on} (UTC)" if not re.search(r"[+-]\d\d:?\d\d$|Z$", args.on[10:]) else args.on
    for line, told in found.items():
        if not told:
            first = next(iter(model_registry.history(line)), None)
            more = f"its first champion came {first['time']}" if first else "it has never had a champion"
            print(f"{line}: nothing served on {when}; {more}")
        for term in told:
            kept = "" if model_registry.folder(line, term["version"]) else " (no longer kept)"
            print(f"{line}: version {term['version']}{kept} served {term['since']} to {term['until'] or 'now'}")
            print(f"  {term['kind']} by {term['who']}: {term['why']}")
    if not found:
        print(f"nothing served on {when}: there are no lines yet")
    return 0
