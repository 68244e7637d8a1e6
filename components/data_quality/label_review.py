"""Are labels that people brought back to be believed? The champion and the texts' neighbours answer, row by row and for the whole batch.

Neighbours speak by a linear model that never learned from the row it judges (`neighbours`). A row is a suspect where one of the two judges
is sure of another class and the other judge does not say the row's label either. Sure means: at least as likely as the class is on the
mean of the rows that carry it (confident learning: Northcutt, Jiang and Chuang 2021, doi:10.1613/jair.1.12125).

A batch is held where both judges agree with fewer of its labels than they themselves expect, less `ALLOWANCE` and far beyond chance; and
where ten or more rows carry one label and the judges do not expect that.
"""

from collections.abc import Mapping, Sequence

import numpy as np

ALLOWANCE = 0.1  # of agreement, or of a class's probability: news of the day is harder than the rows that a judge was measured on
CHANCE = 1e-3  # of holding a batch whose labels are right
ONE_LABEL = 10  # rows from which on a single label is asked about
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


def suspects(labels: np.ndarray, judges: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """bool[rows]: labels that no judge gives and one is sure against.

    judges: by name, (probabilities float[rows, classes], `sure_from`).
    """
    if not judges:
        return np.zeros(len(labels), bool)
    against, sure = np.ones(len(labels), bool), np.zeros(len(labels), bool)
    for probabilities, thresholds in judges.values():
        answer = probabilities.argmax(axis=1)
        against &= answer != labels
        sure |= probabilities[np.arange(len(labels)), answer] >= thresholds[answer]
    return against & sure


def agreement(labels: np.ndarray, probabilities: np.ndarray) -> dict:
    """How often a judge gives the label (`agreed`, of `rows`), how often it expects to (`expected`), and the `chance` of so few, were all
    labels right and the judge right `ALLOWANCE` less often than it believes."""
    believed = probabilities.max(axis=1)
    agreed = int((probabilities.argmax(axis=1) == labels).sum())
    odds = np.maximum(believed - ALLOWANCE, 1 / probabilities.shape[1])
    return {
        "rows": len(labels),
        "agreed": agreed,
        "expected": float(believed.mean()) if len(labels) else 0.0,
        "chance": at_most(agreed, odds),
    }


def at_most(count: int, odds: np.ndarray) -> float:
    """The chance that so many or fewer of independent events happen, whose chances are `odds` (Poisson binomial, exact)."""
    spread = np.ones(1)
    for chance in odds:
        spread = np.convolve(spread, (1 - chance, chance))
    return float(min(1.0, spread[: count + 1].sum()))


def trouble(labels: np.ndarray, names: Sequence[str], judges: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[str]:
    """Why a whole batch must not be believed; empty where nothing speaks against it."""
    if not judges or not len(labels):
        return []
    reasons = []
    each = {name: agreement(labels, probabilities) for name, (probabilities, _) in judges.items()}
    if all(one["chance"] < CHANCE for one in each.values()):
        figures = " and ".join(
            f"the {name} with {one['agreed']:,} of {one['rows']:,} labels, where {one['expected']:.0%} are expected"
            for name, one in each.items()
        )
        worst = max(one["chance"] for one in each.values())
        reasons.append(f"the labels disagree far beyond chance: in agreement {figures} (p = {worst:.1g})")
    if len(labels) >= ONE_LABEL and len(set(labels.tolist())) == 1:
        label = int(labels[0])
        odds = [np.minimum(1.0, probabilities[:, label] + ALLOWANCE) for probabilities, _ in judges.values()]
        chance = max(float(np.prod(one)) for one in odds)
        if chance < CHANCE:
            reasons.append(
                f"all {len(labels):,} rows carry one label, {names[label]}, which is not expected of them (p = {chance:.1g})"
            )
    return reasons
