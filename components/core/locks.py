"""One run at a time on a line: short file locks for one change, and a lease for a whole run.

    registry/<line>/run.lock   the run that holds the line's lease and its owner; the file's time is that of the last heartbeat

Standard library only.
"""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from components.core import clock, errors, fileio, paths, processes

LEASE = 900  # seconds without a heartbeat after which another run may take the lease
# A run under a scheduler sends no heartbeat while it waits for a free slot or for a retry: its lease ends when the run is closed,
# or after this many seconds without a heartbeat.
PATIENCE = 24 * 3600
UNREADABLE = "unreadable"  # the run of a lease that cannot be read


class Locked(Exception):
    """Another run holds the line."""

    def __init__(self, line: str, holder: dict):
        self.holder = holder["run"]
        super().__init__(
            f"line {line!r} is locked by run {holder['run']} since {holder['since']}. "
            "Wait until that run ends, or run `newsdesk doctor --repair` if it died."
        )


class LostClaim(Locked):
    """The line is no longer this run's: it may publish nothing."""

    def __init__(self, line: str, run_id: str, holder: dict | None):
        self.holder = holder["run"] if holder else ""
        now = f"run {holder['run']} holds it since {holder['since']}" if holder else "no run holds it now"
        Exception.__init__(self, f"run {run_id} lost line {line!r} ({now}), so it published nothing. Start a new run.")


class Superseded(Exception):
    """A later attempt at the same node has started; this one may not publish."""


@contextlib.contextmanager
def line_lock(line: str, what: str = "flock") -> Iterator[None]:
    """Locks a line's files for one change; waits until they are free. Not reentrant.

    what: "flock" for the files themselves; another name locks something else of the line.
    """
    with fileio.locked(paths.registry_dir(line) / f".{what}"):
        yield


def take_line(line: str, run_id: str, owner: int | None = None, node: str = "", attempt: str = "") -> None:
    """Gives the line's lease to a run, or renews it.

    owner: a process of this machine that lives as long as the run, if there is one; the lease ends with it. A later owner of the
    same run replaces it. Without one, the lease ends `LEASE` seconds after the last heartbeat, or `PATIENCE` seconds after it once
    the run is open, because such a run may wait without a process.
    node, attempt: what starts now; from here on an earlier attempt at the same node may not publish (`check`).

    Raises:
        Locked: another run holds a valid lease.
    """
    path = _path(line)
    with line_lock(line):
        holder = _read(path)
        same = holder is not None and holder["run"] == run_id
        if holder and not same and _lives(path, holder):
            raise Locked(line, holder)
        claim = {
            "run": run_id,
            "since": holder["since"] if same else clock.now(),
            "host": socket.gethostname(),
            "owner": owner or (holder["owner"] if same else None),
            "attempts": {**(holder.get("attempts", {}) if same else {}), **({node: attempt} if node else {})},
        }
        if same and claim["owner"] == holder["owner"]:
            claim |= {"host": holder["host"], "started": holder["started"]}
        else:
            claim["started"] = processes.start_time(owner) if owner else None
        if claim != holder:
            fileio.write_json(path, claim)
        os.utime(path)


@contextlib.contextmanager
def opening(line: str, run_id: str, owner: int | None = None) -> Iterator[None]:
    """Takes the line for a run that opens within the block; a run that fails to open gives it back.

    Raises:
        Locked: another run holds a valid lease.
    """
    take_line(line, run_id, owner)
    try:
        yield
    except BaseException:
        free_line(line, run_id)
        raise


def keep_line(line: str, run_id: str) -> bool:
    """The heartbeat of a run; returns whether the run still holds the line."""
    path = _path(line)
    with line_lock(line):
        holder = _read(path)
        if not holder or holder["run"] != run_id:
            return False
        os.utime(path)
        return True


def check(line: str, run_id: str, node: str = "", attempt: str = "") -> None:
    """Fences publishing: called under `line_lock` before anything becomes visible.

    A process that was suspended, or that outlived its scheduler's worker, may have lost its lease meanwhile.

    Raises:
        LostClaim: another run holds the line, or no run does.
        Superseded: a later attempt at the node has started.
    """
    holder = _read(_path(line))
    if not holder or holder["run"] != run_id:
        raise LostClaim(line, run_id, holder)
    latest = holder.get("attempts", {}).get(node, attempt)
    if latest != attempt:
        raise Superseded(
            f"attempt {attempt or 'without a number'} at {node} of run {run_id} published nothing, because attempt {latest} "
            "has started; only the latest attempt may publish"
        )


def free_line(line: str, run_id: str) -> None:
    """Releases the line, if this run holds it."""
    path = _path(line)
    with line_lock(line):
        holder = _read(path)
        if holder and holder["run"] == run_id:
            path.unlink()


def holder(line: str) -> dict | None:
    """The run that holds the line; None if the line is free.

    `lives`: whether the lease is valid. `silent`: whether it is valid only because the run is open: no heartbeat came for `LEASE`
    seconds, so the run waits for its scheduler, or its scheduler has lost it. An unreadable lease is not valid.
    """
    path = _path(line)
    value = _read(path)
    if value is None:
        return None
    lives = _lives(path, value)
    return {**value, "lives": lives, "silent": lives and not _shows_life(path, value)}


def _path(line: str) -> Path:
    return paths.registry_dir(line) / "run.lock"


def _read(path: Path) -> dict | None:
    try:
        value = fileio.read_json(path)
    except errors.DamagedFile:
        value = UNREADABLE
    if value is None or (isinstance(value, dict) and {"run", "since", "host", "owner", "started"} <= value.keys()):
        return value
    return {"run": UNREADABLE, "since": "an unknown time", "host": "", "owner": None, "started": None}


def _lives(path: Path, holder: dict) -> bool:
    if holder["run"] == UNREADABLE:
        return False
    if _shows_life(path, holder):
        return True
    # Such a run has no owner: it may wait without any process.
    waits = not holder["owner"] and (paths.run_dir(holder["run"]) / "run.json").exists()
    return waits and _silence(path) < PATIENCE


def _shows_life(path: Path, holder: dict) -> bool:
    # Without a start time the owner had already ended, or was unknown: the time of the last heartbeat decides.
    if holder["owner"] and holder["started"] and holder["host"] == socket.gethostname():
        return processes.start_time(holder["owner"]) == holder["started"]
    return _silence(path) < LEASE


def _silence(path: Path) -> float:
    """Seconds since the last heartbeat."""
    try:
        # Absolute: after the clock was set back, a lease must not stay valid until the clock catches up.
        return abs(time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        return float("inf")
