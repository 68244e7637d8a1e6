"""Rows of data files: CSV, TSV, JSONL and Parquet, plain, gzip or zstd.

A file that cannot be read to its end raises `SourceError`. A row that cannot be read is yielded as `BadRow`, with line, column,
value and reason: one bad row does not fail its file.
"""

import json
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from components.core import request_log
from components.data import csv_reader
from components.data.row_format import BLOCK, COLUMNS, MAX_FIELD, BadRow, Block, Form, Row, each, parse_label
from components.data.sources import SourceError
from components.data.text_stream import NUL, LongLine, open_bytes, open_lines, unpacked_name

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def read(path: Path, form: Form, least: int = 1) -> Iterator[Row | BadRow]:
    """All rows of one file, in order; blank lines are skipped. least: 0 where a file may hold a header alone.

    Raises:
        SourceError: the file is empty, damaged, cut off, not of its format, or lacks a column.
    """
    yield from each(blocks(path, form, least))


def blocks(path: Path, form: Form, least: int = 1) -> Iterator[Block | BadRow]:
    """As `read`, good rows many at a time: the same rows at a third of the cost."""
    reader = {".jsonl": _jsonl, ".parquet": _parquet}.get(Path(unpacked_name(path)).suffix, csv_reader.blocks)
    any_row, block = False, Block()
    try:
        for line, fields in reader(path, form):
            any_row = True
            row = fields if isinstance(fields, Block | BadRow) else _row(line, fields, form)
            if isinstance(row, Row):
                block.add(row.line, row.label, row.title, row.description)
            if block and (not isinstance(row, Row) or len(block) >= BLOCK):
                yield block
                block = Block()
            if not isinstance(row, Row):
                yield row
        if block:
            yield block
    except (OSError, EOFError, UnicodeError, zlib.error) as error:
        raise SourceError(f"a data file must be readable to its end. Received: {path} ({error})") from error
    if least and not any_row:
        raise SourceError(f"a data file must hold rows. Received: {path}, which has none")


def text_of(value: object) -> str | None:
    """A value of JSONL or Parquet as text, "" for null; None for what is none: true, a list, an object, a date."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str | int | float | None) or isinstance(value, bool):
        return None
    return "" if value is None else str(value)


def _row(line: int, fields: dict, form: Form) -> Row | BadRow:
    texts = {}
    for name in COLUMNS:
        text = text_of(fields.get(name))
        if text is None:
            return BadRow(line, name, str(fields[name]), "is not text")
        texts[name] = text
        if len(text) >= MAX_FIELD:
            return BadRow(line, name, text, f"is longer than {MAX_FIELD} characters")
        if "\0" in text or NUL in text:
            return BadRow(line, name, text.replace(NUL, "\0"), "holds a NUL character")
        if not _encodable(text):
            return BadRow(line, name, text, "holds bytes that are not of the file's encoding")
    first, last = form.first_label, form.first_label + len(form.labels) - 1
    label = parse_label(texts["label"], form.labels, first)
    if label is None and not form.labelled:
        label = -1
    if label is None:
        expected = f"expected {first} to {last} or one of {', '.join(form.labels)}"
        return BadRow(line, "label", texts["label"], f"is outside the labels ({expected})", foreign=True)
    if not (texts["title"].strip() or texts["description"].strip()):
        return BadRow(line, "title, description", "", "both are empty")
    return Row(line, label, texts["title"], texts["description"])


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _jsonl(path: Path, form: Form) -> Iterator[tuple[int, dict | BadRow]]:
    with open_lines(path, form.encoding) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            if isinstance(line, LongLine):
                yield number, BadRow(number, "row", line, "is too long a line")
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                if line[-1] not in "\r\n" and "{" in line:
                    raise SourceError(
                        f"a data file must be complete. Received: {path}, line {number}: cut off"
                    ) from error
                yield number, BadRow(number, "row", line, f"is not JSON ({str(error)[:100]})")
                continue
            value = request_log.without_answer(value) if isinstance(value, dict) else {}
            fields = dict(zip(map(form.name_of, value), value.values()))
            missing = form.missing(fields)
            if len(fields) < len(value) and (twice := form.repeated(value)):
                yield number, BadRow(number, "row", line, f"must name each column once ({twice})")
            elif missing:
                yield number, BadRow(number, ", ".join(missing), line, "is missing")
            else:
                yield number, fields


@contextmanager
def open_parquet(path: Path) -> Iterator["pq.ParquetFile"]:
    """A Parquet file, plain or packed.

    Raises:
        SourceError: it is damaged, also where that shows within the block.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_bytes(path) as packed, tempfile.TemporaryFile() as aside:
        source = packed
        if path.suffix.lower() != ".parquet":  # Parquet is read from its end
            shutil.copyfileobj(packed, aside)
            source = aside
        try:
            yield pq.ParquetFile(source)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"a data file must be readable to its end. Received: {path} ({error})") from error


def batches(file: "pq.ParquetFile", columns: list[str] | None = None) -> Iterator["pa.RecordBatch"]:
    """The rows of a Parquet file, some thousand at a time."""
    groups = range(file.metadata.num_row_groups)  # newer versions of pyarrow refuse to read none
    yield from file.iter_batches(8192, groups, columns) if groups else ()


def _parquet(path: Path, form: Form) -> Iterator[tuple[int, dict]]:
    import pyarrow as pa

    with open_parquet(path) as file:
        names = {form.name_of(name): name for name in file.schema_arrow.names}
        missing, read = form.missing(names), [name for name in COLUMNS if name in names]
        if twice := form.repeated(file.schema_arrow.names):
            raise SourceError(
                f"a Parquet file must name each column once. Received: {path}: {twice}. Rename or remove one, or change the names "
                "under [files.columns] in the line's line.toml."
            )
        if missing:
            raise SourceError(
                f"a Parquet file must have the columns {', '.join(form.required)}. Received: {path}: "
                f"column {', '.join(missing)} is missing (found: {', '.join(file.schema_arrow.names)})"
            )
        number = 0
        for batch in batches(file, [names[name] for name in read]):
            cells = [_values(pa, batch.column(batch.schema.get_field_index(names[name]))) for name in read]
            for values in zip(*cells):
                number += 1
                yield number, dict(zip(read, values))


def _values(pa, column) -> list:
    """A column as Python values, text as bytes, so that text that is not UTF-8 fails its row and not its batch."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = column.cast(pa.large_binary() if pa.types.is_large_string(kind) else pa.binary())
    return column.to_pylist()
