"""Are labels that people brought back to be believed? The champion and the texts' neighbours answer, row by row and for the whole batch.

Neighbours speak by a linear model that never learned from the row it judges (`neighbours`). A row is a suspect where one of the two judges
is sure of another class and the other judge does not confirm the row's label. Sure means: at least as likely as the class is on the
mean of the rows that carry it (confident learning: Northcutt, Jiang and Chuang 2021, doi:10.1613/jair.1.12125).

A batch is held where its labels are less likely, by both judges together, than labels drawn as these believe, of which `ALLOWANCE` are
anyone's; and sooner where ten or more rows all carry one label. So a batch of texts that no judge is sure of is judged by what they
exclude, and a right batch of one class by its likelihood and not by its sameness.
"""

from collections.abc import Mapping, Sequence

import numpy as np

ALLOWANCE = 0.2  # share of labels that may fall on any class: news of the day is harder than the rows that a judge was measured on
CHANCE = 1e-3  # of holding a batch whose labels are as the judges believe
ONE_LABEL, ONE_CHANCE = (
    10,
    0.05,
)  # rows from which on a single label is reported, and the chance from which on it is held
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


def trouble(labels: np.ndarray, names: Sequence[str], judges: Judges) -> tuple[list[str], list[str]]:
    """(why a whole batch must not be believed, what a person should know of it); the first is empty where nothing speaks against it."""
    if not judges or not len(labels):
        return [], []
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
