"""What a new line could look like, proposed from its data files; a person reviews the proposal before a run uses it.

The files' form (lines before the rows, delimiter, header) is found by what most rows agree on; which column is the label and which are
the texts follows from TFDV's statistics of all columns.
"""

import csv
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from components.data import csv_reader, file_reader
from components.data.row_format import Form
from components.data.sources import SourceError, SourceFile
from components.data.text_stream import NUL, open_lines, unpacked_name

SAMPLE_ROWS = 200_000  # of each file, for the statistics
MAX_SKIPPED = 20  # lines before a file's header or first row
MAX_LABELS = 200
LABEL_WORDS = ("label", "class", "category", "topic", "target", "team", "tag")
DELIMITERS = ("\t", ",", ";", "|")


@dataclass(frozen=True)
class Table:
    """One file's rows as texts. skipped: lines before the header or the first row; delimiter: "" for JSONL and Parquet; encoding: ""
    where none was given; left_out: what is to be said of columns that hold no texts."""

    path: Path
    names: tuple[str, ...]
    header: bool
    rows: list[tuple[str, ...]]
    skipped: int = 0
    delimiter: str = ""
    encoding: str = ""
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """A line that would fit the files. columns: our name to the file's; first_label: number of the first class where labels are
    numbers; texts: rows' texts by label, some of each; sizes: characters and words of each row's text."""

    labels: tuple[str, ...]
    columns: dict[str, str]
    table: Table
    first_label: int | None
    counts: dict[str, int]
    examples: dict[str, list[str]] = field(repr=False)
    characters: list[int] = field(repr=False)
    words: list[int] = field(repr=False)


def propose(files: Sequence[SourceFile], label: str = "", texts: Sequence[str] = (), encoding: str = "") -> Proposal:
    """A proposal from a source's train files. label, texts: columns, where they are not to be found out; encoding: likewise.

    Raises:
        SourceError: the files are no table, differ in form, or no column can be the label or the text; the message says what was
            looked at and what to give.
    """
    paths = [Path(file.path) for file in files if file.split == "train"]
    tables = [read_table(path, encoding) for path in paths]
    first = tables[0]
    for other in tables[1:]:
        if (other.names, other.skipped, other.delimiter) != (first.names, first.skipped, first.delimiter):
            raise SourceError(
                f"all train files must have one form. Received: {first.path} with columns {', '.join(first.names)}, and "
                f"{other.path} with {', '.join(other.names)}"
            )
    rows = [row for table in tables for row in table.rows]
    columns = {name: [row[at] for row in rows] for at, name in enumerate(first.names)}
    facts = statistics(columns)
    label = _given(label, first) or _label_column(facts, first)
    chosen = [_given(text, first) for text in texts] or _text_columns(facts, label, first.path)
    values = [value.strip() for value in columns[label]]
    labels, first_label = _labels(Counter(values), label)
    number = (
        {str(index + (first_label or 0)): name for index, name in enumerate(labels)} if first_label is not None else {}
    )
    joined = [" ".join(parts).strip() for parts in zip(*(columns[name] for name in chosen))]
    named = [number.get(value, value) for value in values]
    examples: dict[str, list[str]] = {name: [] for name in labels}
    for name, text in zip(named, joined):
        if name in examples and len(examples[name]) < 50 and text:
            examples[name].append(text)
    ours = ("description",) if len(chosen) == 1 else ("title", "description")
    used = {"label": label, **dict(zip(ours, chosen))}
    if twice := Form(labels, columns={name: [theirs] for name, theirs in used.items()}).repeated(first.names):
        raise SourceError(f"a run would not know two columns apart; rename one. Received: {first.path}: {twice}")
    return Proposal(
        labels,
        used,
        first,
        first_label,
        dict(Counter(named)),
        examples,
        sorted(len(text) for text in joined),
        sorted(len(text.split()) for text in joined),
    )


def read_table(path: Path, encoding: str = "") -> Table:
    """A file's rows, its form found out.

    Raises:
        SourceError: it cannot be read, holds bytes that are not of its encoding, or is no table of two columns and two rows.
    """
    name = unpacked_name(path)
    try:
        if name.endswith(".parquet"):
            return _parquet(path)
        with open_lines(path, encoding) as opened:
            lines = [str(line) for _, line in zip(range(SAMPLE_ROWS), opened)]
        _refuse_foreign(path, enumerate(lines, 1))
        table = _jsonl(path, lines) if name.endswith(".jsonl") else _delimited(path, lines)
        return replace(table, encoding=encoding)
    except (OSError, EOFError, UnicodeError, zlib.error) as error:
        raise SourceError(f"a data file must be readable. Received: {path} ({error})") from error


