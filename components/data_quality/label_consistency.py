"""Do labels fit the words? A naive Bayes classifier from a profile's word counts answers, without a training.

It is a weak classifier, but label noise lowers its agreement with the labels, and swapped labels show in its confusion matrix.
Source of the method: multinomial naive Bayes with add-one smoothing (Manning, Raghavan, Schütze 2008, ch. 13).
"""

import random
from collections.abc import Callable, Iterable, Sequence

import numpy as np


class Sample:
    """A uniform sample of at most `size` rows of a stream (reservoir sampling), the same for the same stream."""

    def __init__(self, size: int = 4000):
        self.size, self.seen, self.rows = size, 0, []
        self.random = random.Random(0)  # noqa: S311 - a sample, not a secret

    def add(self, words: list[str], label: int) -> None:
        self.offer(lambda: words, label)

    def offer(self, words: Callable[[], list[str]], label: int) -> None:
        """As `add`; asks for the words only of a row that is taken."""
        self.seen += 1
        if len(self.rows) < self.size:
            self.rows.append((words(), label))
        elif (at := self.random.randrange(self.seen)) < self.size:
            self.rows[at] = (words(), label)


def confusion(profile: dict, rows: Iterable[tuple[list[str], int]]) -> list[list[int]]:
    """Counts [label of the row][label predicted from its words]; rows without a known word are left out."""
    classes = len(profile["tokens"])
    index = {word: i for i, word in enumerate(profile["words"])}
    counts = np.array(list(profile["words"].values()), np.float64).reshape(-1, classes)
    table = np.log(counts + 1) - np.log(np.array(profile["tokens"]) + len(index) + 1)
    prior = np.log(np.array(list(profile["labels"].values())) + 1)
    matrix = np.zeros((classes, classes), int)
    for words, label in rows:
        known = [index[word] for word in words if word in index]
        if known:
            matrix[label, int(np.argmax(prior + table[known].sum(0)))] += 1
    return matrix.tolist()


def share(matrix: Sequence[Sequence[int]]) -> tuple[float, int]:
    """Share of rows on the diagonal, and rows."""
    counts = np.array(matrix)
    return (float(np.trace(counts) / counts.sum()), int(counts.sum())) if counts.size and counts.sum() else (0.0, 0)


def drop(own: Sequence, reference: Sequence) -> float:
    """By how much `own`'s agreement is below the reference's, beyond chance (two standard errors); at least 0."""
    (p, n), (q, m) = share(own), share(reference)
    if not n or not m:
        return 0.0
    chance = 2 * (p * (1 - p) / n + q * (1 - q) / m) ** 0.5
    return max(0.0, q - p - chance)


def swapped(matrix: Sequence[Sequence[int]], least: int = 20) -> list[tuple[int, int]]:
    """Pairs of classes that are mostly predicted as each other, with at least `least` rows each."""
    m = np.array(matrix)
    return [
        (a, b)
        for a in range(len(m))
        for b in range(a)
        if min(m[a].sum(), m[b].sum()) >= least and m[a, b] > m[a].sum() / 2 and m[b, a] > m[b].sum() / 2
    ]
