"""Rows of CSV and TSV files, with or without a header (AG News has none).

A stray quote would make one field of all rows after it. So quoting is strict, and where a row cannot be parsed only its first
line becomes the bad row; reading continues with the next line.

Rows are parsed many at a time for as long as nothing is wrong with them (`_clean`). The first unusual row is left to the
loop in `_rows`, which reports what is wrong with it. Both use the same parser and the same limits, so both read the same rows.
"""

import csv
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from components.data.row_format import BLOCK, COLUMNS, MAX_FIELD, TEXTS, BadRow, Block, Form, parse_label
from components.data.sources import SourceError
from components.data.text_stream import LongLine, open_lines, unpacked_name

_DELIMITERS = (",", "\t", ";", "|")
_SAMPLE = 20  # lines from which delimiter and header are detected
_SHORT = 16  # lines that are parsed at a time after a fault
_QUOTES = "; a field that begins with a quote must end with one, and a quote in it must be doubled"
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

    def take(self, count: int) -> list[str]:
        """The next lines, fewer at the end of the file."""
        lines = [self.ahead.popleft() for _ in range(min(count, len(self.ahead)))]
        lines += islice(self.lines, count - len(lines))
        self.read += len(lines)
        return lines

    def put_back(self, lines: list[str]) -> None:
        self.ahead.extendleft(reversed(lines))
        self.read -= len(lines)

    def peek(self, count: int) -> list[str]:
        self.ahead.extend(islice(self.lines, max(0, count - len(self.ahead))))
        return list(self.ahead)

    def leave(self) -> str:
        """Puts back all lines of the row but its first, which is returned."""
        self.put_back(self.row[1:])
        return self.row[0] if self.row else ""


def rows(path: Path, form: Form) -> Iterator[tuple[int, dict | BadRow]]:
    """(line, fields by column, those that no form knows among them) of a row, or (line, BadRow).

    Raises:
        SourceError: columns are missing, or the last row is cut off.
    """
    return _rows(path, form, in_blocks=False)


def blocks(path: Path, form: Form) -> Iterator[tuple[int, dict | BadRow | Block]]:
    """As `rows`, with (line, Block) for many rows without a fault."""
    return _rows(path, form, in_blocks=True)


def cells(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """The cells of each row that can be parsed, by the rules of a run: of one that cannot, only its first line is left out."""
    csv.field_size_limit(MAX_FIELD)
    feed = _Feed(iter(lines))
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.row = []
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            feed.leave()
            continue
        yield row


def _rows(path: Path, form: Form, in_blocks: bool) -> Iterator[tuple[int, dict | BadRow | Block]]:
    csv.field_size_limit(MAX_FIELD)
    with open_lines(path, form.encoding) as lines:
        feed = _Feed(lines)
        feed.skip(form.skip_lines)
        head = feed.peek(_SAMPLE)
        suffix = Path(unpacked_name(path)).suffix
        delimiter = form.delimiter or ("\t" if suffix == ".tsv" else _delimiter(head, form))
        names, header = _columns(_sample(head, delimiter), form, path)
        reader = csv.reader(feed, delimiter=delimiter, strict=True)
        size, labels = BLOCK, {}
        while True:
            if in_blocks and not header:
                block, whole = _clean(feed, size, delimiter, names, form, labels)
                if block:
                    yield block.lines[0], block
                # After a fault few lines at a time: what follows it is parsed again.
                size = min(2 * size, BLOCK) if whole else _SHORT
                if whole:
                    continue
            feed.row, start = [], feed.read + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if "unexpected end" in str(error):
                    _refuse_cut(feed, path, start)
                hint = _QUOTES if "expected after" in str(error) else ""
                yield start, BadRow(start, "row", feed.leave(), f"is not readable as CSV ({error}{hint})")
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


def _clean(
    feed: _Feed, size: int, delimiter: str, names: list[str], form: Form, labels: dict[str, int]
) -> tuple[Block, bool]:
    """The rows that begin in the next `size` lines, up to the first that is not plainly good; whether all of them are.

    The lines of the others are put back. labels: labels of this file by their spelling, kept between calls.
    """
    start, block, done = feed.read + 1, Block(), 0
    lines = feed.take(size)
    first = len(lines)
    if not lines or not _plain(lines):
        feed.put_back(lines)
        return block, False

    def more() -> Iterator[str]:  # the rest of a row that goes beyond the last of the lines
        while own := feed.take(1):
            lines.extend(own)
            if not _plain(own) or len(lines) - done > _ROW_LINES:
                raise csv.Error("for the careful loop")
            yield own[0]

    at = {name: i for i, name in enumerate(names)}
    label_at, title_at, text_at = (at.get(name, -1) for name in COLUMNS)
    width = len(names)
    reader = csv.reader(chain(lines[:], more()), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if len(cells) != width or reader.line_num - done > _ROW_LINES:
                break
            cells.append("")  # what column -1 holds
            spelling, title, text = cells[label_at], cells[title_at], cells[text_at]
            label = labels.get(spelling)
            if label is None:
                label = parse_label(spelling, form.labels, form.first_label)
                if len(spelling) >= MAX_FIELD or (label is None and form.labelled):
                    break
                label = -1 if label is None else label
                if len(labels) < BLOCK:
                    labels[spelling] = label
            if len(title) >= MAX_FIELD or len(text) >= MAX_FIELD or not (title.strip() or text.strip()):
                break
            block.add(start + done, label, title, text)
            done = reader.line_num
            if done >= first:
                break
    except csv.Error:
        pass
    feed.put_back(lines[done:])
    return block, done >= first


def _plain(lines: list[str]) -> bool:
    """Whether lines are whole and hold nothing that a row's check would refuse: NUL, or bytes not of the encoding."""
    if set(map(type, lines)) != {str}:
        return False
    text = "".join(lines)
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


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
        if twice := form.repeated(first):
            raise SourceError(
                f"a header must name each column once. Received: {path}, line 1: {twice}. Rename or remove one, or change the names "
                "under [files.columns] in the line's line.toml."
            )
        return names, True
    if not form.labelled and all(len(cells) == len(TEXTS) for cells in sample):
        return list(TEXTS), False
    if not any(len(cells) == len(form.order) for cells in sample):
        raise SourceError(
            f"a file without a header must have {len(form.order)} columns ({', '.join(form.order)}). "
            f"Received: {path}, line 1: {len(first)} column(s): {', '.join(first)[:200]}"
        )
    return list(form.order), False
