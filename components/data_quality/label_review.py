"""Are labels that people brought back to be believed? The champion and the texts' neighbours answer, row by row and for the whole batch.

Neighbours speak by a linear model that never learned from the row it judges (`neighbours`). A row is a suspect where one of the two judges
is sure of another class and the other judge does not confirm the row's label. Sure means: at least as likely as the class is on the
mean of the rows that carry it (confident learning: Northcutt, Jiang and Chuang 2021, doi:10.1613/jair.1.12125).

A batch is held where its labels are less likely, by both judges together, than labels drawn from what the judges predict, with a share
`ALLOWANCE` of them drawn at random. The limit is lower where ten or more rows all carry one label. So a batch of texts that no judge is sure of is judged by what they
exclude, and a right batch of one class by its likelihood and not by its sameness.

Texts that the monitor drew at random from a whole day say most: on them the champion is right about as often as it is sure, drift or
not, while it knows little of the texts that it is unsure of. A batch is held where the champion gives significantly fewer of their labels;
and where the neighbours, which learn from the batch's other labels, give significantly fewer of all of them: labels that contradict each
other. The limits were chosen on the demo's drifted day and confirmed on AG News (`tests/benchmarks/LABELS.md`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import binom

ALLOWANCE = 0.2  # share of labels that may fall on any class: news of the day is harder than the rows that a judge was measured on
CHANCE = 1e-3  # of holding a batch whose labels are as the judges believe
ONE_LABEL, ONE_CHANCE = (
    10,
    0.05,
)  # rows from which on a single label is reported, and the chance from which on it is held
FEW_AGREED = 0.005  # chance of holding a batch of right labels for how many of them a judge gives
LEAST_SAMPLED = 15  # random texts that are needed
OVERCONFIDENCE = 0.1  # by how much a champion may be less often right on drifted news than it is sure
DRAWS = 20_000
Judges = Mapping[str, tuple[np.ndarray, np.ndarray]]  # by name: probabilities float[rows, classes], and `sure_from`
LEAST = 200  # labelled neighbours that are needed
FOLDS = 5


def neighbours(texts: Sequence[str], labels: np.ndarray, classes: int) -> np.ndarray | None:
    """float64[rows, classes]: probabilities of each row by a linear model of the other folds; None where there are too few rows.

    labels: int64[rows]. Words and pairs by TF-IDF, logistic regression. A class with fewer rows than folds makes it None too.
    """
    counts = np.bincount(labels, minlength=classes)
    if len(texts) < LEAST or counts.min() < FOLDS:
        return None
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    model = make_pipeline(words, LogisticRegression(C=10.0, max_iter=200))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return cross_val_predict(model, list(texts), labels, cv=folds, method="predict_proba")


def sure_from(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """float64[classes]: the mean probability of each class on the rows labelled so; 1 where there is none, which nothing exceeds."""
    classes = probabilities.shape[1]
    own = [probabilities[labels == label, label] for label in range(classes)]
    return np.array([part.mean() if len(part) else 1.0 for part in own])


def suspects(labels: np.ndarray, judges: Judges) -> np.ndarray:
    """bool[rows]: labels that no judge gives and one is sure against."""
    if not judges:
        return np.zeros(len(labels), bool)
    against, sure = np.ones(len(labels), bool), np.zeros(len(labels), bool)
    for probabilities, thresholds in judges.values():
        answer = probabilities.argmax(axis=1)
        against &= answer != labels
        sure |= probabilities[np.arange(len(labels)), answer] >= thresholds[answer]
    return against & sure


def agreement(labels: np.ndarray, probabilities: np.ndarray) -> dict:
    """How often a judge gives the label (`agreed`, of `rows`), and which share it expects to (`expected`)."""
    return {
        "rows": len(labels),
        "agreed": int((probabilities.argmax(axis=1) == labels).sum()),
        "expected": float(probabilities.max(axis=1).mean()) if len(labels) else 0.0,
    }


def chance(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """How often labels drawn as a judge believes are as unlikely as these, or more: a Monte Carlo test (Davison and Hinkley 1997,
    section 4.2) on the log-likelihood, with the same draws each time.

    probabilities: float[rows, classes], of which `ALLOWANCE` is spread over all classes first.
    """
    classes = probabilities.shape[1]
    odds = (1 - ALLOWANCE) * probabilities + ALLOWANCE / classes
    odds = odds / odds.sum(axis=1, keepdims=True)
    logs, draw = np.log(odds), np.random.default_rng(0)
    sums = np.zeros(DRAWS)
    for row, each in zip(odds, logs):
        sums += each[np.minimum(np.searchsorted(np.cumsum(row), draw.random(DRAWS)), classes - 1)]
    seen = logs[np.arange(len(labels)), labels].sum()
    return float((1 + (sums <= seen + 1e-9).sum()) / (1 + DRAWS))


def sampled_agreement(labels: np.ndarray, probabilities: np.ndarray, sampled: np.ndarray) -> dict | None:
    """The champion's `agreement` on the texts that were drawn at random; None where they are too few. sampled: bool[rows]."""
    return agreement(labels[sampled], probabilities[sampled]) if sampled.sum() >= LEAST_SAMPLED else None


