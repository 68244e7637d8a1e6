"""What the model verdict shows besides its numbers: calibration by bins, and rows on which two models differ.

Which rows are shown follows from the answers; only their texts are read then, in one more pass over the rows."""

from collections.abc import Sequence

import numpy as np

from components.data import rows as streams
from components.data.rows import Rows
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
    texts: Rows | Sequence[bytes], truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray, labels: Sequence[str]
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
    worst = {name: _surest(np.flatnonzero(of), ours.max(axis=1), KEPT[name]) for name, of in groups.items()}
    read, shown = streams.of(texts).at([i for rows in worst.values() for i in rows]), {}
    for name, rows in worst.items():
        shown[name] = {"count": int(groups[name].sum()), "rows": [
            {
                **_shown(read[i]), "true": labels[truth[i]], "said": labels[mine[i]],
                "champion": labels[other[i]], "sure": float(ours[i].max()),
            } for i in rows
        ]}  # fmt: skip
    return shown


def mistakes(
    texts: Rows | Sequence[bytes],
    truth: np.ndarray,
    ours: np.ndarray,
    labels: Sequence[str],
    theirs: np.ndarray | None = None,
) -> list[dict]:
    """The rows of each cell of the confusion matrix that is off its diagonal and not empty: `true` and `said`, places among
    `labels`, `count`, and `rows` with `text`, `cut`, `sure` and, where there is a champion (probabilities `theirs`), what it says."""
    predicted, cells = ours.argmax(axis=1), {}
    other = None if theirs is None else theirs.argmax(axis=1)
    for true in range(len(labels)):
        for wrong in range(len(labels)):
            rows = np.flatnonzero((truth == true) & (predicted == wrong))
            if true != wrong and len(rows):
                cells[true, wrong] = len(rows), _surest(rows, ours[:, wrong], KEPT_OF_A_CELL)
    read = streams.of(texts).at([i for _, rows in cells.values() for i in rows])
    return [
        {"true": true, "said": wrong, "count": count, "rows": [
            {
                **_shown(read[i]), "sure": float(ours[i, wrong]),
                "champion": None if other is None else labels[other[i]],
            } for i in rows
        ]} for (true, wrong), (count, rows) in cells.items()
    ]  # fmt: skip


def _surest(rows: np.ndarray, sure: np.ndarray, most: int) -> list[int]:
    """The rows of the highest `sure` (float[all rows]), the first of equals first."""
    return rows[np.argsort(-sure[rows], kind="stable")][:most].tolist()


def _shown(text: bytes) -> dict:
    """`text`, and `cut`: whether it is longer than what is kept."""
    whole = clean(text.decode("utf-8", "replace"))
    return {"text": whole[:LONGEST], "cut": len(whole) > LONGEST}
