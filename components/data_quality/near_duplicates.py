"""Near-duplicates: rows that share four fifths of their word pairs, found by MinHash without comparing all pairs of rows.

A changed word changes two pairs, so 0.8 is about one changed word in 18. A row's signature is 64 bytes, one of each of 64
permutations; the share of equal bytes estimates the shared pairs (standard error 0.05 at 0.8). Rows become candidates where one of
eight bands of three permutations is equal (at 0.8 all but 0.3% do), and are compared with the first row of their band.
Source of the method: Broder 1997; banding as in Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, ch. 3.
"""

import hashlib
from collections.abc import Iterable

import numpy as np

from components.data_quality.profile import words_of

PERMUTATIONS, BANDS, ROWS = 64, 8, 3
LEAST = 0.8
_PAIRS = 8  # texts with fewer word pairs are left out: they are similar by chance
_HELD = 500_000  # words whose hash is cached


class Signatures:
    """Collects the signatures of rows, batch by batch: 64 + 64 bytes a row."""

    def __init__(self):
        random = np.random.default_rng(7)
        self.odd = random.integers(0, 1 << 63, (PERMUTATIONS, 1), np.uint64) * np.uint64(2) + np.uint64(1)
        self.hashes, self.marks, self.bands = {}, [], []

    def _hash(self, word: str) -> int:
        value = self.hashes.get(word)
        if value is None:
            value = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
            if len(self.hashes) < _HELD:
                self.hashes[word] = value
        return value

    def add(self, texts: Iterable[str]) -> None:
        rows = [[self._hash(word) for word in words_of(text)] for text in texts]
        marks = np.zeros((len(rows), PERMUTATIONS), np.uint8)
        bands = np.zeros((len(rows), BANDS), np.uint64)
        long = [i for i, row in enumerate(rows) if len(row) > _PAIRS]
        for start in range(0, len(long), 512):  # 512 rows of 64 permutations stay in the processor's cache
            some = long[start : start + 512]
            flat = np.array([h for i in some for h in rows[i]], np.uint64)
            sizes = np.array([len(rows[i]) for i in some])
            starts = np.cumsum(sizes) - sizes
            pairs = flat * np.uint64(0x9E3779B97F4A7C15)
            pairs[:-1] ^= flat[1:] >> np.uint64(7)
            pairs[starts + sizes - 1] = pairs[starts]  # the last word has no next one
            pairs ^= pairs >> np.uint64(29)
            lowest = np.minimum.reduceat(pairs * self.odd, starts, axis=1)
            marks[some] = (lowest >> np.uint64(24)).astype(np.uint8).T
            for band in range(BANDS):
                a, b, c = lowest[band * ROWS : band * ROWS + ROWS]
                bands[some, band] = (a ^ (b << np.uint64(1)) ^ (c << np.uint64(2))) | np.uint64(1)
        self.marks.append(marks)
        self.bands.append(bands)

    def first_like(self) -> np.ndarray:
        """For each row, int64 [rows]: the earlier row that it nearly repeats, or -1."""
        if not self.marks:
            return np.zeros(0, np.int64)
        marks, bands = np.concatenate(self.marks), np.concatenate(self.bands)
        first = np.full(len(marks), -1, np.int64)
        for band in range(BANDS):
            keys = bands[:, band]
            order = np.argsort(keys, kind="stable")
            order = order[keys[order] != 0]
            if not len(order):
                continue
            begins = np.concatenate([[True], keys[order][1:] != keys[order][:-1]])
            leader = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
            met = (leader != order) & (first[order] < 0)
            for part in np.array_split(np.flatnonzero(met), 1 + int(met.sum()) // 65536):
                row, other = order[part], leader[part]
                alike = (marks[row] == marks[other]).mean(1) >= LEAST
                first[row[alike]] = other[alike]
        return first
