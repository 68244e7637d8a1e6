"""Where Newsdesk keeps its state: one folder, `NEWSDESK_HOME`, with a version stamp.

Standard library only. Every path that another module writes to is named here, and nowhere else.
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

REPOSITORY = Path(__file__).resolve().parents[1]
STAMP = "1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class HomeError(Exception):
    """The state folder cannot be used: unwritable, or written by another version."""


def home() -> Path:
    """The state folder: `NEWSDESK_HOME`, or `.newsdesk/` in the repository."""
    return Path(os.environ.get("NEWSDESK_HOME") or REPOSITORY / ".newsdesk").absolute()


def ensure() -> Path:
    """Creates the state folder and its stamp; checks that it can be written to.

    Raises:
        HomeError: it cannot be created or written, or carries another version's stamp.
    """
    root = home()
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = root / "VERSION"
        if not stamp.exists():
            write_text(stamp, STAMP + "\n")
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise HomeError(
            f"NEWSDESK_HOME must be a folder this user can write to. Received: {root} ({error.strerror}). "
            "Free space or permissions there, or set NEWSDESK_HOME to another folder."
        ) from error
    found = stamp.read_text().strip()
    if found != STAMP:
        raise HomeError(
            f"NEWSDESK_HOME must carry version stamp {STAMP}. Received: {stamp} says {found!r}. "
            "Use the Newsdesk version that wrote it, or set NEWSDESK_HOME to a new folder."
        )
    return root


def safe_name(name: str, what: str) -> str:
    """Returns `name` if it is fit for a folder name, so that no name from outside can leave its folder.

    Raises:
        ValueError: it holds anything but letters, digits, `.`, `_`, `-`, or starts with a dot.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{what} must be 1 to 200 letters, digits, dots, dashes or underscores. Received: {what}={name[:80]!r}"
        )
    return name


def run_dir(run_id: str) -> Path:
    return home() / "runs" / safe_name(run_id, "run id")


def registry_dir(line: str) -> Path:
    return home() / "registry" / safe_name(line, "line")


def serving_dir(line: str) -> Path:
    return home() / "serving" / safe_name(line, "line")


def artifacts_dir(line: str) -> Path:
    return home() / "artifacts" / safe_name(line, "line")


def monitor_dir(line: str) -> Path:
    return home() / "monitor" / safe_name(line, "line")


def scored_dir() -> Path:
    """Where a scheduler's batch scoring puts its files, one folder a run."""
    return home() / "scored"


def staging_dir() -> Path:
    path = home() / "staging"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes `path`'s place, atomically and durably, when the block ends well: a reader sees old or new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        sync_folder(path.parent)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Replaces a text file; see `replacing`."""
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: Path, value) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def append_json(path: Path, value) -> None:
    """Adds one line to a JSON-lines file, whole or not at all; lines of two writers never mix.

    What a crash or a full disk left of an earlier line is cut off: the next line would be written behind it.

    Raises:
        OSError: no space or no permission; the file is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(value, ensure_ascii=False) + "\n").encode()
    with open(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end = _end_of_whole_lines(file)
        file.truncate(end)
        if file.write(line) < len(line):
            file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(file.fileno())


def _end_of_whole_lines(file) -> int:
    """Bytes of a file up to and with its last line end; reads backwards, for such a file may be long."""
    at = file.seek(0, os.SEEK_END)
    while at:
        start = max(0, at - 4096)
        file.seek(start)
        found = file.read(at - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0


def read_json(path: Path):
    """The file's value, or None where there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def read_json_lines(path: Path) -> list:
    """The values of a JSON-lines file, oldest first; empty where there is none.

    A last line that a crash cut short is left out.
    """
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1] if line]


def sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
