"""Rows of CSV and TSV files, with or without a header (AG News has none).

A stray quote would make one field of all rows after it. So quoting is strict, and where a row cannot be parsed only its first
line becomes the bad row; reading continues with the next line.
"""

import csv
from collections import Counter, deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from components.data.row_format import COLUMNS, MAX_FIELD, TEXTS, BadRow, Form, parse_label
from components.data.sources import SourceError
from components.data.text_stream import LongLine, open_lines

_DELIMITERS = (",", "\t", ";", "|")
_SAMPLE = 20  # lines from which delimiter and header are detected
_ROW_LINES = 1000  # most lines of one row; a quote open for longer is a stray one


class _Feed:
    """Lines for the csv module. Keeps the lines of the current row, so that all but the first can be put back."""

    def __init__(self, lines: Iterator[str]):
        self.lines, self.ahead = lines, deque()
        self.row: list[str] = []
        self.read = 0  # lines consumed
        self.last = ""

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self.ahead.popleft() if self.ahead else next(self.lines)
        self.row.append(line)
        self.read += 1
        self.last = line
        if isinstance(line, LongLine):
            raise csv.Error("the line is too long")
        if len(self.row) > _ROW_LINES:
            raise csv.Error(f"a quote is not closed within {_ROW_LINES} lines")
        return line

    def skip(self, count: int) -> None:
        """Leaves out so many lines, which count in the numbers of those after them."""
        self.read += len(list(islice(self.lines, count)))

    def peek(self, count: int) -> list[str]:
        self.ahead.extend(islice(self.lines, max(0, count - len(self.ahead))))
        return list(self.ahead)

    def leave(self) -> str:
        """Puts back all lines of the row but its first, which is returned."""
        self.ahead.extendleft(reversed(self.row[1:]))
        self.read -= len(self.row) - 1
        return self.row[0] if self.row else ""


def rows(path: Path, form: Form) -> Iterator[tuple[int, dict | BadRow]]:
    """(line, fields by column) of every row, or (line, BadRow).

    Raises:
        SourceError: columns are missing, or the last row is cut off.
    """
    csv.field_size_limit(MAX_FIELD)
    with open_lines(path, form.encoding) as lines:
        feed = _Feed(lines)
        feed.skip(form.skip_lines)
        head = feed.peek(_SAMPLE)
        suffix = Path(path.name.lower().removesuffix(".gz").removesuffix(".zst")).suffix
        delimiter = form.delimiter or ("\t" if suffix == ".tsv" else _delimiter(head, form))
        names, header = _columns(_sample(head, delimiter), form, path)
        reader = csv.reader(feed, delimiter=delimiter, strict=True)
        while True:
            feed.row, start = [], feed.read + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if "unexpected end" in str(error):
                    _refuse_cut(feed, path, start)
                yield start, BadRow(start, "row", feed.leave(), f"is not readable as CSV ({error})")
                continue
            if not any(cell.strip() for cell in cells) and len(cells) <= 1:
                continue
            if header:
                header = False
            elif len(cells) == len(names):
                yield start, dict(zip(names, cells))
            else:
                if len(cells) < len(names):
                    _refuse_cut(feed, path, start)
                reason = f"has {len(cells)} columns, expected {len(names)} ({', '.join(names)})"
                yield start, BadRow(start, "row", feed.leave(), reason)


def _refuse_cut(feed: _Feed, path: Path, line: int) -> None:
    """Raises where an incomplete one-line row ends the file without a line end: the file is truncated."""
    if len(feed.row) == 1 and feed.last[-1:] not in ("\r", "\n") and not feed.peek(1):
        raise SourceError(f"a data file must be complete. Received: {path}, line {line}: cut off within the row")


def _sample(lines: list[str], delimiter: str) -> list[list[str]]:
    rows, reader = [], csv.reader((line for line in lines if not isinstance(line, LongLine)), delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return rows
        except csv.Error:
            continue
        if any(cell.strip() for cell in cells):
            rows.append(cells)


def _delimiter(lines: list[str], form: Form) -> str:
    """The delimiter for which most lines have the same number of columns: at least three, or two where no labels are needed."""
    least = max(2, len(form.required))

    def agreeing(mark: str) -> int:
        counts = Counter(len(cells) for cells in _sample(lines, mark) if len(cells) >= least)
        return max(counts.values(), default=0)

    return max(_DELIMITERS, key=agreeing)


def _columns(sample: list[list[str]], form: Form, path: Path) -> tuple[list[str], bool]:
    """Column names of a file and whether its first row is the header that gave them."""
    if not sample:
        return list(form.order), False
    first = sample[0]
    names = [form.name_of(cell) for cell in first]
    known = [name for name in names if name in COLUMNS]
    if len(known) >= 2 or (known and parse_label(first[0], form.labels, form.first_label) is None):
        shown = ", ".join(first)[:200]
        missing = form.missing(known)
        if missing:
            raise SourceError(
                f"a file with a header must have the columns {', '.join(form.required)}. Received: {path}, line 1: "
                f"column {', '.join(missing)} is missing (found: {shown}). Other names can be given in the line's line.toml."
            )
        if len(set(known)) < len(known):
            raise SourceError(f"a header must name each column once. Received: {path}, line 1: {shown}")
        return names, True
    if not form.labelled and all(len(cells) == len(TEXTS) for cells in sample):
        return list(TEXTS), False
    if not any(len(cells) == len(form.order) for cells in sample):
        raise SourceError(
            f"a file without a header must have {len(form.order)} columns ({', '.join(form.order)}). "
            f"Received: {path}, line 1: {len(first)} column(s): {', '.join(first)[:200]}"
        )
    return list(form.order), False
