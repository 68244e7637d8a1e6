"""Rows out of data files: CSV, TSV, JSONL and Parquet, plain, gzip or zstd.

A file that cannot be read as a whole raises `SourceError`. A row that cannot be read is yielded as `BadRow`, with line,
column, value and reason, so that nothing is lost and nothing fails a whole file.
"""

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.sources import SourceError

COLUMNS = ("label", "title", "description")
MAX_FIELD = 1 << 20  # characters; the longest real article has under 10,000
_DELIMITERS = (",", ";", "\t", "|")
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_WHOLE = re.compile(r"([+-]?\d{1,9})(?:\.0+)?")

csv.field_size_limit(MAX_FIELD)


@dataclass(frozen=True)
class Row:
    """One article. line: where it starts in its file, counted from 1; label: 0-based, in the line's label order."""

    line: int
    label: int
    title: str
    description: str


@dataclass(frozen=True)
class BadRow:
    """One row that cannot be used. foreign: its label lies outside the line's labels."""

    line: int
    column: str
    value: str
    reason: str
    foreign: bool = False


def read(path: Path, labels: Sequence[str]) -> Iterator[Row | BadRow]:
    """All rows of one file, in order.

    Raises:
        SourceError: the file is empty, damaged, not of its format, or lacks a column.
    """
    name = path.name.lower().removesuffix(".gz").removesuffix(".zst")
    reader = {".jsonl": _jsonl, ".parquet": _parquet}.get(Path(name).suffix, _delimited)
    try:
        for line, fields in reader(path):
            yield fields if isinstance(fields, BadRow) else _row(line, fields, labels)
    except (OSError, EOFError, UnicodeError) as error:
        raise SourceError(f"a data file must be readable to its end. Received: {path} ({error})") from error


def parse_label(text: str, labels: Sequence[str]) -> int | None:
    """0-based label from a class number counted from 1 ("3", " 3", "3.0") or a class name; None if it is neither."""
    text = text.strip()
    whole = _WHOLE.fullmatch(text)
    if whole:
        number = int(whole.group(1))
        return number - 1 if 1 <= number <= len(labels) else None
    names = [label.casefold() for label in labels]
    return names.index(text.casefold()) if text.casefold() in names else None


def _row(line: int, fields: dict, labels: Sequence[str]) -> Row | BadRow:
    texts = {name: "" if fields.get(name) is None else str(fields[name]) for name in COLUMNS}
    for name, text in texts.items():
        if any("\ud800" <= c <= "\udfff" for c in text):
            return BadRow(line, name, text, "holds bytes that are not UTF-8")
        if "\0" in text:
            return BadRow(line, name, text, "holds a NUL character")
        if len(text) >= MAX_FIELD:
            return BadRow(line, name, text, f"is longer than {MAX_FIELD} characters")
    label = parse_label(texts["label"], labels)
    if label is None:
        expected = f"expected 1 to {len(labels)} or one of {', '.join(labels)}"
        return BadRow(line, "label", texts["label"], f"is outside the labels ({expected})", foreign=True)
    if not (texts["title"].strip() or texts["description"].strip()):
        return BadRow(line, "title, description", "", "both are empty")
    return Row(line, label, texts["title"], texts["description"])


