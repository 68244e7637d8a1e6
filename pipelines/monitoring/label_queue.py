"""The label queue: which texts of a batch a person should label, written for a spreadsheet."""

import csv
import hashlib
import heapq
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from components.core import csv_escape
from pipelines.monitoring.batch_check import Article, margins
from pipelines.monitoring.queue_file import BOM, COLUMNS, ID, RANDOM


@dataclass(frozen=True)
class Question:
    """One text to label. at: its place in the batch; why: "unsure", "unlike" or `RANDOM`."""

    at: int
    why: str


def choose(
    keys: np.ndarray,
    probabilities: np.ndarray,
    surprise: np.ndarray,
    asked: Collection[str],
    rows: int,
    unlike: float,
    random: float,
) -> list[Question]:
    """The texts to ask about: the least sure, the unsurest first, then the most unlike the train rows, then a random sample.

    keys: uint64[articles]. surprise: float[articles], as `batch_check.unknown_words` gives it. asked: keys, in hex, of texts that a queue holds already; they are
    left out. unlike: share of `rows` that is for unlike texts; only those of more than chance (2 deviations) count, and their
    places go to unsure ones where there are none. random: share of `rows` that is drawn first, from all texts: it shows how often
    the labels agree with the champion on the day's news, and not only where it is unsure.
    """
    free = np.flatnonzero(~np.isin(keys, np.fromiter((int(key, 16) for key in asked), np.uint64)))
    sample = heapq.nsmallest(round(rows * random), free.tolist(), key=lambda at: _drawn(int(keys[at])))
    free, rows = np.setdiff1d(free, sample, assume_unique=True), rows - len(sample)
    unsure = free[np.lexsort((keys[free], margins(probabilities)[free]))]
    strange = free[np.lexsort((keys[free], -surprise[free]))]
    first = unsure[: rows - min(rows, round((rows + len(sample)) * unlike))].tolist()
    taken = set(first)
    second = list(islice((at for at in map(int, strange) if at not in taken and surprise[at] > 2), rows - len(first)))
    taken.update(second)
    first += islice((at for at in map(int, unsure) if at not in taken), rows - len(first) - len(second))
    return [
        *(Question(at, "unsure") for at in first),
        *(Question(at, "unlike") for at in second),
        *(Question(at, RANDOM) for at in sample),
    ]


def _drawn(key: int) -> bytes:
    """By what the random sample is drawn: the same article is in or out whatever batch it comes in."""
    return hashlib.sha256(f"queue/{key:016x}".encode()).digest()


def as_csv(
    questions: Sequence[Question],
    articles: Mapping[int, Article] | Sequence[Article],
    probabilities: np.ndarray,
    unknown: np.ndarray,
    labels: Sequence[str],
) -> str:
    """The queue as CSV with an empty column `label`. articles: those that are asked about, by their places in the batch."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for question in questions:
        article, chances = articles[question.at], probabilities[question.at]
        second, first = np.argsort(chances, kind="stable")[-2:] if len(chances) > 1 else (0, 0)
        writer.writerow(
            [
                "",
                csv_escape.safe(article.title),
                csv_escape.safe(article.description),
                csv_escape.safe(labels[first]),
                f"{chances[first]:.3f}",
                csv_escape.safe(f"{labels[second]} {chances[second]:.3f}"),
                f"{unknown[question.at]:.2f}",
                question.why,
                ID + article.key,
            ]
        )
    return BOM + out.getvalue()
