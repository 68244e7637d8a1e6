"""Progress of a node while it works: one JSON-lines file a node in the run's folder. Standard library only.

    runs/<run-id>/progress.<node>.jsonl    about ten lines an epoch

Which file that is comes from the environment, so that no parameter of a node, and with it no cache key, knows of it. Nothing is
written where no file is named, and a line that cannot be written is lost: progress never changes what a node computes.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from components.core import clock, fileio, paths

VARIABLE = "NEWSDESK_PROGRESS"


def file(run_id: str, node: str) -> Path:
    return paths.run_dir(run_id) / f"progress.{paths.safe_name(node, 'node')}.jsonl"


@contextlib.contextmanager
def to(path: Path) -> Iterator[None]:
    """What this process reports inside goes to `path`."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(path)
    try:
        yield
    finally:
        os.environ.pop(VARIABLE) if before is None else os.environ.update({VARIABLE: before})


def write(**figures) -> None:
    """Appends one line. figures: of a training `epoch` (a fraction), `epochs`, `step`, `steps`, `rows_per_second`, `loss`,
    `accuracy`, at an epoch's end `val_loss` and `val_accuracy`; of anything else `stage`, `done`, `total` and, where these are no
    rows, `unit`; of both `seconds_left`."""
    path = os.environ.get(VARIABLE)
    if path:
        with contextlib.suppress(OSError, ValueError):
            fileio.append_json(Path(path), {"time": clock.now(), **figures})


def read(path: Path) -> list[dict]:
    """The lines so far, oldest first. Where a training began again, the epochs that it repeats are its own alone."""
    rows: list[dict] = []
    for row in fileio.read_json_lines(path) if path.is_file() else ():
        epoch = row.get("epoch")
        if epoch is not None and any(old.get("epoch", -1) >= epoch for old in rows[-1:]):
            rows = [old for old in rows if old.get("epoch") is None or old["epoch"] < epoch]
        rows.append(row)
    return rows


def still_working(seconds: float, path: Path | None = None) -> str:
    """The line of a log in which a node is silent; with the last report where it made one."""
    rows = read(path) if path else []
    return f"still working, {duration(seconds)}" + (f"; {text(rows[-1])}" if rows else "")


class Clock:
    """Time left, from the pace since the first look; the first share of the work, which compiles, does not count."""

    def __init__(self) -> None:
        self.first: tuple[float, float] | None = None

    def seconds_left(self, done: float, total: float) -> float | None:
        """done, total: in any unit. None before there is a pace."""
        now = time.monotonic()
        if self.first is None or done <= self.first[0]:
            self.first = (done, now)
            return None
        before, started = self.first
        return round((now - started) / (done - before) * max(total - done, 0.0), 1)


def share(row: Mapping) -> float | None:
    """How much of the work is done, 0..1; None where a line does not have it."""
    done, total = (row.get("epoch"), row.get("epochs")) if "epoch" in row else (row.get("done"), row.get("total"))
    return min(1.0, done / total) if done is not None and total else None


def text(row: Mapping) -> str:
    """One line for people, what matters most first: a narrow terminal cuts its end."""
    left = f" ({duration(row['seconds_left'])} left)" if row.get("seconds_left") else ""
    if "epoch" in row:
        parts = [f"epoch {row['epoch']:.1f} of {row['epochs']}{left}"]
        parts += [
            f"{name.replace('val_', 'validation ')} {row[name]:.4f}"
            for name in ("loss", "accuracy", "val_loss", "val_accuracy")
            if row.get(name) is not None
        ]
    else:
        parts = [
            f"{row.get('stage', 'working')}: {row.get('done', 0):,} of {row.get('total', 0):,} {row.get('unit', 'rows')}{left}"
        ]
    if row.get("rows_per_second"):
        parts.append(f"{row['rows_per_second']:,.0f} rows/s")
    if row.get("steps"):
        parts.append(f"step {row['step']:,} of {row['steps']:,}")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
