"""The state of each part of the stack as the supervisor recorded it: up or down, since when, and how often restarted.

Read by `make status`, `newsdesk doctor` and the pages in Airflow. Where the stack runs on another machine that shares the state folder, its
processes cannot be looked at from here: then its supervisor's word counts. Standard library only.
"""

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from components.core import fileio, paths, processes

NAMES = ("api-server", "scheduler", "dag-processor", "triggerer", "mlflow", "predictor")
WORKER = "worker-"  # a Celery worker's name begins so; a stack has none unless Airflow uses the CeleryExecutor
SUPERVISOR = "supervisor"
FRESH = 30  # seconds: a supervisor touches its file each second, and a shared folder may show that late


@dataclass(frozen=True)
class Part:
    """since: ISO time of the last change; empty if not recorded. restarts: how often the supervisor restarted it."""

    name: str
    up: bool
    since: str
    restarts: int
    pid: int

    def text(self) -> str:
        state = f"running, process {self.pid}" if self.up else "not running"
        since = f", {'since' if self.up else 'down since'} {self.since}" if self.since else ""
        return state + since + (f", restarted {self.restarts} times" if self.restarts else "")


def file() -> Path:
    return paths.home() / "airflow" / "stack.json"


def read() -> dict[str, dict]:
    """The recorded state: for each part its `pid`, `started`, `since`, `state` and `restarts`."""
    return fileio.read_json(file()) or {}


def parts(state: Mapping[str, Mapping] | None = None) -> list[Part]:
    """Each part of the stack and its supervisor, last; empty if the stack was not started or was stopped by `make down`."""
    state = read() if state is None else state
    there = bool(elsewhere(state))
    workers = sorted(name for name in state if name.startswith(WORKER))
    return [_part(name, state.get(name) or {}, there) for name in (*NAMES, *workers, SUPERVISOR)] if state else []


def warning(state: Mapping[str, Mapping] | None = None) -> str:
    """One sentence about what is down and what to do; empty if everything is up or nothing was started."""
    all_parts = parts(state)
    down = [part for part in all_parts if not part.up]
    if not down:
        return ""
    summary = ", ".join(f"the {part.name} is down" + (f" since {part.since}" if part.since else "") for part in down)
    if all_parts[-1].up:  # the supervisor
        return f"{_capital(summary)}. The supervisor restarts it; `make status` shows how often it has tried."
    return f"{_capital(summary)}. Run `make up`."


def elsewhere(state: Mapping[str, Mapping] | None = None) -> str:
    """The other machine on which this state folder's stack runs; empty where it runs here or nowhere."""
    state = read() if state is None else state
    host = str((state.get(SUPERVISOR) or {}).get("host") or "")
    if host in ("", socket.gethostname()):
        return ""
    try:
        return host if abs(time.time() - file().stat().st_mtime) < FRESH else ""
    except OSError:
        return ""


def is_down(name: str) -> bool:
    """Whether `make up` started this part and it is not running now."""
    return any(part.name == name and not part.up for part in parts())


def findings() -> list[tuple[str, bool, str]]:
    """What was checked, whether it is well, and a message: rows for the doctor."""
    remedy = "" if elsewhere() or _up(read().get(SUPERVISOR)) else "; run `make up`"
    return [(f"Airflow stack: {part.name}", part.up, part.text() + ("" if part.up else remedy)) for part in parts()]


def _part(name: str, entry: Mapping, there: bool) -> Part:
    up = entry.get("state") == "up" if there else _up(entry)
    since = str(entry.get("since") or "")
    if entry and not up and entry.get("state", "up") == "up":
        since = _last_look()  # it ended after the supervisor's last check
    return Part(name, up, since, int(entry.get("restarts") or 0), int(entry.get("pid") or 0))


def _up(entry: Mapping | None) -> bool:
    return bool(entry) and "pid" in entry and processes.alive(entry)


def _last_look() -> str:
    """The time of the supervisor's last check: it touches the file each time."""
    try:
        seen = file().stat().st_mtime
    except OSError:
        return ""
    return datetime.fromtimestamp(seen, timezone.utc).isoformat(timespec="seconds")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
