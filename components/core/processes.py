"""Long-running processes that one command starts and another ends: each in a session of its own, identified by its start time.

A session, not only a group: Airflow gives each task a process group, and a node gets one too. Linux (/proc), standard library:
the client for consumers imports this too, and psutil's start times change when the clock is set.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path


def spawn(call: list[str], env: Mapping[str, str], folder: Path, log: Path) -> subprocess.Popen:
    """Starts a process in a session of its own, so that it can outlive this one, its output appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as output:
        os.chmod(log, 0o600)
        return subprocess.Popen(
            call,
            env=dict(env),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def entry(process: subprocess.Popen) -> dict:
    """`pid` and `started` of a process from `spawn`, as `alive`, `members` and `end` take them."""
    return entry_of(process.pid)


def entry_of(pid: int) -> dict:
    """The same for a process id."""
    return {"pid": pid, "started": start_time(pid)}


def alive(entry: Mapping | None) -> bool:
    """Whether the process of an entry still runs; a later process with the same pid does not count."""
    return bool(entry) and entry["started"] is not None and start_time(entry["pid"]) == entry["started"]


def members(entry: Mapping) -> list[int]:
    """The living processes of an entry's session, its leader included.

    A session's id is its leader's pid and is not reused while a member lives, so the leader may have ended already. A leader with
    another start time means that the pid was reused: then the session has ended. In a container, processes whose session began
    outside it have session 0; that session, and this process's own, are never ended.
    """
    if entry["pid"] in (0, os.getsid(0)):
        return []
    leader = _stat(entry["pid"])
    if leader and leader["started"] != entry["started"]:
        return []
    living = []
    for path in Path("/proc").iterdir():
        stat = _stat(int(path.name)) if path.name.isdigit() else None
        if stat and stat["session"] == entry["pid"] and stat["state"] not in "ZX":
            living.append(int(path.name))
    return living


def end(entries: Iterable[Mapping], grace: float) -> list[int]:
    """Stops all processes of the sessions: SIGTERM, up to `grace` seconds, then SIGKILL. Returns the pids that were killed."""
    entries = list(entries)
    ask(entries)
    if _gone(entries, grace):
        return []
    killed = [pid for entry in entries for pid in members(entry)]
    # Repeated, because a process that is being forked is in no list yet.
    for _ in range(50):
        _send(entries, signal.SIGKILL)
        if _gone(entries, 0.2):
            break
    return killed


def ask(entries: Iterable[Mapping]) -> None:
    """Sends SIGTERM to all processes of the sessions, without waiting."""
    _send(list(entries), signal.SIGTERM)


def _send(entries: list[Mapping], number: int) -> None:
    for entry in entries:
        for pid in members(entry):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def _gone(entries: list[Mapping], seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while any(members(entry) for entry in entries):
        if time.monotonic() >= limit:
            return False
        time.sleep(0.1)
    return True


def port_taken(port: int, address: str = "127.0.0.1") -> bool:
    """Whether another process listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return True
    return False


def start_time(pid: int) -> str | None:
    """When a living process started, in clock ticks since boot; None if it ended (a zombie has). Distinguishes reused pids."""
    stat = _stat(pid)
    return stat["started"] if stat and stat["state"] not in "ZX" else None


def _stat(pid: int) -> dict | None:
    """State, session and start time (clock ticks since boot) of a process; proc(5), fields 3, 6 and 22."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it ended, or hides from other users
        return None
    return {"state": fields[0], "session": int(fields[3]), "started": fields[19]}