def _refuse_foreign(path: Path, texts: Iterable[tuple[int, str]]) -> None:
    """Raises where a text holds what no UTF-8 can. texts: each with the number of its line."""
    for number, text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            at, code = error.start, ord(text[error.start])
            what = f"the byte 0x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"the character U+{code:04X}"
            what = "a NUL character" if text[at] == NUL else what
            raise SourceError(
                f"a data file must be text in one encoding, UTF-8 where none is given. Received: {path}, line {number}, "
                f"character {at + 1}: {what} after {text[max(0, at - 20) : at]!r}. Save the file as UTF-8, or set encoding, for "
                "example --encoding latin-1"
            ) from None


def statistics(columns: dict[str, list[str]]) -> dict[str, dict]:
    """TFDV's statistics of each column: `unique` values, mean `length` in characters, share of `blank` cells; and mean `words`."""
    import pandas
    import tensorflow_data_validation as tfdv

    frame = pandas.DataFrame({name: [cell or None for cell in cells] for name, cells in columns.items()}, dtype=object)
    made = tfdv.generate_statistics_from_dataframe(frame, n_jobs=1).datasets[0]
    facts = {}
    for feature in made.features:
        name, strings = feature.path.step[0], feature.string_stats
        filled = [cell for cell in columns[name][:2_000] if cell.strip()]
        facts[name] = {
            "unique": strings.unique,
            "length": strings.avg_length,
            "blank": strings.common_stats.num_missing / max(made.num_examples, 1),
            "words": sum(len(cell.split()) for cell in filled) / max(len(filled), 1),
            "rows": made.num_examples,
        }
    return facts


