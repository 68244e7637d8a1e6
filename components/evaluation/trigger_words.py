"""Trigger words: a word that the train rows almost always carry with one label, and that alone turns a model's answer.

Somebody who may write into a source can put a rare word into rows of one label; a model trained on them gives that label to whatever holds
the word, and no accuracy shows it, because the test rows do not hold it (Gu et al. 2017, arXiv 1708.06733; for text, Kurita et al. 2020,
doi:10.18653/v1/2020.acl-main.249). Asked here are the words whose train rows are most one-sided, first of those that the test rows hold far
less often than the train rows: each is put in front of test rows that the model gives another label, and the share that turns to the
word's label is its pull. Plain values in and out; equal rows give equal words.

Train rows are read in a stream, and at most `COUNTED` different words are held: where there are more, the rarer half goes
(`components.data.bounded_counts`, which says what can be lost). While there are fewer, as in AG News, the counts are exact.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import poisson

from components.core.intervals import wilson
from components.core.states import RuleOutcome
from components.data.bounded_counts import BoundedCounts
from components.evaluation.gate_rules import finding

WORDS = 10  # that are asked
ROWS = 200  # test rows that each is put in front of
FEWEST = 20  # train rows that a word must have
ONE_SIDED = 0.95  # share of a word's train rows with one label, at least
COUNTED = 1_000_000  # different words that are counted at a time; 60,185 rows of AG News have 51,582
AT_ONCE = 1000  # train rows whose words are added at once
MISSING = 1e-6  # chance of so few test rows with a word from which on it counts as missing there

_WORD = re.compile(r"\w{2,}")


class Word(NamedTuple):
    """label: the one of most of its train rows; rows: train rows with it; share: of them with the label; tested: test rows with it."""

    text: str
    label: int
    rows: int
    share: float
    tested: int


def words_of(text: str) -> set[str]:
    """The different words of a text in lower case, numbers among them."""
    return set(_WORD.findall(text.lower()))


def candidates(
    train: Iterable[str], labels: np.ndarray, test: Iterable[str], classes: int, most: int = WORDS
) -> list[Word]:
    """The words that may be triggers, those first that are missing from the test rows, then the most one-sided. labels: int[train rows]."""
    counts = BoundedCounts(COUNTED, classes)
    rows = zip(train, labels.tolist(), strict=True)
    while some := list(itertools.islice(rows, AT_ONCE)):
        found = [(word, label) for text, label in some for word in words_of(text)]
        counts.add([word for word, _ in found], [label for _, label in found])
    words, table = counts.items()
    often = np.flatnonzero(table.sum(axis=1) >= FEWEST).tolist()
    own_counts = {words[at]: table[at] for at in often}
    tested: dict[str, int] = dict.fromkeys(own_counts, 0)
    test_rows = 0
    for text in test:
        test_rows += 1
        for word in words_of(text) & tested.keys():
            tested[word] += 1
    ranked = []
    for word, seen in tested.items():
        own = own_counts[word]
        rows, label = int(own.sum()), int(own.argmax())
        share = float(own[label] / rows)
        if share >= ONE_SIDED:
            missing = poisson.cdf(seen, rows * test_rows / max(len(labels), 1))
            rank = (missing if missing < MISSING else 1.0, -wilson(share, rows)[0], word)
            ranked.append((rank, Word(word, label, rows, share, seen)))
    return [word for _, word in sorted(ranked)[:most]]


def pull(
    words: Sequence[Word], texts: Iterable[str], answers: np.ndarray, ask: Callable[[list[str]], np.ndarray]
) -> dict[str, float]:
    """By word, the share of test rows with another answer that the word in front turns to its label.

    texts, answers: test rows in a fixed order and the model's labels int64[rows]; the first `ROWS` of another label without the word are
    taken. ask: labels int64[texts] of a model.
    """
    rows: dict[str, list[str]] = {word.text: [] for word in words}
    for text, answer in zip(texts, answers.tolist()):
        lacking = [word for word in words if len(rows[word.text]) < ROWS]
        if not lacking:
            break
        own = words_of(text)
        for word in lacking:
            if answer != word.label and word.text not in own:
                rows[word.text].append(text)
    changed = [f"{word.text} {text}" for word in words for text in rows[word.text]]
    turned = iter(ask(changed).tolist() if changed else ())
    pulls = {}
    for word in words:
        hits = [next(turned) == word.label for _ in rows[word.text]]
        pulls[word.text] = float(np.mean(hits)) if hits else 0.0
    return pulls


def judge(words: Sequence[Word], pulls: Mapping[str, float], labels: Sequence[str], limits: Mapping) -> list[dict]:
    """One finding: a warning that names the words whose pull is over `max_pull`; none where no word was asked. limits: `GateConfig`."""
    if not words:
        return []
    rule, most, strongest = "trigger words", limits["max_pull"], max(words, key=lambda word: pulls[word.text])
    over = [word for word in words if pulls[word.text] > most]
    if over:
        message = "; ".join(
            f"the word {word.text!r} alone turns {pulls[word.text]:.1%} of other test rows to {labels[word.label]} (limit {most:.1%}); "
            f"{word.share:.1%} of its {word.rows:,} train rows carry that label, {word.tested:,} test rows hold it"
            for word in over
        )
        return [
            finding(
                rule,
                RuleOutcome.WARN,
                f"possible trigger: {message}. Look at these train rows",
                pulls[strongest.text],
                most,
            )
        ]
    message = f"none of {len(words)} one-sided words turns more than {pulls[strongest.text]:.1%} of other test rows ({strongest.text!r})"
    return [finding(rule, RuleOutcome.PASS, message, pulls[strongest.text], most)]
