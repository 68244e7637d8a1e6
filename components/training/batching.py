"""Encodes texts as compact integers in a file once, and makes batches of rows of similar length each epoch.

In memory are a row's length and place (12 bytes), its label and an epoch's order; the numbers are in files without a name, mapped into
memory, whose pages the system drops when it needs room. A file vanishes with the process, however that ends.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from components.core.fileio import nameless
from components.data import rows as streams
from components.tf_support.no_autotune import PARALLEL_CALLS, untuned

TEXTS_PER_CALL = 1024
# Rows are sorted by length within this many batches: nearly the gain of a full sort, with batches still random.
BATCHES_PER_SORT = 32
_COPIED = 1 << 22  # numbers that are copied at once


class Encoded:
    """The tokenizer's tensors of all rows, without padding.

    sizes: int32[rows], tokens of each row up to the last that is not padding in every tensor, at least 1. numbers: of each tensor
    int[sum of sizes], one row behind the other, uint16 where ids fit, else int32. kinds: what `batch` gives, by name.
    """

    def __init__(self, sizes: np.ndarray, numbers: Mapping[str, np.ndarray]):
        self.sizes, self.numbers = sizes, numbers
        self.starts = np.cumsum(sizes, dtype=np.int64) - sizes
        self.kinds = dict.fromkeys(numbers, np.int32)

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """int32[batch, longest] by name, padded with 0. rows: their numbers, at least one."""
        sizes = self.sizes[rows][:, np.newaxis]
        columns = np.arange(sizes.max())
        inside = columns < sizes
        places = (self.starts[rows][:, np.newaxis] + columns)[inside]
        batch = {name: np.zeros(inside.shape, kind) for name, kind in self.kinds.items()}
        for name, padded in batch.items():
            padded[inside] = self.numbers[name][places]
        return batch


class Features:
    """float32[rows, width] under one name, in the form of `Encoded`."""

    def __init__(self, name: str, values: np.ndarray):
        self.name, self.values, self.kinds = name, values, {name: np.float32}
        self.sizes = np.full(len(values), values.shape[1], np.int32)

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """float32[batch, width] by name."""
        return {self.name: self.values[rows]}


def encode(tokenizer: Callable, texts, folder: str | Path | None = None) -> Encoded:
    """The tokenizer's tensors of all texts.

    texts: `Rows`, read in a stream, or object[rows] of bytes. folder: where the files are, else in the system's for temporary ones;
    63,455 rows of 80 words are at most 10 MB.
    """
    source = streams.of(texts)
    batches = tf.data.Dataset.from_generator(
        lambda: source.texts(TEXTS_PER_CALL), output_signature=tf.TensorSpec([None], tf.string)
    )
    encoded = untuned(batches.map(tokenizer, num_parallel_calls=PARALLEL_CALLS, deterministic=True))
    sizes, files = [np.zeros(0, np.int32)], {}
    for part in encoded.as_numpy_iterator():
        own = _lengths(part)
        inside = np.arange(next(iter(part.values())).shape[1]) < own[:, np.newaxis]
        for name, ids in part.items():
            files.setdefault(name, _Numbers(folder)).write(ids[inside])
        sizes.append(own.astype(np.int32))
    return Encoded(np.concatenate(sizes), {name: file.read() for name, file in files.items()})


class _Numbers:
    """A file of numbers without a name: uint16 until one does not fit, then int32."""

    def __init__(self, folder: str | Path | None):
        self.folder, self.kind, self.file = folder, np.uint16, nameless(folder)

    def write(self, numbers: np.ndarray) -> None:
        if self.kind is np.uint16 and numbers.max(initial=0) >= 2**16:
            narrow, self.file, self.kind = self.read(), nameless(self.folder), np.int32
            for at in range(0, len(narrow), _COPIED):
                self.file.write(narrow[at : at + _COPIED].astype(np.int32).tobytes())
        self.file.write(numbers.astype(self.kind).tobytes())

    def read(self) -> np.ndarray:
        self.file.flush()
        if not os.fstat(self.file.fileno()).st_size:
            return np.zeros(0, self.kind)  # an empty file cannot be mapped
        return np.memmap(self.file, self.kind, mode="r")


def _lengths(tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """int64[rows]: tokens of each row up to the last that is not padding in every tensor, at least 1."""
    used = np.any([ids != 0 for ids in tensors.values()], axis=0)
    last = used.shape[1] - np.argmax(used[:, ::-1], axis=1)
    return np.where(used.any(axis=1), last, 1)


def shuffled(sizes: np.ndarray, batch_size: int, seed: int) -> list[np.ndarray]:
    """Row numbers of each batch of one epoch: shuffled, of similar length, every row once; only one batch may be short."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(sizes))
    window = batch_size * BATCHES_PER_SORT
    batches = []
    for start in range(0, len(order), window):
        rows = order[start : start + window]
        rows = rows[np.argsort(sizes[rows], kind="stable")]
        batches += [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    return [batches[number] for number in random.permutation(len(batches))]


def by_length(sizes: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Row numbers of each batch, shortest rows first: the cheapest order where order does not matter."""
    order = np.argsort(sizes, kind="stable")
    return [order[at : at + batch_size] for at in range(0, len(order), batch_size)]


def dataset(encoded: Encoded | Features, batches: list, labels: np.ndarray | None = None, classes: int = 0):
    """tf.data.Dataset of (`encoded.batch`, float32[batch, classes] with 1 at the label), or of the first alone without labels."""

    def steps() -> Iterator:
        for rows in batches:
            inputs = encoded.batch(rows)
            yield inputs if labels is None else (inputs, np.eye(classes, dtype=np.float32)[labels[rows]])

    inputs = {name: tf.TensorSpec([None, None], kind) for name, kind in encoded.kinds.items()}
    signature = inputs if labels is None else (inputs, tf.TensorSpec([None, classes], tf.float32))
    return untuned(tf.data.Dataset.from_generator(steps, output_signature=signature).prefetch(4))
