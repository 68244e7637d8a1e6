"""The rows of a split as a stream: texts are read in batches as often as they are asked for, labels alone are held."""

import hashlib
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property

import numpy as np
import tensorflow as tf

from components.data import tfrecords

BATCH = 4096  # rows a step, where nothing else is asked for
_HASHES = 2**62


class Rows:
    """texts: `texts(size)` yields object[up to size] of bytes, anew with each call. labels: int[rows]."""

    def __init__(self, read: Callable[[int], Iterator[np.ndarray]], count: int, labels: np.ndarray):
        self.read, self.count, self.labels = read, count, labels

    def __len__(self) -> int:
        return self.count

    def texts(self, size: int = BATCH) -> Iterator[np.ndarray]:
        """All texts in order, `size` rows at a time."""
        return self.read(size)

    def plain(self) -> Iterator[str]:
        """All texts in order, one at a time, decoded; bytes that are not UTF-8 become a mark."""
        return (text.decode("utf-8", "replace") for batch in self.texts() for text in batch)

    def at(self, places: Collection[int]) -> dict[int, bytes]:
        """The texts that stand at some places, counted from 0, by their place."""
        wanted, found, start = np.unique(np.fromiter(places, np.int64)), {}, 0
        for texts in self.texts() if len(wanted) else ():
            low, high = np.searchsorted(wanted, (start, start + len(texts)))
            found |= {place: texts[place - start] for place in wanted[low:high].tolist()}
            start += len(texts)
        return found

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all texts in order, in hex."""
        digest = hashlib.sha256()
        for batch in self.texts():
            for text in batch:
                digest.update(len(text).to_bytes(8, "little") + text)
        return digest.hexdigest()

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> "Rows":
        """The same rows with `change(object[batch])` as their texts."""
        return Rows(lambda size: map(change, self.read(size)), self.count, self.labels)

    def where(self, kept: np.ndarray) -> "Rows":
        """The rows that bool[rows] marks, in order; a step gives those among `size` rows, and none where there are none."""

        def read(size: int) -> Iterator[np.ndarray]:
            at = 0
            for texts in self.read(size):
                own = kept[at : at + len(texts)]
                at += len(texts)
                if own.any():
                    yield texts[own]

        return Rows(read, int(kept.sum()), self.labels[kept])

    def taken(self, kept: np.ndarray) -> "Rows":
        """As `where`, in memory."""
        chosen = self.where(kept)
        return of((np.concatenate([np.zeros(0, object), *chosen.texts()]), chosen.labels))

    def sample(self, most: int) -> "Rows":
        """These rows where there are no more than `most`; else `most` of them, in memory: those whose texts have the least hashes.

        A row is in or out by its text, wherever it stands. Rows of one text share a hash: there may be a few more.
        """
        if self.count <= most:
            return self
        limit = highest(self.texts(), most)
        return self.taken(np.concatenate([hashes(texts) <= limit for texts in self.texts()]))


def from_split(uri: str, split: str) -> Rows:
    """The rows of an `Examples` artifact's split. All are read once, for labels and damage.

    Raises:
        ValueError: a record file is empty or damaged.
    """
    labels, most = [np.zeros(0, np.int32)], np.iinfo(np.int32)
    for _, own in tfrecords.batches(uri, split, 1 << 14):
        labels.append(np.clip(own, most.min, most.max).astype(np.int32))  # what is clipped is out of range all the same
    found = np.concatenate(labels)
    return Rows(lambda size: (texts for texts, _ in tfrecords.batches(uri, split, size)), len(found), found)


def of(rows) -> Rows:
    """`Rows` as they are; (object[rows] of bytes, int[rows]) or texts alone, an array or a list, as rows in memory."""
    if isinstance(rows, Rows):
        return rows
    texts, labels = rows if isinstance(rows, tuple) else (rows, np.zeros(len(rows), np.int32))
    texts = texts if isinstance(texts, np.ndarray) else np.array(texts, object)
    return Rows(
        lambda size: (texts[at : at + size] for at in range(0, len(texts), size)), len(texts), np.asarray(labels)
    )


def hashes(texts: np.ndarray) -> np.ndarray:
    """int64[rows], below 2**62: a hash of each text (object[rows] of bytes), independent of the one that splits rows."""
    return tf.strings.to_hash_bucket_fast(tf.constant(texts, tf.string), _HASHES).numpy()


def highest(batches: Iterable[np.ndarray], most: int) -> int:
    """The hash that `most` texts do not exceed; with no more than `most` texts one that none exceeds. Holds 16 bytes for each of `most`."""
    least = np.zeros(0, np.int64)
    batches = iter(batches)
    while some := list(itertools.islice(batches, max(1, most // BATCH))):
        least = np.concatenate([least, *(hashes(texts) for texts in some)])
        if len(least) > most:
            least = np.partition(least, most)[: most + 1]
    return int(np.partition(least, most - 1)[most - 1]) if len(least) > most else _HASHES