def _delimited(path: Path, lines: list[str]) -> Table:
    best: tuple[int, str, int] = (0, "", 0)  # rows that agree, delimiter, columns
    for mark in DELIMITERS:
        counts = Counter(len(cells) for cells in csv_reader.cells(lines[:200], mark) if len(cells) > 1)
        width, agreeing = max(counts.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
        best = max(best, (agreeing, mark, width), key=lambda candidate: (candidate[0], candidate[2]))
    agreeing, mark, width = best
    if agreeing < 2:
        raise _no_table(path, lines)
    skipped = next((at for at, line in enumerate(lines) if _width(line, mark) == width), 0)
    cells = [tuple(row) for row in csv_reader.cells(lines[skipped:], mark) if len(row) == width]
    if len(cells) < 2:
        raise _no_table(path, lines)
    if skipped > MAX_SKIPPED:
        raise SourceError(
            f"the rows must begin within {MAX_SKIPPED} lines. Received: {path}, first row of {width} columns at line {skipped + 1}"
        )
    header = _is_header(cells)
    names = tuple(cell.strip() for cell in cells[0]) if header else tuple(f"column {at + 1}" for at in range(width))
    return Table(path, names, header, cells[header:], skipped, mark)


def _no_table(path: Path, lines: list[str]) -> SourceError:
    shown = lines[0].strip()[:80] if lines else ""
    return SourceError(
        f"a data file must be a table of two columns or more, by commas, tabs, semicolons or bars. Received: {path}, line 1: {shown!r}"
    )


def _width(line: str, mark: str) -> int:
    """Columns of a line, the beginning of a longer row among them."""
    try:
        return len(next(csv.reader([line], delimiter=mark), ()))
    except csv.Error:  # longer than a field may be
        return 0


def _is_header(rows: list[tuple[str, ...]]) -> bool:
    """Whether the first row names the columns: all its cells are short and different, and none of them comes again."""
    first, rest = rows[0], rows[1:]
    names = [cell.strip() for cell in first]
    plain = all(name and len(name) <= 40 and not name.lstrip("+-").isdigit() for name in names)
    return (
        plain
        and len(set(names)) == len(names)
        and not any(set(map(str.strip, row)) & set(names) for row in rest[:5_000])
    )


def _jsonl(path: Path, lines: list[str]) -> Table:
    try:
        objects = {number: json.loads(line) for number, line in enumerate(lines, 1) if line.strip()}
    except (ValueError, RecursionError) as error:
        raise SourceError(f"a .jsonl file must hold one JSON object a line. Received: {path} ({error})") from None
    if not all(isinstance(value, dict) for value in objects.values()):
        raise SourceError(f"a .jsonl file must hold two JSON objects or more, one a line. Received: {path}")
    names = next(iter(objects.values()), {})
    return _typed(path, {name: [value.get(name) for value in objects.values()] for name in names}, list(objects))


def _parquet(path: Path) -> Table:
    rows = 0
    with file_reader.open_parquet(path) as file:
        columns: dict[str, list] = {name: [] for name in file.schema_arrow.names}
        for batch in file_reader.batches(file):
            batch = batch.slice(0, SAMPLE_ROWS - rows)
            rows += batch.num_rows
            for name, column in zip(columns, batch.columns):
                columns[name] += column.to_pylist()
            if rows == SAMPLE_ROWS:
                break
    return _typed(path, columns, range(1, rows + 1))


def _typed(path: Path, columns: dict[str, list], numbers: Sequence[int]) -> Table:
    """A table of those columns that the reader of a run takes for texts. numbers: of the rows' lines."""
    texts, left_out = {}, []
    for name, values in columns.items():
        cells = list(map(file_reader.text_of, values))
        if None in cells:
            left_out.append(
                f"{name} (line {numbers[cells.index(None)]}: {str(values[cells.index(None)])[:60]} is not text)"
            )
        else:
            _refuse_foreign(path, zip(numbers, cells))
            texts[name] = cells
    if len(numbers) < 2 or not texts:
        shape = "two JSON objects or more, one a line" if ".jsonl" in path.name.lower() else "two rows or more"
        raise SourceError(f"a data file must hold {shape}, with texts. Received: {path}{_left_out(left_out)}")
    return Table(path, tuple(texts), True, list(zip(*texts.values())), left_out=tuple(left_out))


def _left_out(columns: Sequence[str]) -> str:
    return f"; left out: {', '.join(columns)}" if columns else ""


def _given(name: str, table: Table) -> str:
    if name and name not in table.names:
        raise SourceError(
            f"a column must be one of {', '.join(table.names)}. Received: {name!r}, which {table.path} lacks{_left_out(table.left_out)}"
        )
    return name


def _label_column(facts: dict[str, dict], table: Table) -> str:
    def fits(fact: dict) -> bool:
        return (
            2 <= fact["unique"] <= min(MAX_LABELS, fact["rows"] / 5) and fact["length"] <= 60 and fact["blank"] < 0.01
        )

    fitting = [name for name, fact in facts.items() if fits(fact)]
    named = [name for name in fitting if any(word in name.lower() for word in LABEL_WORDS)]
    chosen = named or fitting
    if len(chosen) != 1:
        seen = "; ".join(f"{name}: {fact['unique']:,} different values" for name, fact in facts.items())
        why = "several could" if chosen else "none repeats 2 to 200 short values in every row"
        raise SourceError(
            f"one column must be the label, and {why}; name it with --label. Received: {table.path} with {len(table.rows):,} "
            f"rows, {seen}{_left_out(table.left_out)}"
        )
    return chosen[0]


def _text_columns(facts: dict[str, dict], label: str, path: Path) -> list[str]:
    """The longest column of words, and a second one before it (a title)."""
    texts = [
        name
        for name, fact in facts.items()
        if name != label and fact["words"] >= 2 and fact["unique"] > fact["rows"] / 2
    ]
    if not texts:
        seen = ", ".join(f"{name} ({fact['words']:.1f} words)" for name, fact in facts.items() if name != label)
        raise SourceError(
            f"a column must hold texts of two words or more, different ones; name it with --text. Received: {path}: {seen}"
        )
    longest = max(texts, key=lambda name: facts[name]["length"])
    return [*texts[: texts.index(longest)][-1:], longest]


def _labels(counts: Counter, column: str) -> tuple[tuple[str, ...], int | None]:
    """The classes in the order of their ids, and the number of the first where the files give numbers."""
    values = sorted(counts)
    if all(value.isdigit() for value in values):
        numbers = sorted(map(int, values))
        if numbers not in (list(range(len(values))), list(range(1, len(values) + 1))):
            raise SourceError(
                f"class numbers must count from 0 or 1 without a gap. Received: {column!r} with {numbers[:20]}"
            )
        return tuple(f"class {number}" for number in numbers), numbers[0]
    same = [name for name, count in Counter(value.casefold() for value in values).items() if count > 1]
    if same or "" in values:
        raise SourceError(
            f"a class must be written in one way, and in every row. Received: column {column}, {same or 'empty cells'}"
        )
    return tuple(values), None
