"""All rows of a run on disk, while the Ingester decides where each belongs: one Parquet file, written and read in order.

Columns: n (int64, the row's number from 0), file (int32, its place in the order of reading), key (uint64, `text_cleaning.row_key`),
label (int16), place (int8, an index of `PLACES`: where the row belongs if no other row takes precedence), drawn (bool, whether it may
be a fresh row), length (int16, words between blanks), shouted (bool), text (the joined text).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# The split of a row by its code. GIVEN: a row of a test file. DRAWN_TEST: a test row drawn by its hash, where no test file was given.
TRAIN, EVAL, DRAWN_TEST, FRESH, GIVEN = range(5)
PLACES = ("train", "eval", "test", "fresh", "test")
_READ = [
    "n",
    "file",
    "key",
    "label",
    "length",
    "shouted",
    "text",
]  # columns that are read again, in the order of `SCHEMA`
_GROUP = 1 << 15  # rows that are written together
_BATCH = 1 << 13  # rows that are read together

SCHEMA = pa.schema(
    [
        ("n", pa.int64()), ("file", pa.int32()), ("key", pa.uint64()), ("label", pa.int16()), ("place", pa.int8()),
        ("drawn", pa.bool_()), ("length", pa.int16()), ("shouted", pa.bool_()), ("text", pa.binary()),
    ]
)  # fmt: skip


class Store:
    """Writes the file; a context manager. rows: how many were written."""

    def __init__(self, path: Path):
        self.writer = pq.ParquetWriter(path, SCHEMA, compression="NONE", use_dictionary=False, write_statistics=False)
        self.rows, self.waiting, self.parts = 0, 0, []

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *error) -> None:
        self._flush()
        self.writer.close()

    def add(self, columns: dict) -> None:
        """Adds rows: every column but n, each [rows]."""
        count = len(columns["text"])
        if not count:
            return
        numbered = {"n": np.arange(self.rows, self.rows + count), **columns}
        arrays = [
            value if isinstance(value := numbered[field.name], pa.Array) else pa.array(value, field.type)
            for field in SCHEMA
        ]
        self.parts.append(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
        self.rows, self.waiting = self.rows + count, self.waiting + count
        if self.waiting >= _GROUP:
            self._flush()

    def _flush(self) -> None:
        if self.parts:
            self.writer.write_table(pa.Table.from_batches(self.parts), row_group_size=self.waiting)
        self.waiting, self.parts = 0, []


def batches(path: Path, columns: list[str] | None = None, first: int = 0) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file from the group of row `first` on, in order, some at a time."""
    with pq.ParquetFile(path) as file:
        ends = np.cumsum([file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)])
        groups = [i for i, end in enumerate(ends) if end > first]
        if groups:  # newer versions of pyarrow refuse to read none
            yield from file.iter_batches(_BATCH, row_groups=groups, columns=columns)


@dataclass(frozen=True)
class Kept:
    """The rows that stay. rows: the file of all rows; decided: Parquet file of (n, place) of those that stay, in order."""

    rows: Path
    decided: Path

    def read(self, split: str = "", first: int = 0, end: int | None = None) -> Iterator[dict]:
        """Columns of these rows, in order and some at a time: arrays of [rows], `text` one of Arrow. Only rows of one split and with
        first <= n < end, where these are given.
        """
        answers, numbers, places = self._places(split, first), np.array([], np.int64), np.array([], np.int8)
        for batch in batches(self.rows, _READ, first):
            start = batch.column(0)[0].as_py()
            stop = start + batch.num_rows
            while not len(numbers) or numbers[-1] < stop:
                more = next(answers, None)
                if more is None:
                    break
                numbers, places = np.concatenate([numbers, more[0]]), np.concatenate([places, more[1]])
            low, high = np.searchsorted(numbers, [max(start, first), stop if end is None else min(stop, end)])
            if low < high:
                own = batch.take(pa.array(numbers[low:high] - start))
                arrays = {name: own.column(i).to_numpy(zero_copy_only=False) for i, name in enumerate(_READ[:-1])}
                yield {**arrays, "text": own.column(len(_READ) - 1), "place": places[low:high]}
            if end is not None and stop >= end:
                return
            numbers, places = numbers[high:], places[high:]

    def starts(self, split: str, size: int) -> list[int]:
        """The number of every `size`th row of a split, from its first on."""
        found, seen = [], 0
        for numbers, _ in self._places(split):
            found += numbers[-seen % size :: size].tolist()
            seen += len(numbers)
        return found

    def _places(self, split: str, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        codes = [code for code, name in enumerate(PLACES) if split in ("", name)]
        for batch in batches(self.decided):
            numbers, places = batch.column(0).to_numpy(), batch.column(1).to_numpy().astype(np.int8)
            if numbers[-1] >= first:
                own = np.isin(places, codes) & (numbers >= first)
                yield numbers[own], places[own]


def listed(column: pa.Array) -> list[bytes]:
    """The values of a column of texts."""
    return column.to_numpy(zero_copy_only=False).tolist()  # a tenth of the time of `to_pylist`
