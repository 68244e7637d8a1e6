"""What the model verdict shows besides its numbers: calibration by bins, and rows on which two models differ."""

from collections.abc import Sequence

import numpy as np

from components.data.text_cleaning import clean

BINS = 10  # of the calibration plot, equally wide
CONFIDENCES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)  # of the coverage curve


# Rows kept of each kind, the surest first; a page shows the first of them and a file holds all.
KEPT = {"lost": 200, "neither": 50, "won": 200}  # on which two models disagree, by who has them right
KEPT_OF_A_CELL = 200  # of the confusion matrix
LONGEST = 2_000  # characters of a text that are kept; pages show fewer


def calibration(truth: np.ndarray, probabilities: np.ndarray) -> list[dict]:
    """How sure the model is and how often right, in bins of its highest probability: `sure`, `right` (0..1) and `rows`."""
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    number = np.clip((sure * BINS).astype(int), 0, BINS - 1)
    bins = [(number == i) for i in range(BINS)]
    return [
        {"sure": float(sure[of].mean()), "right": float(right[of].mean()), "rows": int(of.sum())}
        for of in bins
        if of.any()
    ]


def coverage(truth: np.ndarray, probabilities: np.ndarray) -> list[dict]:
    """What `min_confidence` of the client does: for each least probability `min_confidence`, how many `rows` are labelled,
    their share `coverage` (0..1), and their `accuracy`, None where none is left. Empty without rows.

    Source: El-Yaniv and Wiener 2010, "On the Foundations of Noise-free Selective Classification" (JMLR 11), risk over coverage.
    """
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    points = []
    for least in CONFIDENCES if len(truth) else ():
        kept = sure >= least
        points.append(
            {
                "min_confidence": least,
                "rows": int(kept.sum()),
                "coverage": float(kept.mean()),
                "accuracy": float(right[kept].mean()) if kept.any() else None,
            }
        )
    return points


def disagreements(
    texts: Sequence[bytes], truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray, labels: Sequence[str]
) -> dict[str, dict]:
    """Rows to which candidate and champion (probabilities `ours`, `theirs`) give different labels, the worst first.

    By who has them right: "lost" (the champion alone), "neither", "won" (the candidate alone): `count`, and `rows` with `text`, `cut`,
    `true`, `said`, `champion` and `sure`, the candidate's surest mistakes first.
    """
    mine, other = ours.argmax(axis=1), theirs.argmax(axis=1)
    apart = mine != other
    groups = {
        "lost": apart & (other == truth), "neither": apart & (other != truth) & (mine != truth), "won": apart & (mine == truth),
    }  # fmt: skip
    shown = {}
    for name, of in groups.items():
        rows = np.flatnonzero(of)
        worst = rows[np.argsort(-ours[rows].max(axis=1), kind="stable")][: KEPT[name]]
        shown[name] = {"count": len(rows), "rows": [
            {
                **_shown(texts[i]), "true": labels[truth[i]], "said": labels[mine[i]],
                "champion": labels[other[i]], "sure": float(ours[i].max()),
            } for i in worst
        ]}  # fmt: skip
    return shown


def mistakes(
    texts: Sequence[bytes], truth: np.ndarray, ours: np.ndarray, labels: Sequence[str], theirs: np.ndarray | None = None
) -> list[dict]:
    """The rows of each cell of the confusion matrix that is off its diagonal and not empty: `true` and `said`, places among
    `labels`, `count`, and `rows` with `text`, `cut`, `sure` and, where there is a champion (probabilities `theirs`), what it says."""
    predicted, cells = ours.argmax(axis=1), []
    other = None if theirs is None else theirs.argmax(axis=1)
    for true in range(len(labels)):
        for wrong in range(len(labels)):
            rows = np.flatnonzero((truth == true) & (predicted == wrong))
            if true == wrong or not len(rows):
                continue
            surest = rows[np.argsort(-ours[rows, wrong], kind="stable")][:KEPT_OF_A_CELL]
            cells.append({"true": true, "said": wrong, "count": len(rows), "rows": [
                {
                    **_shown(texts[i]), "sure": float(ours[i, wrong]),
                    "champion": None if other is None else labels[other[i]],
                } for i in surest
            ]})  # fmt: skip
    return cells


def _shown(text: bytes) -> dict:
    """`text`, and `cut`: whether it is longer than what is kept."""
    whole = clean(text.decode("utf-8", "replace"))
    return {"text": whole[:LONGEST], "cut": len(whole) > LONGEST}
