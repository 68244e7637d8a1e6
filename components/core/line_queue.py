"""Whose turn it is on a line: runs that a scheduler starts side by side wait here, the oldest first.

    registry/<line>/waiting/<run>   when its run started; the file's time is the run's last check

The queue only decides the order; the lease (`components.core.locks`) makes sure that one run at a time works on a line. A run at a
terminal does not wait here: it finds the line free or ends.

Standard library only.
"""

import os
import time
from pathlib import Path

from components.core import fileio, locks, paths

PATIENCE = 120  # seconds without a look after which a run no longer waits: it was stopped or deleted


def turn(line: str, run_id: str, since: str) -> str:
    """Why a run must wait, in a sentence that names who is before it; empty where it may go. Called again while it waits.

    since: when the run began, in UTC as ISO 8601, equally precise for all runs; of two runs that wait, the earlier one goes first.
    """
    place = _folder(line) / run_id
    with locks.line_lock(line):
        holder = locks.holder(line)
        held = bool(holder and holder["lives"])
        if held and holder["run"] == run_id:
            return ""
        earlier = [each for each in _waiting(line) if each < (since, run_id)]
        if not held and not earlier:
            return ""
        if place.exists():
            os.utime(place)
        else:
            fileio.write_text(place, since)
    if held:
        return f"run {holder['run']} holds line {line!r} since {holder['since']}"
    return f"run {earlier[0][1]} has waited for line {line!r} since {earlier[0][0]}, which is longer"


def leave(line: str, run_id: str) -> None:
    """Takes a run out of the queue, if it stands there."""
    with locks.line_lock(line):
        (_folder(line) / run_id).unlink(missing_ok=True)


def _waiting(line: str) -> list[tuple[str, str]]:
    """Since when and which run, the earliest first; runs that look no more are taken out. Called under the line's lock."""
    waiting = []
    for place in _folder(line).glob("[!.]*"):
        if abs(time.time() - place.stat().st_mtime) > PATIENCE:
            place.unlink()
        else:
            waiting.append((place.read_text(encoding="utf-8"), place.name))
    return sorted(waiting)


def _folder(line: str) -> Path:
    return paths.registry_dir(line) / "waiting"
