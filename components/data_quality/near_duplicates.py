"""Near-duplicates: rows that share four fifths of their word pairs, found by MinHash without comparing all pairs of rows.

A changed word changes two pairs, so 0.8 is about one changed word in 18. A row's signature is 64 bytes, one of each of 64
permutations; the share of equal bytes estimates the shared pairs (standard error 0.05 at 0.8). Rows become candidates where one of
eight bands of three permutations is equal (at 0.8 all but 0.3% do), and are compared with the first row of their band.
Source of the method: Broder 1997; banding as in Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, ch. 3.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from components.core.fileio import nameless
from components.data_quality.profile import words_of

PERMUTATIONS, BANDS, ROWS = 64, 8, 3
LEAST = 0.8
_PAIRS = 8  # texts with fewer word pairs are left out: they are similar by chance
_HELD = 500_000  # words whose hash is cached


class Signatures:
    """Collects the signatures of rows, batch by batch: 64 + 64 bytes a row, in files without a name that vanish with the process.

    folder: where they are, else the system's for temporary ones. In memory is one band at a time, with what sorts it about 65 bytes a row.
    """

    def __init__(self, folder: str | Path | None = None):
        random = np.random.default_rng(7)
        self.odd = random.integers(0, 1 << 63, (PERMUTATIONS, 1), np.uint64) * np.uint64(2) + np.uint64(1)
        self.hashes, self.rows = {}, 0
        self.marks, *self.bands = (nameless(folder) for _ in range(1 + BANDS))

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
        self.marks.write(marks.tobytes())
        for file, band in zip(self.bands, bands.T):
            file.write(band.tobytes())
        self.rows += len(rows)

    def first_like(self) -> np.ndarray:
        """For each row, int64 [rows]: the earlier row that it nearly repeats, or -1."""
        first = np.full(self.rows, -1, np.int64)
        if not self.rows:
            return first
        self.marks.flush()
        marks = np.memmap(self.marks, np.uint8, "r", shape=(self.rows, PERMUTATIONS))
        for file in self.bands:
            file.seek(0)
            keys = np.fromfile(file, np.uint64)
            order = np.argsort(keys, kind="stable")
            keys = keys[order]
            short = int(np.searchsorted(keys, np.uint64(1)))  # rows without a signature
            keys, order = keys[short:], order[short:]
            if not len(order):
                continue
            begins = np.concatenate([[True], keys[1:] != keys[:-1]])
            leader = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
            met = (leader != order) & (first[order] < 0)
            for part in np.array_split(np.flatnonzero(met), 1 + int(met.sum()) // 65536):
                row, other = order[part], leader[part]
                alike = (marks[row] == marks[other]).mean(1) >= LEAST
                first[row[alike]] = other[alike]
        return first
