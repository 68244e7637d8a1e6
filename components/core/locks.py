"""One run at a time on a line: short locks for one change, and a claim that lasts a whole run.

    registry/<line>/run.lock   the run that may write to this line now, with its owner and a time of its last sign of life

Standard library only.
"""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from components.core import clock, fileio, paths

LEASE = 900  # seconds without a sign of life after which a run's lock may be taken over


class Locked(Exception):
    """Another run holds the line."""

    def __init__(self, line: str, holder: dict):
        self.holder = holder["run"]
        super().__init__(
            f"one run at a time may work on a line. Received: line {line!r} is locked by run {holder['run']} "
            f"since {holder['since']}. Wait for it, or run `newsdesk doctor --repair` if it died."
        )


@contextlib.contextmanager
def line_lock(line: str, what: str = "flock") -> Iterator[None]:
    """Holds a line's files for the short time of one change; waits for its turn. Not to be taken twice by one caller.

    what: "flock" for the files themselves, another name for something beside them that takes turns of its own.
    """
    folder = paths.registry_dir(line)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f".{what}", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def take_line(line: str, run_id: str, owner: int | None = None) -> None:
    """Gives the line to a run, or renews it.

    owner: the process that stands for the whole run, if there is one on this machine; when it is gone, so is the claim.
    A later owner of the same run replaces it. Without one, a claim lives for `LEASE` seconds after its last `keep_line`.

    Raises:
        Locked: another run that still lives holds it.
    """
    path = paths.registry_dir(line) / "run.lock"
    with line_lock(line):
        holder = fileio.read_json(path)
        if holder and holder["run"] != run_id and _lives(path, holder):
            raise Locked(line, holder)
        same = holder and holder["run"] == run_id
        if not same or (owner and owner != holder["owner"]):
            started = _process_start(owner) if owner else None
            since = holder["since"] if same else clock.now()
            fileio.write_json(
                path, {"run": run_id, "since": since, "host": socket.gethostname(), "owner": owner, "started": started}
            )
        os.utime(path)


def keep_line(line: str) -> None:
    """A sign of life from the run that holds the line."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(paths.registry_dir(line) / "run.lock")


def free_line(line: str, run_id: str) -> None:
    """Gives the line back, if this run holds it."""
    path = paths.registry_dir(line) / "run.lock"
    with line_lock(line):
        holder = fileio.read_json(path)
        if holder and holder["run"] == run_id:
            path.unlink()


def holder(line: str) -> dict | None:
    """The run that holds the line, with `lives`; None where it is free."""
    path = paths.registry_dir(line) / "run.lock"
    value = fileio.read_json(path)
    return {**value, "lives": _lives(path, value)} if value else None


def _lives(path: Path, holder: dict) -> bool:
    # Without a start time the owner was gone, or unknowable, when it claimed: the lease decides.
    if holder["owner"] and holder["started"] and holder["host"] == socket.gethostname():
        return _process_start(holder["owner"]) == holder["started"]
    try:
        # Either way round: after the clock was set back, a claim must not live until the clock catches up.
        return abs(time.time() - path.stat().st_mtime) < LEASE
    except FileNotFoundError:
        return False


def _process_start(pid: int) -> str | None:
    """The start time of a living process in clock ticks since boot, so that a reused pid is not taken for its predecessor."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]  # a zombie works no more
