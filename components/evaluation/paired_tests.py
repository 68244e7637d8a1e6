"""Two models on the same rows: which is better, by how much, and how sure that is. Plain numbers in and out."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtrc  # the exact tail of a binomial, fifty times faster than scipy.stats wraps it
from scipy.stats import norm

from components.evaluation.slices import Slice

_Z95 = 1.959964


def compare(truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray, limits: dict, slices: Sequence[Slice]) -> dict:
    """A paired comparison of two models' labels on the same rows.

    truth, ours, theirs: int64[rows]. limits: `GateConfig` as a dict. slices: of these rows, see `components.evaluation.slices`.
    p_worse, p_better: exact one-sided McNemar (1947, doi:10.1007/BF02295996), the chance of so many or more rows that only
    the other (only we) had right if both were equally good. low, high: 95% interval of the difference (ours less theirs).
    lowest: its one-sided bound at `alpha`; over `-margin`, it shows that we are less than `margin` worse. Where it does not:
    inferior, if the rows could have shown it of an equal (the bound lies no further than `margin` below the difference),
    else unresolved.
    slices: by name, the same test on the rows of that slice alone; `fell` where the share right lost more than the limit of
    its kind (`class_margin`, `length_margin`) and p holds at `alpha` over all slices together (Holm).

    Raises:
        ValueError: no rows, or not the same number of them.
    """
    if not len(truth) or not len(truth) == len(ours) == len(theirs):
        raise ValueError(
            f"models are compared on the same rows. Received: rows={len(truth)}, {len(ours)}, {len(theirs)}"
        )
    rows, alpha, margin = len(truth), limits["alpha"], limits["margin"]
    won, lost, p_worse, p_better = _counts(truth, ours, theirs)
    difference = (won - lost) / rows
    low, high = difference_interval(won, lost, rows, _Z95)
    lowest, _ = difference_interval(won, lost, rows, float(norm.isf(alpha)))
    shown, could = lowest > -margin, difference - lowest <= margin
    parts = {}
    for part in (part for part in slices if part.rows.any()):
        gained, dropped, p, _ = _counts(truth[part.rows], ours[part.rows], theirs[part.rows])
        count = int(part.rows.sum())
        least, most = difference_interval(gained, dropped, count, _Z95)
        parts[part.name] = {
            "kind": part.kind, "rows": count, "difference": (gained - dropped) / count, "low": least, "high": most,
            "won": gained, "lost": dropped, "p_worse": p, "limit": limits[f"{part.kind}_margin"],
        }  # fmt: skip
    for part, significant in zip(parts.values(), holm([part["p_worse"] for part in parts.values()], alpha)):
        part["fell"] = bool(significant and part["difference"] < -part["limit"])
    return {
        "accuracy": float((theirs == truth).mean()), "difference": difference, "won": won, "lost": lost,
        "p_worse": p_worse, "p_better": p_better, "worse": p_worse < alpha, "better": p_better < alpha,
        "low": low, "high": high, "lowest": lowest, "inferior": could and not shown, "unresolved": not (could or shown),
        "slices": parts,
    }  # fmt: skip


def _counts(truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> tuple[int, int, float, float]:
    right, rights = ours == truth, theirs == truth
    won, lost = int((right & ~rights).sum()), int((~right & rights).sum())
    return won, lost, float(bdtrc(lost - 1, won + lost, 0.5)), float(bdtrc(won - 1, won + lost, 0.5))


def holm(chances: Sequence[float], alpha: float) -> list[bool]:
    """Which of several tests are significant when `alpha` is the chance of one false alarm among all of them.

    Holm 1979 (https://www.jstor.org/stable/4615733): the smallest p against alpha over the number of tests, the next against
    alpha over one fewer, and so on until one fails. Holds whether the tests are independent or not, as slices are not.
    """
    found, left = [False] * len(chances), len(chances)
    for place in sorted(range(left), key=lambda i: chances[i]):
        if not chances[place] < alpha / left:
            break
        found[place], left = True, left - 1
    return found


def difference_interval(won: int, lost: int, rows: int, z: float) -> tuple[float, float]:
    """Interval of the difference of two shares on the same rows: Wald's after adding half a row to each of the four cells
    (Agresti and Min 2005, doi:10.1002/sim.1781), so that few differing rows do not make it too narrow.
    """
    won, lost, rows = won + 0.5, lost + 0.5, rows + 2
    middle = (won - lost) / rows
    half = z * math.sqrt(won + lost - (won - lost) ** 2 / rows) / rows
    return middle - half, middle + half


def interval(accuracy: float, rows: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    z = _Z95
    centre = (accuracy + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * math.sqrt(accuracy * (1 - accuracy) / rows + z * z / (4 * rows * rows))
    return max(0.0, centre - half), min(1.0, centre + half)