def few_agreed(agreed: Mapping, overconfidence: float = 0.0) -> float:
    """The chance of so small an `agreement`, or a smaller one, where the labels are right: an exact binomial test.

    overconfidence: by how much the judge may be less often right than it is sure.
    """
    return float(binom.cdf(agreed["agreed"], agreed["rows"], max(agreed["expected"] - overconfidence, 0.0)))


def trouble(
    labels: np.ndarray, names: Sequence[str], judges: Judges, sampled: Mapping | None = None
) -> tuple[list[str], list[str]]:
    """(why a whole batch must not be believed, what a person should know of it); the first is empty where nothing speaks against it.

    sampled: as `sampled_agreement` gives it.
    """
    if not judges or not len(labels):
        return [], []
    held = []
    if sampled and (p := few_agreed(sampled, OVERCONFIDENCE)) < FEW_AGREED:
        held.append(
            f"of {sampled['rows']:,} texts drawn at random the champion gives only {sampled['agreed']:,} of the labels, {sampled['expected']:.0%} "
            f"expected (p = {p:.1g}): have a second person label these texts; if the labels are right, the champion fails on this news"
        )
    if "neighbours" in judges:
        agreed = agreement(labels, judges["neighbours"][0])
        if (p := few_agreed(agreed)) < FEW_AGREED:
            held.append(
                f"the labels contradict each other and the source: a model of the other rows gives only {agreed['agreed']:,} of {agreed['rows']:,} "
                f"labels, {agreed['expected']:.0%} expected (p = {p:.1g}): have a second person label a part of them"
            )
    by_likelihood, notes = _by_likelihood(labels, names, judges)
    held += by_likelihood
    return held, [] if held else notes


def _by_likelihood(labels: np.ndarray, names: Sequence[str], judges: Judges) -> tuple[list[str], list[str]]:
    likely = chance(labels, np.mean([probabilities for probabilities, _ in judges.values()], axis=0))
    single = len(labels) >= ONE_LABEL and len(set(labels.tolist())) == 1
    one = f"all {len(labels):,} rows carry one label, {names[int(labels[0])]}"
    if likely < CHANCE:
        each = {name: agreement(labels, probabilities) for name, (probabilities, _) in judges.items()}
        answers = " and ".join(
            f"the {name} with {one['agreed']:,} of {one['rows']:,} labels ({one['expected']:.0%} expected)"
            for name, one in each.items()
        )
        reason = f"the labels disagree far beyond chance (p = {likely:.1g}): in agreement {answers}"
        return [reason, *([one] if single else [])], []
    if single and likely < ONE_CHANCE:
        return [f"{one}, and that is not what these texts make likely (p = {likely:.1g})"], []
    return [], [f"{one}, as these texts make likely"] if single else []
