"""What a server or a client was asked, one row a text: `<folder>/<day>/requests.jsonl`, days in UTC. Standard library only.

The server's folder is `requests/<line>`; a client is given one. The folder is a source like any other: `newsdesk monitor $NEWSDESK_HOME/requests/news --window "last 7d"` compares what is asked
with what the champion was trained on. Rows hold the texts themselves; the files can be read by this user alone.
A row: `id` (the request's id and the text's number in it), `time`, `version`, `digest`, `title` (the text), `description` (empty),
`answer` (the model's label, which is no true one), `probability`. JSON lines and not Parquet: a Parquet file cannot be read until it is closed, so that a process that crashes
would lose its day, and two processes could not share one.
"""

import contextlib
import fcntl
import json
import os
import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import BinaryIO

from components.core import fileio

FILE = "requests.jsonl"
_QUEUED = 1_000  # requests
_ANSWERED = {"version", "digest", "probability"}  # only a row of a log has all of them


@dataclass(frozen=True)
class LogSettings:
    """Limits of a request log. days: how many days' folders are kept; day_bytes: what one day's file may hold at most."""

    days: int = 14
    day_bytes: int = 256 << 20


def rows(
    request_id: str, now: datetime, version: int, digest: str, answers: Sequence[tuple[str, str, float]]
) -> list[dict]:
    """answers: text, label and its probability, in the request's order."""
    return [
        {
            "id": f"{request_id}-{number}", "time": now.isoformat(timespec="milliseconds"), "version": version, "digest": digest,
            "title": text, "description": "", "answer": label, "probability": round(probability, 6),
        }
        for number, (text, label, probability) in enumerate(answers, 1)
    ]  # fmt: skip


def without_answer(row: dict) -> dict:
    """A JSON row as a reader of labelled texts must see it: the model's answer in a row of a log is no label. Older logs named it `label`."""
    if not row.keys() >= _ANSWERED:
        return row
    return {name: value for name, value in row.items() if name not in ("label", "answer")}


def read(path: Path) -> Iterator[dict | None]:
    """The rows of a day's file; None for a line that is no row, such as one that a crash cut short."""
    with open(path, "rb") as file:
        for line in file:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            texts = [row.get(name) for name in ("id", "title", "description")] if isinstance(row, dict) else [None]
            yield row if all(isinstance(text, str) for text in texts) else None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """A day's file, for one writer at a time, and its end; an incomplete last line, left by a crash, is removed."""
    with open(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end = fileio.end_of_last_line(file)
        if end < file.seek(0, os.SEEK_END):  # else the file's time would change
            file.truncate(end)
        yield file, end


class RequestLog:
    """Writes in a thread of its own, so that no answer waits for the disk; what cannot be written is left out and counted.

    dropped: rows left out, because the day's file is full, the disk is, or too many wait. trouble: why the last were, "" if none.
    """

    def __init__(self, folder: Path, settings: LogSettings, clock: Callable[[], datetime] | None = None):
        self.folder, self.settings = folder, settings
        self.dropped, self.trouble = 0, ""
        self._clock = clock or (lambda: datetime.now(timezone.utc))
        self._queue: queue.Queue[list[dict] | None] = queue.Queue(_QUEUED)
        self._day = ""
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self._thread.start()

    def add(self, request_id: str, version: int, digest: str, answers: Sequence[tuple[str, str, float]]) -> None:
        """answers: as for `rows`. Returns at once."""
        entries = rows(request_id, self._clock(), version, digest, answers)
        try:
            self._queue.put_nowait(entries)
        except queue.Full:
            self._drop(len(entries), "rows come faster than they can be written")

    def close(self) -> None:
        """Writes what waits, and ends."""
        self._queue.put(None)
        self._thread.join(10)

    def _run(self) -> None:
        while (entries := self._queue.get()) is not None:
            try:
                self._write(entries)
            except OSError as error:
                self._drop(len(entries), f"{error.filename or self.folder}: {error.strerror}")

    def _write(self, entries: list[dict]) -> None:
        day = entries[0]["time"][:10]
        if day != self._day:
            self._remove_before(day)
            self._mend()
            self._day = day
        path = self.folder / day / FILE
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
        with _opened(path) as (file, end):
            if end + len(data) > self.settings.day_bytes:
                self._drop(len(entries), f"{path} holds {end:,} of {self.settings.day_bytes:,} bytes")
                return
            if file.write(data) < len(data):
                file.truncate(end)  # no half row
                raise OSError(28, "No space left on device", str(path))
        self.trouble = ""

    def _drop(self, count: int, why: str) -> None:
        self.dropped += count
        self.trouble = why

    def _mend(self) -> None:
        """Earlier days too: a source's file that is cut off cannot be read."""
        for path in self.folder.glob(f"*/{FILE}"):
            with contextlib.suppress(OSError), _opened(path):
                pass

    def _remove_before(self, day: str) -> None:
        """Removes the folders of days that are no longer kept; anything else in the folder stays."""
        first = datetime.fromisoformat(day) - timedelta(days=self.settings.days - 1)
        for path in self.folder.iterdir() if self.folder.is_dir() else []:
            if len(path.name) == 10 and path.name.replace("-", "").isdigit() and path.name < first.date().isoformat():
                shutil.rmtree(path, ignore_errors=True)
