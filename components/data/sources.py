"""From `source`, `window` and `as_of` to an explicit list of files with their hashes, which is all a run ever reads.

A folder holds files named `train*` and `test*` (any other data file counts as train), directly or in dated folders,
`YYYY-MM-DD/` or `span=YYYY-MM-DD/`. A dated folder without `_SUCCESS` counts as finished once its newest file is a minute
old; where any dated folder of the source carries the marker, all must. A train file outside dated folders has no date and
is read with window `all` only; a test file there always is. Names that begin with `.` or `_` are not data, as on Hadoop.

A dated folder holds what arrived on that calendar day of the schedule's timezone. A run that covers an interval of the time table
reads up to the day of the interval's last moment: the one from the 23rd to the 24th at midnight reads up to the 23rd,
and `last 1d` is the 23rd. With a schedule at 03:00 it is the 24th, which began before the interval ended. Any other run reads
up to the day of its `as_of`.

A folder that is read may carry `SHA256SUMS` (as `sha256sum` writes it): every file named there, also one in a folder below or outside the
window, must have that content.
"""

import json
import os
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from urllib.parse import urlsplit

from components.core import paths
from components.core.fileio import file_hash
from components.data.source_entries import FORMATS, no_data, shown

SETTLED = 60  # seconds since the last write after which an unmarked dated folder is taken as finished
PATIENCE = 5.0  # seconds for a first answer of a data set's host; the downloader itself tries for minutes
SUMS = "SHA256SUMS"
_SUM = re.compile(r"([0-9a-fA-F]{64}) [ *]?(?:\./)?(\S.*)")
_SPAN = re.compile(r"(?:span=)?(\d{4}-\d\d-\d\d)")


class SourceError(Exception):
    """The source cannot be read as asked: a data stop, never a bug."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a run. split: "train" or "test"; size in bytes; span: ISO date or ""; kind: "file" or "tfds"."""

    path: str
    split: str
    size: int
    sha256: str
    span: str = ""
    kind: str = "file"

    def to_json(self) -> dict:
        return asdict(self)


def resolve(source: str, window: str, as_of: datetime, new_day: bool = False) -> tuple[list[SourceFile], list[str]]:
    """The files of a run, ordered, and one line for each thing in the source that is not read.

    as_of: its date, in its own timezone, is the last day that is read; `last_moment` makes it. new_day: whether the demo's newsroom
    prints that day first; other sources have their own newsrooms.

    Raises:
        SourceError: no such source, no data file in it, or none in the window.
    """
    if source == "demo":
        return _folder(_demo(as_of.date() if new_day else None), window, as_of)
    if source == "tfds" or source.startswith("tfds:"):
        if window != "all":
            raise SourceError(f"a TFDS source has no dates, so its window must be 'all'. Received: window={window!r}")
        return _tfds(source.partition(":")[2] or "ag_news_subset"), []
    folder = Path.cwd() / folder_of(source)
    if not folder.is_dir():
        raise SourceError(f"source must be 'demo', 'tfds' or a folder that exists. Received: source={source!r}")
    try:
        return _folder(folder.resolve(), window, as_of)
    except OSError as error:
        raise SourceError(f"a source must be readable. Received: source={source!r} ({error})") from error


def last_moment(as_of: datetime, is_end: bool, zone: tzinfo) -> datetime:
    """The last moment that a run is about, in the timezone whose days the dated folders are.

    is_end: whether `as_of` is the end of an interval, which the next interval begins with.
    """
    return (as_of - timedelta(microseconds=1) if is_end else as_of).astimezone(zone)


def folder_of(source: str) -> Path | None:
    """Where the dated folders of a source are, which may not be there yet; None for one that has none."""
    if source == "demo":
        return paths.home() / "demo"
    if source in ("", "tfds") or source.startswith("tfds:"):
        return None
    return Path(source).expanduser()


def day_of(name: str) -> str:
    """The ISO date in a dated folder's name; empty for another name."""
    match = _SPAN.fullmatch(name)
    return match.group(1) if match else ""


