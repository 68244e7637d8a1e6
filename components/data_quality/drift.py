"""Drift: Jensen-Shannon distances between two profiles of rows, of labels, lengths and words (0 equal, 1 nothing in common).

Two samples of one source differ by chance. The expected divergence, (cells - 1) / (8 ln 2) · (1/n + 1/m) bits, is subtracted before
the root, so that small spans do not look drifted.
Source: Lin 1991 for the divergence; the correction is the mean of the corresponding chi-square statistic.
"""

import math
from collections.abc import Sequence

import numpy as np

WORDS = 500  # most frequent words of both that are compared; the rest is one cell


def distance(first: Sequence[float], second: Sequence[float], burst: float = 1.0) -> float:
    """Distance of two lists of counts over the same cells. burst: number of counts that equal one independent draw."""
    p, q = np.asarray(first, float), np.asarray(second, float)
    n, m = p.sum(), q.sum()
    if not n or not m:
        return 0.0
    p, q = p / n, q / m
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = np.nansum(p * np.log2(p / middle)) / 2 + np.nansum(q * np.log2(q / middle)) / 2
    chance = (np.count_nonzero(middle) - 1) / (8 * math.log(2)) * (1 / n + 1 / m) * burst
    return round(float(math.sqrt(max(0.0, bits - chance))), 4)


def labels(first: dict, second: dict) -> float:
    names = list(first["labels"]) + [name for name in second["labels"] if name not in first["labels"]]
    return distance(*([profile["labels"].get(name, 0) for name in names] for profile in (first, second)))


def lengths(first: dict, second: dict) -> float:
    return distance(first["lengths"], second["lengths"])


def words(first: dict, second: dict) -> float:
    """Words come in bursts (a name is repeated within a text): two counts equal one independent draw."""
    union = dict.fromkeys([*_most_frequent(first), *_most_frequent(second)])
    counts = []
    for profile in (first, second):
        own = [sum(profile["words"].get(word, ())) for word in union]
        counts.append([*own, max(0, sum(profile["tokens"]) - sum(own))])
    return distance(*counts, burst=2.0)


def _most_frequent(profile: dict) -> list[str]:
    """A profile that was read from a file has its words in alphabetical order."""
    return sorted(profile["words"], key=lambda word: (-sum(profile["words"][word]), word))[:WORDS]


def new_words(before: dict, now: dict, count: int = 15) -> list[tuple[str, float, float]]:
    """(word, times in 10,000 words before, now) of the words that at least doubled, largest gain first."""
    old, new = sum(before["tokens"]) or 1, sum(now["tokens"]) or 1
    gained = []
    for word, each in now["words"].items():
        rate, was = 1e4 * sum(each) / new, 1e4 * sum(before["words"].get(word, ())) / old
        if sum(each) >= 5 and rate > 2 * was:
            gained.append((rate * math.log((rate + 0.5) / (was + 0.5)), word, was, rate))
    return [(word, was, rate) for _, word, was, rate in sorted(gained, reverse=True)[:count]]
