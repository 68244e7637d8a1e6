"""Counts of words, however many different ones there are: the rare ones go when there are too many.

Source: the family of Misra and Gries 1982 and lossy counting, Manku and Motwani 2002 (VLDB).
"""

from collections.abc import Sequence

import numpy as np


class BoundedCounts:
    """Counts by key and column; about `most` keys are held.

    Where there are more, the rarer half goes: the keys with at most so many occurrences. `lost` is the sum of these limits: a key with
    more than `lost` occurrences is held, and no count is too low by more. While no key went, `lost` is 0 and all counts are exact.
    """

    def __init__(self, most: int, columns: int = 1):
        self.most, self.lost, self.places = most, 0, {}
        self.table = np.zeros((1024, columns), np.int64)

    def add(self, keys: Sequence, columns: Sequence[int] | int = 0, counts: Sequence[int] | int = 1) -> None:
        """Adds `counts` to the keys' `columns`, each one for all or one a key."""
        places = self.places
        at = [places.setdefault(key, len(places)) for key in keys]
        if len(places) > len(self.table):
            more = np.zeros((max(len(places), 2 * len(self.table)) - len(self.table), self.table.shape[1]), np.int64)
            self.table = np.concatenate([self.table, more])
        np.add.at(self.table, (at, columns), counts)
        if len(places) > self.most:
            self._prune()

    def items(self) -> tuple[list, np.ndarray]:
        """(keys, int64[keys, columns]), in the order in which the keys came."""
        return list(self.places), self.table[: len(self.places)]

    def _prune(self) -> None:
        keys, table = self.items()
        totals = table.sum(axis=1)
        limit = int(np.partition(totals, len(totals) // 2)[len(totals) // 2])
        kept = np.flatnonzero(totals > limit)
        self.lost += limit
        self.table = table[kept]
        self.places = {keys[at]: place for place, at in enumerate(kept.tolist())}
