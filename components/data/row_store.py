"""All rows of a run on disk, while the Ingester decides where each belongs: one Parquet file, written and read in order.

Columns: n (int64, the row's number from 0), file (int32, its place in the order of reading), key (uint64, `text_cleaning.row_key`),
label (int16), place (int8, an index of `PLACES`: where the row belongs if no other row takes precedence), drawn (bool, whether it may
be a fresh row), length (int16, words between blanks), shouted (bool), text (the joined text).
"""

from collections.abc import Iterator
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
        arrays = [pa.array(numbered[field.name], field.type) for field in SCHEMA]
        self.parts.append(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
        self.rows, self.waiting = self.rows + count, self.waiting + count
        if self.waiting >= _GROUP:
            self._flush()

    def _flush(self) -> None:
        if self.parts:
            self.writer.write_table(pa.Table.from_batches(self.parts), row_group_size=self.waiting)
        self.waiting, self.parts = 0, []


def batches(path: Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file, in order, some at a time."""
    with pq.ParquetFile(path) as file:
        if file.metadata.num_row_groups:  # newer versions of pyarrow refuse to read a file without rows
            yield from file.iter_batches(_BATCH, columns=columns)


def kept(rows: Path, decided: Path) -> Iterator[dict]:
    """The rows that stay, in order and some at a time, as columns: arrays of [rows], the text a list.

    decided: Parquet file of (n, place) of these rows, in order.
    """
    answers = batches(decided)
    numbers, places = np.array([], np.int64), np.array([], np.int8)
    for batch in batches(rows, _READ):
        first = batch.column(0)[0].as_py()
        while not len(numbers) or numbers[-1] < first + batch.num_rows:
            more = next(answers, None)
            if more is None:
                break
            numbers = np.concatenate([numbers, more.column(0).to_numpy()])
            places = np.concatenate([places, more.column(1).to_numpy().astype(np.int8)])
        count = int(np.searchsorted(numbers, first + batch.num_rows))
        if count:
            own = batch.take(pa.array(numbers[:count] - first))
            arrays = {name: own.column(i).to_numpy(zero_copy_only=False) for i, name in enumerate(_READ[:-1])}
            yield {**arrays, "text": own.column(len(_READ) - 1).to_pylist(), "place": places[:count]}
        numbers, places = numbers[count:], places[count:]
