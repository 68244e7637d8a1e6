"""A profile of rows: labels, lengths and words. Small enough to keep with every version; new data are compared with it.

Labels and lengths are counted over all rows, words over all or, of more than `SAMPLE` rows, over about so many that are drawn by their
keys: a share of words is then known to within 1 part in 100 for a word that stands in every twentieth text. "tokens" and "words" are
of the same rows.

{"rows", "upper", "labels": {name: rows}, "lengths": [rows a bin of `EDGES`], "tokens": [words a class],
 "words": {word: [times a class]}}
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

EDGES = (0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 70, 85, 100, 150, 250)  # words of a text; the last bin is open
WORDS = 3000  # most frequent words that a profile keeps
SAMPLE = 200_000  # rows whose words are counted
_HELD = 200_000  # distinct words a class that are counted at a time; the rare half goes when there are more
_WORD = re.compile(r"[^\W\d_]{2,}")
_LETTERS = "".join(chr(code) if chr(code).isalpha() else " " for code in range(128))
_PLAIN = _LETTERS.lower().encode() + bytes(range(128, 256))


def words_of(text: str) -> list[str]:
    """The lower-case words of a text, of two letters or more."""
    if text.isascii():  # a third of the time
        return [word for word in text.lower().translate(_LETTERS).split() if len(word) > 1]
    return _WORD.findall(text.lower())


def counted_words(text: bytes) -> dict[str, int]:
    """How often each word of `words_of` is in a text, in the order in which they first are. text: UTF-8."""
    if not text.isascii():
        return Counter(words_of(text.decode()))
    # Arrow splits and counts a long text in a third of the time.
    plain = pa.StringArray.from_buffers(
        1, *map(pa.py_buffer, (np.array([0, len(text)], np.int32), text.translate(_PLAIN)))
    )
    found = pc.value_counts(pc.ascii_split_whitespace(plain).flatten())
    words, counts = found.field(0), found.field(1)
    long = pc.greater(pc.binary_length(words), 1)
    return dict(
        zip(words.filter(long).to_numpy(zero_copy_only=False).tolist(), counts.filter(long).to_numpy().tolist())
    )


def lengths_of(texts: Sequence[str]) -> np.ndarray:
    """Words of joined texts, as the lengths count them (int64[texts])."""
    return np.minimum(np.array([text.count(" ") for text in texts], int) + 1, EDGES[-1])


def shouted(title: str) -> bool:
    """Whether a title is in capital letters."""
    return len(title) > 5 and title.isupper()


def sampled(keys: np.ndarray, rows: int) -> np.ndarray:
    """bool[rows]: whose words are counted. keys: uint64, `text_cleaning.row_key`; rows: of the whole profile."""
    if rows <= SAMPLE:
        return np.ones(len(keys), bool)
    # The bits of a key that choose the split and the fresh rows must not choose here too: they are mixed (Fibonacci hashing).
    mixed = (keys * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    return mixed < np.uint64(SAMPLE / rows * 2**32)


class Profile:
    """Counts rows; memory does not grow with their number."""

    def __init__(self, labels: Sequence[str]):
        self.labels = list(labels)
        self.rows, self.upper = np.zeros(len(labels), int), 0
        self.lengths, self.tokens = np.zeros(len(EDGES), int), [0] * len(labels)
        self.words = [Counter() for _ in labels]

    def add(self, title: str, text: str, words: list[str], label: int) -> None:
        """Counts one row. text: the joined text; words: `words_of(text)`; label: 0-based."""
        self.count(*(np.array([label]), lengths_of([text]), np.array([shouted(title)])))
        self.count_words(Counter(words), label)

    def count(self, labels: np.ndarray, lengths: np.ndarray, upper: np.ndarray) -> None:
        """Counts rows, without their words: [rows] each of 0-based labels, `lengths_of` and `shouted`."""
        self.rows += np.bincount(labels, minlength=len(self.rows))
        self.lengths += np.bincount(np.searchsorted(EDGES, lengths, "right") - 1, minlength=len(EDGES))
        self.upper += int(upper.sum())

    def count_words(self, words: Mapping[str, int], label: int) -> None:
        """Counts the words of one or more rows. words: how often each is in them."""
        self.tokens[label] += sum(words.values())
        counter = self.words[label]
        counter.update(words)
        if len(counter) > _HELD:
            self.words[label] = Counter(dict(counter.most_common(_HELD // 2)))

    def to_json(self, kept: int = WORDS) -> dict:
        total = Counter()
        for counter in self.words:
            total.update(counter)
        return {
            "rows": int(self.rows.sum()),
            "upper": self.upper,
            "labels": dict(zip(self.labels, self.rows.tolist())),
            "lengths": self.lengths.tolist(),
            "tokens": self.tokens,
            # Words of equal count in alphabetical order, so that equal rows give an equal file.
            "words": {
                word: [counter[word] for counter in self.words]
                for word, _ in sorted(total.items(), key=lambda item: (-item[1], item[0]))[:kept]
            },
        }


def in_order(profile: dict, labels: Sequence[str], places: Sequence[int]) -> dict:
    """A profile with its classes in another order. places: of `labels` among its own, as `manifest.label_places` gives them.

    A profile that was written by `fileio.write_json` has the names of its `labels` in alphabetical order, and nothing else of it.
    """

    def put(counts: Sequence) -> list:
        return [counts[place] for place in places]

    agreement = {
        name: [put(row) for row in put(matrix)] if matrix else [] for name, matrix in profile["agreement"].items()
    }
    return {
        **profile,
        "labels": {label: profile["labels"][label] for label in labels},
        "tokens": put(profile["tokens"]),
        "words": {word: put(counts) for word, counts in profile["words"].items()},
        "agreement": agreement,
    }
