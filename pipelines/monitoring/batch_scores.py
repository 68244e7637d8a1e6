"""A champion's answers to a batch, some thousand articles at a time: in memory are a few numbers an article, never its text."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np

from components.data_quality.profile import Profile, words_of
from pipelines.client import Client
from pipelines.monitoring.batch_check import Batch, unknown_words

_CHUNK = 8192  # articles between two signs of progress


@dataclass(frozen=True)
class Scores:
    """chances: float32[articles, classes]. unknown, surprise: float64[articles], as `unknown_words` gives them. profile: of the
    articles by predicted label, as `Profile.to_json`."""

    chances: np.ndarray
    unknown: np.ndarray
    surprise: np.ndarray
    profile: dict


def score(batch: Batch, model: Client, profile: dict | None, add: Callable, name: str) -> Scores:
    """Scores all articles. profile: of the champion's train rows, if it has one. add: takes some articles, their probabilities and
    their shares of unknown words. name: of the batch, for messages.

    Raises:
        SourceError: a file cannot be read as a whole, or has changed.
    """
    parts, own, articles, count = [], Profile(model.labels), batch.articles(), 0
    while some := list(islice(articles, _CHUNK)):
        words = [words_of(article.text) for article in some]
        chances = model.probabilities([article.text for article in some])
        parts.append((chances, *unknown_words(words, profile)))
        for article, own_words, answer in zip(some, words, chances.argmax(axis=1).tolist()):
            own.add(article.title, article.text, own_words, answer)
        add(some, chances, parts[-1][1])
        count += len(some)
        if len(batch) > _CHUNK:
            print(f"{name}: {count:,} of {len(batch):,} rows", file=sys.stderr, flush=True)
    chances, unknown, surprise = (np.concatenate(each) for each in zip(*parts))
    return Scores(chances, unknown, surprise, own.to_json())
