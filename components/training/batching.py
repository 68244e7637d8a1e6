"""Encodes texts as compact integer arrays once, and makes batches of rows of similar length each epoch."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from components.tf_support.no_autotune import PARALLEL_CALLS, untuned

TEXTS_PER_CALL = 1024
# Rows are sorted by length within this many batches: nearly the gain of a full sort, with batches still random.
BATCHES_PER_SORT = 32


def encode(tokenizer: Callable, texts: np.ndarray) -> dict[str, np.ndarray]:
    """The tokenizer's tensors of all texts, padded with 0 to the longest row.

    texts: object[rows] of bytes. Returns uint16[rows, length] where ids fit, else int32: 63,455 rows of 80 words are 10 MB.
    """
    batches = tf.data.Dataset.from_tensor_slices(texts).batch(TEXTS_PER_CALL)
    encoded = batches.map(tokenizer, num_parallel_calls=PARALLEL_CALLS, deterministic=True)
    parts = [{name: ids.numpy() for name, ids in part.items()} for part in untuned(encoded)]
    arrays = {}
    for name in parts[0]:
        longest = max(part[name].shape[1] for part in parts)
        highest = max(int(part[name].max()) for part in parts)
        array = np.zeros((len(texts), longest), np.uint16 if highest < 2**16 else np.int32)
        for number, part in enumerate(parts):
            array[number * TEXTS_PER_CALL :][: len(part[name]), : part[name].shape[1]] = part[name]
        arrays[name] = array
    return arrays


def lengths(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """int64[rows]: tokens of each row up to the last that is not padding in every tensor, at least 1.

    Floating point arrays hold features, not tokens: none of them is padding.
    """
    if all(np.issubdtype(array.dtype, np.floating) for array in arrays.values()):
        return np.full(*next(iter(arrays.values())).shape)
    used = np.any([array != 0 for array in arrays.values()], axis=0)
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


def dataset(arrays: Mapping[str, np.ndarray], sizes: np.ndarray, batches: list, targets: np.ndarray | None):
    """tf.data.Dataset of (dict of int32[batch, longest], float32[batch, classes]), or of the dict alone without targets.

    Features stay float32.
    """
    kinds = {
        name: np.float32 if np.issubdtype(array.dtype, np.floating) else np.int32 for name, array in arrays.items()
    }

    def steps() -> Iterator:
        for rows in batches:
            longest = sizes[rows].max()
            inputs = {name: array[rows, :longest].astype(kinds[name]) for name, array in arrays.items()}
            yield inputs if targets is None else (inputs, targets[rows])

    inputs = {name: tf.TensorSpec([None, None], kind) for name, kind in kinds.items()}
    outputs = None if targets is None else tf.TensorSpec([None, targets.shape[1]], tf.float32)
    signature = inputs if targets is None else (inputs, outputs)
    return untuned(tf.data.Dataset.from_generator(steps, output_signature=signature).prefetch(4))