def finished_spans(root: Path, last: date) -> list[Path]:
    """The dated folders of a source up to the day `last` that are complete, by name."""
    spans = {path: day for path in root.iterdir() if (day := day_of(path.name)) and path.is_dir()}
    marked = any((path / "_SUCCESS").exists() for path in spans)
    return sorted(
        path for path, span in spans.items() if not _outside(span, "all", last) and not _unfinished(path, marked)
    )


def _folder(root: Path, window: str, as_of: datetime) -> tuple[list[SourceFile], list[str]]:
    files, ignored = [], []
    spans = {}
    for path in sorted(root.iterdir()):
        day = day_of(path.name)
        if path.is_dir() and day:
            spans[path] = day
        elif path.is_dir():
            ignored.append(f"{shown(path.name)}/: not a dated folder (YYYY-MM-DD)")
    if window != "all" and not spans:
        rule = "a window needs dated folders (YYYY-MM-DD/ or span=YYYY-MM-DD/)"
        raise SourceError(f"{rule}. Received: window={window!r}, none in {root}")
    for file in _data_files(root, root, "", ignored):
        if window == "all" or file.split == "test":
            files.append(file)
        else:
            ignored.append(f"{Path(file.path).name}: has no date, outside window {window}")
    marked = any((path / "_SUCCESS").exists() for path in spans)
    folders = [root]
    for path, span in spans.items():
        reason = _outside(span, window, as_of.date()) or _unfinished(path, marked)
        if reason:
            ignored.append(f"{path.name}/: {reason}")
        else:
            folders.append(path)
            files += _data_files(path, root, span, ignored)
    known = {Path(file.path): file.sha256 for file in files}
    for path in folders:
        _check_sums(path, root, known)
    if not any(f.split == "train" for f in files):
        raise SourceError(
            f"a source must hold at least one train file ({', '.join(FORMATS)}) in the window. "
            f"Received: source={str(root)!r}, window={window!r}"
            + "".join(f"\n  not read: {line}" for line in ignored[:20])
        )
    return sorted(files, key=lambda f: (f.split, f.span, f.path)), ignored


def _data_files(folder: Path, root: Path, span: str, ignored: list[str]) -> list[SourceFile]:
    """The data files of one folder; every other entry is added to `ignored`."""
    files = []
    for path in sorted(folder.iterdir()):
        if path.name in ("_SUCCESS", SUMS) or (path.is_dir() and not span):
            continue
        if reason := no_data(path):
            ignored.append(f"{shown(path.relative_to(root).as_posix())}: {reason}")
            continue
        if shown(str(path)) != str(path):
            raise SourceError(f"the name of a data file must be UTF-8; rename it. Received: {shown(str(path))}")
        if root not in path.resolve().parents:
            raise SourceError(f"a data file must lie inside its source. Received: {path} is a link to {path.resolve()}")
        split = "test" if path.name.lower().startswith("test") else "train"
        files.append(SourceFile(str(path), split, path.stat().st_size, file_hash(path), span))
    return files


def _check_sums(folder: Path, root: Path, known: Mapping[Path, str]) -> None:
    """Compares every file that the folder's `SHA256SUMS` names. known: sha256 of files that were read already."""
    sums = [(Path(os.path.normpath(folder / name)), wanted) for name, wanted in _checksums(folder)]
    for path, _ in sums:
        if folder not in path.parents or root not in path.resolve().parents:
            raise SourceError(f"{SUMS} must name files below its own folder. Received: {folder / SUMS} names {path}")
    lost = sorted(path.relative_to(folder).as_posix() for path, _ in sums if not path.exists())
    if lost:
        raise SourceError(
            f"every file that {SUMS} names must be there. Received: {folder} without {', '.join(lost)[:200]}"
        )
    for path, wanted in sums:
        received = known.get(path) or file_hash(path)
        if received != wanted and path != folder / SUMS:  # `sha256sum *` lists an earlier one too
            raise SourceError(
                f"a file must have the sha256 of {SUMS}, {wanted[:12]}. Received: {path}, {received[:12]}"
            )


def _checksums(folder: Path) -> list[tuple[str, str]]:
    """File names and their sha256 from the folder's `SHA256SUMS`; empty where there is none."""
    path = folder / SUMS
    if not path.is_file():
        return []
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    sums = [_SUM.fullmatch(line.strip()) for line in lines]
    if not all(sums):
        wrong = lines[sums.index(None)]
        raise SourceError(f"{SUMS} must hold lines of sha256 and file name. Received: {path}: {wrong[:80]!r}")
    return [(match.group(2), match.group(1).lower()) for match in sums]


