"""Files written atomically and durably, and JSON files read with their path in every error. Standard library only."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from components.core import errors


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file that replaces `path`, atomically and durably, when the block ends without an exception."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        sync(path.parent)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def nameless(folder: str | Path | None) -> BinaryIO:
    """A new file without a name, which vanishes with the process; in a folder that is made where it is missing, else in the system's
    for temporary files."""
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder or None)


def write_text(path: Path, text: str) -> None:
    """Replaces a text file; see `replacing`."""
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: Path, value) -> None:
    """Replaces a JSON file; see `replacing`. value: JSON, in which records (`to_json`) may stand."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True, default=_plain) + "\n")


def _plain(value):
    if hasattr(value, "to_json"):
        return value.to_json()
    raise TypeError(f"JSON holds no {type(value).__name__}")


def append_json(path: Path, value) -> None:
    """Adds one line to a JSON-lines file, complete or not at all; lines of two writers never mix.

    An incomplete last line, left by a crash or a full disk, is removed first.

    Raises:
        OSError: no space or no permission; the file is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(value, ensure_ascii=False) + "\n").encode()
    with open(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end = end_of_last_line(file)
        file.truncate(end)
        if file.write(line) < len(line):
            file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(file.fileno())


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time inside; the others wait. The file is empty and stays. Not reentrant."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def end_of_last_line(file: BinaryIO) -> int:
    """Offset behind the file's last line end; reads backwards, because the file may be long."""
    at = file.seek(0, os.SEEK_END)
    while at:
        start = max(0, at - 4096)
        file.seek(start)
        line_end = file.read(at - start).rfind(b"\n")
        if line_end >= 0:
            return start + line_end + 1
        at = start
    return 0


def read_json(path: Path):
    """The file's value, or None where there is no such file.

    Raises:
        DamagedFile: it holds no JSON.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    return _parsed(path, text)


def read_json_lines(path: Path) -> list[dict]:
    """The objects of a JSON-lines file, oldest first; empty where there is none.

    An incomplete last line, left by a crash, is ignored.

    Raises:
        DamagedFile: an earlier line holds no JSON object.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [_object(path, line, f"line {number}: ") for number, line in enumerate(lines, 1) if line]


def _object(path: Path, line: bytes, where: str) -> dict:
    value = _parsed(path, line, where)
    if not isinstance(value, dict):
        raise errors.DamagedFile(path, "a JSON object a line", f"{where}{str(value)[:80]}")
    return value


def _parsed(path: Path, text: bytes, where: str = ""):
    try:
        return json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, or JSON nested too deeply
        received = f"{where}{len(text)} bytes, {type(error).__name__}: {error}"
        raise errors.DamagedFile(path, "JSON", received) from error


def sync(path: Path) -> None:
    """Forces a file or a folder's entries onto the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def statuses(path: Path) -> Iterator[os.stat_result]:
    """Those of a file or folder and of all that is below it; links are not followed. What vanishes meanwhile is left out."""
    below = () if path.is_symlink() else os.walk(path)
    for name in (path, *(os.path.join(place, name) for place, folders, files in below for name in folders + files)):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            yield os.lstat(name)


def file_hash(path: Path) -> str:
    """sha256 of a file's content, hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def bytes_hash(data: bytes) -> str:
    """sha256 of bytes, hex."""
    return hashlib.sha256(data).hexdigest()
