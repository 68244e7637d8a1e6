"""What a row is, and how a line's files hold it."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import tomli

from components.core import paths

COLUMNS = ("label", "title", "description")
TEXTS = COLUMNS[1:]
MAX_FIELD = 1 << 20  # characters; the longest real article has under 10,000
BLOCK = 2048  # rows that are handled at a time
_WHOLE = re.compile(r"([+-]?[0-9]{1,9})(?:\.0+)?")


@dataclass(frozen=True)
class Row:
    """One article. line: where it starts in its file, counted from 1; label: 0-based, in the line's label order, -1 without one."""

    line: int
    label: int
    title: str
    description: str


@dataclass
class Block:
    """Some rows of a file, in order, as columns: one object a row costs more than parsing it."""

    lines: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    def add(self, line: int, label: int, title: str, description: str) -> None:
        self.lines.append(line)
        self.labels.append(label)
        self.titles.append(title)
        self.descriptions.append(description)

    def rows(self) -> Iterator[Row]:
        return map(Row, self.lines, self.labels, self.titles, self.descriptions)


@dataclass(frozen=True)
class BadRow:
    """One row that cannot be used. foreign: its label is none of the line's labels."""

    line: int
    column: str
    value: str
    reason: str
    foreign: bool = False


def each(parts: Iterable[Block | BadRow]) -> Iterator[Row | BadRow]:
    """The rows of blocks, one by one."""
    for part in parts:
        if isinstance(part, BadRow):
            yield part
        else:
            yield from part.rows()


@dataclass(frozen=True)
class Form:
    """How a line's files are written.

    labels: class names in the order of their ids. first_label: the number that files give the first class, 0 or 1.
    columns: for each of `COLUMNS` the other names that a file may use, in lower case; `_` equals a blank.
    encoding, delimiter: "" to detect them. labelled: whether each row must carry a label; without, a file needs only one of the two
    texts, and unknown labels are accepted. skip_lines: lines of a CSV or TSV file before its header or first row. order: the columns of
    a file without a header; one that is none of `COLUMNS` is not read. optional: columns that a file may lack.
    """

    labels: Sequence[str]
    first_label: int = 1
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    encoding: str = ""
    delimiter: str = ""
    labelled: bool = True
    skip_lines: int = 0
    order: Sequence[str] = COLUMNS
    optional: Sequence[str] = ()

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that a complete file has."""
        return tuple(name for name in (COLUMNS if self.labelled else TEXTS) if name not in self.optional)

    def missing(self, names: Collection[str]) -> list[str]:
        """The required columns that are not among these names."""
        if not self.labelled and any(name in names for name in TEXTS):
            return []
        return [name for name in self.required if name not in names]

    def repeated(self, columns: Collection[str]) -> str:
        """What is wrong with columns of a file of which several hold one of ours; empty where each of ours comes once at most."""
        named: dict[str, list[str]] = {}
        for column in columns:
            named.setdefault(self.name_of(column), []).append(column)
        return "; ".join(
            f"{' and '.join(named[ours])} mean the same: {ours}" for ours in COLUMNS if len(named.get(ours, ())) > 1
        )

    def name_of(self, column: str) -> str:
        """Our name for a column of a file; an unknown name is returned in lower case."""
        name = _plain(column)
        return next((ours for ours, names in self.columns.items() if name in map(_plain, names)), name)


def form_of(line: str, labels: Sequence[str], first_label: int = 1, labelled: bool = True) -> Form:
    """The form of a line's files, from `data_schemas/<line>/line.toml`, table `files`."""
    files = tomli.loads((paths.line_dir(line) / "line.toml").read_text(encoding="utf-8")).get("files", {})
    return form_from(files, labels, first_label, labelled)


def form_from(files: Mapping, labels: Sequence[str], first_label: int = 1, labelled: bool = True) -> Form:
    """The form of a line's files from that table."""
    how = files.get("columns", {}), files.get("encoding", ""), files.get("delimiter", "")
    more = int(files.get("skip_lines", 0)), tuple(files.get("order", COLUMNS)), tuple(files.get("optional", ()))
    return Form(labels, first_label, *how, labelled, *more)


def parse_label(text: str, labels: Sequence[str], first: int = 1) -> int | None:
    """0-based label from a class number counted from `first` ("3", " 3", "3.0") or a class name; None if it is neither."""
    text = text.strip()
    whole = _WHOLE.fullmatch(text)
    if whole:
        number = int(whole.group(1)) - first
        return number if 0 <= number < len(labels) else None
    names = [label.casefold() for label in labels]
    return names.index(text.casefold()) if text.casefold() in names else None


def _plain(column: str) -> str:
    return column.strip().lower().replace("_", " ")