def _outside(span: str, window: str, last: date) -> str:
    try:
        day = date.fromisoformat(span)
    except ValueError:
        return "not a date of the calendar"
    if day > last:
        return f"later than {last}"
    if window.startswith("last "):
        days = int(window[5:-1])
        return "" if day > last - timedelta(days=days) else f"older than {days} days before {last}"
    return "" if window in ("all", span) else f"outside window {window}"


def _unfinished(path: Path, marked: bool) -> str:
    if (path / "_SUCCESS").exists():
        return ""
    if marked:
        return "still being written (no _SUCCESS)"
    # A file that was moved in keeps the time of its writing; the time of its move is that of its status.
    changes = [max(status.st_mtime, status.st_ctime) for _, status in entries(path)]
    newest = max(changes, default=time.time())
    return "" if time.time() - newest >= SETTLED else f"still being written (changed in the last {SETTLED} s)"


def entries(folder: Path) -> list[tuple[str, os.stat_result]]:
    """Name and status of what a dated folder holds, sorted by name; the status of a link itself, whose target may be gone.

    Names that begin with a dot are left out: editors and copying tools use them for locks and half-written files.
    """
    return sorted((path.name, path.lstat()) for path in folder.iterdir() if path.name[0] != ".")


def _demo(day: date | None) -> Path:
    from components.data import demo_corpus, demo_days  # they generate text; only the TFX environment comes here

    folder = demo_corpus.write(paths.home() / "demo")
    if day is not None:
        demo_days.deliver(folder, day)
    return Path(folder).resolve()


def _tfds(name: str) -> list[SourceFile]:
    import tensorflow_datasets as tfds  # heavy; only this source needs it

    place = paths.home() / "tfds"
    try:
        builder = tfds.builder(paths.safe_name(name, "tfds data set"), data_dir=place)
        if not Path(builder.data_dir).is_dir():
            _check_reachable(name, place, set(builder.url_infos or ()) - _downloaded(place / "downloads"))
        # Its second way, a bucket of prepared data sets, retries for minutes without a network.
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(
            f"TensorFlow Datasets must be able to prepare {name!r} (needs internet once, or a copy under "
            f"{place}). Received: {type(error).__name__}: {str(error)[:300]}"
        ) from error
    folder = Path(builder.data_dir)
    files = []
    for split in ("train", "test"):
        for path in sorted(folder.glob(f"*-{split}.tfrecord*")):
            files.append(SourceFile(str(path), split, path.stat().st_size, file_hash(path), kind="tfds"))
    return files


def _downloaded(folder: Path) -> set[str]:
    """The addresses whose files TensorFlow Datasets has downloaded already, by the notes that it keeps beside them."""
    return {url for path in folder.rglob("*.INFO") for url in json.loads(path.read_text()).get("urls", ())}


def _check_reachable(name: str, place: Path, urls: Iterable[str]) -> None:
    """Raises SourceError where a data set's host, or the proxy before it, does not answer."""
    for url in sorted(urls):
        fault = _unreachable(url)
        if fault:
            raise SourceError(
                f"{name!r} of TensorFlow Datasets is not downloaded yet, and {urlsplit(url).hostname} cannot be reached ({fault}). "
                f"Connect this machine to the internet (behind a proxy, set https_proxy), copy a prepared data set to {place}, "
                "or use a folder as the source"
            )


def _unreachable(url: str, seconds: float = PATIENCE) -> str:
    """Why no connection to an address can be made; empty where one can."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.netloc):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    faults: list[str] = []

    def connect() -> None:
        try:
            port = parts.port or {"http": 80, "ftp": 21}.get(parts.scheme, 443)
            socket.create_connection((parts.hostname or "", port), timeout=seconds).close()
            faults.append("")
        except (OSError, ValueError) as error:
            faults.append(str(error))

    # A thread, because looking up a name has no time limit of its own.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    return faults[0] if faults else f"no answer within {seconds:g} s"
