"""What is done with many rows at a time, in worker processes if there are many (`components.data.workers`). Without TensorFlow."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.data import record_writer, row_store, text_cleaning
from components.data.record_writer import FRESH, SPLITS, RecordFile
from components.data.row_format import Block, Form
from components.data.row_store import PLACES, Kept
from components.data_quality.distribution import Distribution, days_of
from components.data_quality.profile import lengths_of, shouted


def columns(block: Block) -> dict:
    """The columns of `row_store` that follow from the rows alone."""
    texts = list(map(text_cleaning.join, block.titles, block.descriptions))
    return {
        "key": np.frombuffer(text_cleaning.row_keys(texts), ">u8").astype(np.uint64),
        "label": np.array(block.labels, np.int16),
        "length": lengths_of(texts).astype(np.int16),
        "shouted": np.fromiter(map(shouted, block.titles), bool, len(texts)),
        "text": pa.array(texts, pa.binary()),
    }


@dataclass(frozen=True)
class Counting:
    """Counts and profiles the rows that stay; the fields are those of `Distribution`. Gives (rows by file, split and label; profile)."""

    kept: Kept
    files: list[dict]
    form: Form
    by_file: Mapping[tuple[int, int], int]

    def __call__(self) -> tuple[Counter, dict]:
        found = Distribution(self.files, self.form, self.by_file)
        for rows in self.kept.read():
            found.add(rows)
        return found.taken, found.profile()


@dataclass(frozen=True)
class Writing:
    """Writes one record file. Its rows: those of `split` with first <= n < end. days: of each file, for fresh rows; else empty."""

    kept: Kept
    path: Path
    split: str
    first: int
    end: int | None
    days: list[str]

    def __call__(self) -> None:
        with RecordFile(self.path) as file:
            for rows in self.kept.read(self.split, self.first, self.end):
                texts, labels = row_store.listed(rows["text"]), rows["label"].tolist()
                if not self.days:
                    file.write(texts, labels)
                    continue
                for text, label, number in zip(texts, labels, rows["file"]):
                    file.write([text], [label], self.days[number].encode())


def writing(kept: Kept, uri: str, files: list[dict], by_file: Mapping[tuple[int, int], int]) -> Iterator[Writing]:
    """The record files of an `Examples` artifact. files, by_file: as `Distribution`."""
    sizes: Counter = Counter()
    for (_, place), count in by_file.items():
        sizes[PLACES[place]] += count
    for split in (*SPLITS, FRESH) if sizes[FRESH] else SPLITS:
        paths = record_writer.file_names(uri, split, sizes[split])
        starts = [*kept.starts(split, record_writer.SHARD), None] if sizes[split] else [0, 0]
        days = days_of(files) if split == FRESH else []
        for path, first, end in zip(paths, starts, starts[1:]):
            yield Writing(kept, path, split, first, end, days)


def do(task: Counting | Writing):
    return task()
