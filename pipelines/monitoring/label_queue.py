"""The label queue: which texts of a batch a person should label, written for a spreadsheet."""

import csv
import hashlib
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass

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
    articles: Sequence[Article],
    probabilities: np.ndarray,
    surprise: np.ndarray,
    asked: Collection[str],
    rows: int,
    unlike: float,
    random: float,
) -> list[Question]:
    """The texts to ask about: the least sure, the unsurest first, then the most unlike the train rows, then a random sample.

    surprise: float[articles], as `batch_check.unknown_words` gives it. asked: keys of texts that a queue holds already; they are
    left out. unlike: share of `rows` that is for unlike texts; only those of more than chance (2 deviations) count, and their
    places go to unsure ones where there are none. random: share of `rows` that is drawn first, from all texts: it shows how often
    the labels agree with the champion on the day's news, and not only where it is unsure.
    """
    margin = margins(probabilities)
    free = [at for at, article in enumerate(articles) if article.key not in asked]
    sample = sorted(free, key=lambda at: hashlib.sha256(f"queue/{articles[at].key}".encode()).digest())
    sample = sample[: round(rows * random)]
    free, rows = sorted(set(free) - set(sample)), rows - len(sample)
    unsure = sorted(free, key=lambda at: (margin[at], articles[at].key))
    strange = sorted(free, key=lambda at: (-surprise[at], articles[at].key))
    first = unsure[: rows - min(rows, round((rows + len(sample)) * unlike))]
    taken = set(first)
    second = [at for at in strange if at not in taken and surprise[at] > 2][: rows - len(first)]
    taken.update(second)
    first += [at for at in unsure if at not in taken][: rows - len(first) - len(second)]
    return [
        *(Question(at, "unsure") for at in first),
        *(Question(at, "unlike") for at in second),
        *(Question(at, RANDOM) for at in sample),
    ]


def as_csv(
    questions: Sequence[Question],
    articles: Sequence[Article],
    probabilities: np.ndarray,
    unknown: np.ndarray,
    labels: Sequence[str],
) -> str:
    """The queue as CSV with an empty column `label`."""
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
