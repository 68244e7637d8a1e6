"""What the supervisor wrote of each part of the stack: since when it is up or down, and how often it was started again.

For everybody who shows it: `make status`, `newsdesk doctor`, the pages in Airflow. Standard library only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from components.core import fileio, paths, processes

NAMES = ("api-server", "scheduler", "dag-processor", "triggerer", "mlflow")
SUPERVISOR = "supervisor"


@dataclass(frozen=True)
class Part:
    """since: ISO time of the last change; empty where nobody wrote it down. restarts: how often the supervisor started it again."""

    name: str
    up: bool
    since: str
    restarts: int
    pid: int

    def text(self) -> str:
        state = f"running, process {self.pid}" if self.up else "not running"
        since = f", {'since' if self.up else 'down since'} {self.since}" if self.since else ""
        return state + since + (f", started again {self.restarts} times" if self.restarts else "")


def file() -> Path:
    return paths.home() / "airflow" / "stack.json"


def read() -> dict[str, dict]:
    """The state as written: by name of a part its `pid`, `started`, `since`, `state`, `restarts`."""
    return fileio.read_json(file()) or {}


def parts(state: Mapping[str, Mapping] | None = None) -> list[Part]:
    """The supervisor and each part of the stack; empty where the stack was not started, or was ended by `make down`."""
    state = read() if state is None else state
    return [_part(name, state.get(name) or {}) for name in (*NAMES, SUPERVISOR)] if state else []


def warning(state: Mapping[str, Mapping] | None = None) -> str:
    """One sentence about what is down, and what to do; empty where all is up or nothing was started."""
    found = parts(state)
    down = [part for part in found if not part.up]
    if not down:
        return ""
    said = ", ".join(f"the {part.name} is down" + (f" since {part.since}" if part.since else "") for part in down)
    if found[-1].up:  # the supervisor
        return f"{_capital(said)}. The supervisor starts it again; `make status` shows how often it tried."
    return f"{_capital(said)}. Run `make up`."


def is_down(name: str) -> bool:
    """Whether `make up` started this part and it does not run now."""
    return any(part.name == name and not part.up for part in parts())


def findings() -> list[tuple[str, bool, str]]:
    """What was looked at, whether it is well, and what there is to say: rows for the doctor."""
    remedy = "" if _up(read().get(SUPERVISOR)) else "; run `make up`"
    return [(f"Airflow stack: {part.name}", part.up, part.text() + ("" if part.up else remedy)) for part in parts()]


def _part(name: str, entry: Mapping) -> Part:
    up = _up(entry)
    since = str(entry.get("since") or "")
    if entry and not up and entry.get("state", "up") == "up":
        since = _last_look()  # it ended after the supervisor looked last
    return Part(name, up, since, int(entry.get("restarts") or 0), int(entry.get("pid") or 0))


def _up(entry: Mapping | None) -> bool:
    return bool(entry) and "pid" in entry and processes.alive(entry)


def _last_look() -> str:
    """When the supervisor looked last: it touches the file each time."""
    try:
        seen = file().stat().st_mtime
    except OSError:
        return ""
    return datetime.fromtimestamp(seen, timezone.utc).isoformat(timespec="seconds")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