@contextmanager
def _open(path: Path):
    """The uncompressed bytes of a file."""
    if path.name.lower().endswith(".gz"):
        with gzip.open(path) as file:
            yield file
    elif path.name.lower().endswith(".zst"):
        import zstandard

        with open(path, "rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as file:
            yield io.BufferedReader(file)
    else:
        with open(path, "rb") as file:
            yield file


@contextmanager
def _text(path: Path):
    """A file as text lines; bytes that are not of its encoding come through as surrogates, for the row to report."""
    with _open(path) as file:
        head = file.peek(4096)[:4096]
        if not head:
            raise SourceError(f"a data file must hold rows. Received: {path}, which is empty")
        if head.lstrip()[:15].lower().startswith((b"<!doctype", b"<html")):
            raise SourceError(f"a data file must hold rows. Received: {path}, line 1: an HTML page (a failed download?)")
        encoding = next((name for mark, name in _BOMS if head.startswith(mark)), "utf-8")
        yield io.TextIOWrapper(file, encoding=encoding, errors="surrogateescape", newline="")


def _delimited(path: Path) -> Iterator[tuple[int, dict | BadRow]]:
    with _text(path) as text:
        first = text.readline()
        delimiter = "\t" if ".tsv" in path.name.lower() else _delimiter(first)
        # The csv module refuses NUL; as a lone surrogate it reaches the row, which reports it.
        lines = (line.replace("\0", "\udc00") for line in _chain(first, text))
        reader = csv.reader(lines, delimiter=delimiter)
        names, end, seen = None, 0, 0
        while True:
            start = end + 1
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                end = reader.line_num
                yield start, BadRow(start, "row", "", f"is not readable as CSV ({error})")
                continue
            end = reader.line_num
            if not cells:
                continue
            if names is None:
                names, header = _columns(cells, path)
                if header:
                    continue
            seen += 1
            if len(cells) != len(names):
                shown = delimiter.join(cells)
                yield start, BadRow(start, "row", shown, f"has {len(cells)} columns, expected {len(names)} ({', '.join(names)})")
                continue
            yield start, dict(zip(names, cells, strict=True))
    if not seen:
        raise SourceError(f"a data file must hold rows. Received: {path}, which has a header only")


def _delimiter(first: str) -> str:
    counts = {mark: len(next(csv.reader([first], delimiter=mark), [])) for mark in _DELIMITERS}
    return "," if counts[","] >= len(COLUMNS) else max(counts, key=counts.get)


def _columns(cells: list[str], path: Path) -> tuple[list[str], bool]:
    """Column names of a delimited file and whether its first row is the header that gave them."""
    names = [_known_name(cell) for cell in cells]
    label_like = _WHOLE.fullmatch(cells[0].strip())
    if not label_like and any(name in COLUMNS for name in names):
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise SourceError(
                f"a file with a header must have the columns {', '.join(COLUMNS)}. "
                f"Received: {path}, line 1: column {', '.join(missing)} is missing (found: {', '.join(cells)[:200]})"
            )
        return names, True
    if len(cells) != len(COLUMNS):
        raise SourceError(
            f"a file without a header must have {len(COLUMNS)} columns ({', '.join(COLUMNS)}). "
            f"Received: {path}, line 1: {len(cells)} column(s): {', '.join(cells)[:200]}"
        )
    return list(COLUMNS), False


def _known_name(cell: str) -> str:
    name = cell.strip().lower().replace("_", " ")
    return {"class": "label", "class index": "label", "category": "label"}.get(name, name)


def _jsonl(path: Path) -> Iterator[tuple[int, dict | BadRow]]:
    with _text(path) as text:
        for number, line in enumerate(text, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError as error:
                yield number, BadRow(number, "row", line, f"is not JSON ({error})")
                continue
            missing = [name for name in COLUMNS if not isinstance(value, dict) or name not in value]
            if missing:
                yield number, BadRow(number, ", ".join(missing), line, "is missing")
            else:
                yield number, value


def _parquet(path: Path) -> Iterator[tuple[int, dict]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise SourceError(f"a data file must be readable to its end. Received: {path} ({error})") from error
    missing = [name for name in COLUMNS if name not in file.schema_arrow.names]
    if missing:
        raise SourceError(
            f"a Parquet file must have the columns {', '.join(COLUMNS)}. "
            f"Received: {path}: column {', '.join(missing)} is missing (found: {', '.join(file.schema_arrow.names)})"
        )
    number = 0
    for batch in file.iter_batches(columns=list(COLUMNS)):
        for value in batch.to_pylist():
            number += 1
            yield number, value


def _chain(first: str, rest) -> Iterator[str]:
    yield first
    yield from rest
