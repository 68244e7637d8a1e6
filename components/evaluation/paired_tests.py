"""Two models on the same rows: which is better, by how much, and how sure that is. Plain numbers in and out."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtrc  # the exact tail of a binomial, fifty times faster than scipy.stats wraps it
from scipy.stats import binom, norm

from components.core.intervals import Z95
from components.evaluation.slices import Slice


def compare(truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray, limits: dict, slices: Sequence[Slice]) -> dict:
    """A paired comparison of two models' labels on the same rows.

    truth, ours, theirs: int64[rows]. limits: `GateConfig` as a dict. slices: of these rows, see `components.evaluation.slices`.
    p_worse, p_better: exact one-sided McNemar (1947, doi:10.1007/BF02295996), the chance of so many or more rows that only
    the other (only we) had right if both were equally good. low, high: 95% interval of the difference (ours less theirs).
    lowest: its one-sided bound at `alpha`; over `-margin`, it shows that we are less than `margin` worse. Where it does not:
    inferior, if the rows could have shown it of an equal (the bound lies no further than `margin` below the difference),
    else unresolved.
    highest: the other one-sided bound; under `-seed_spread`, it shows a loss over what another seed alone may cost
    (`below_spread`).
    slices: by name, see `_slice`.

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
    low, high = difference_interval(won, lost, rows, Z95)
    lowest, highest = difference_interval(won, lost, rows, float(norm.isf(alpha)))
    shown, could = lowest > -margin, difference - lowest <= margin
    parts = {part.name: _slice(truth, ours, theirs, limits, part) for part in slices if part.rows.any()}
    for key, key_out in (("p", "significant"), ("p_worse", "recall_significant")):
        for part, significant in zip(parts.values(), holm([part[key] for part in parts.values()], alpha)):
            part[key_out] = significant
    for part in parts.values():
        recall = part.pop("recall_significant") and part["kind"] == "class"
        part["fell"] = part.pop("significant") and part["change"] < -part["limit"]
        part["recall_fell"] = recall and 0 < limits["recall_margin"] < -part["difference"]
        part["traded"] = recall and part["difference"] < -part["limit"] and not part["fell"]
    return {
        "accuracy": float((theirs == truth).mean()), "difference": difference, "won": won, "lost": lost,
        "p_worse": p_worse, "p_better": p_better, "worse": p_worse < alpha, "better": p_better < alpha,
        "low": low, "high": high, "lowest": lowest, "highest": highest, "below_spread": highest < -limits["seed_spread"],
        "inferior": could and not shown, "unresolved": not (could or shown), "slices": parts,
    }  # fmt: skip


def _slice(truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray, limits: dict, part: Slice) -> dict:
    """One slice of two models' answers.

    `difference`, its 95% interval `low`, `high`, `won`, `lost`, `p_worse`: the share right on the slice's own rows, of a class its
    recall, as `compare` tests it on all rows. `change` and `p`: what decides. Of a length, the same two. Of a class, the difference
    in F1 and `f1_test`: a model that moves the boundary between two classes wins recall of the one and loses it of the other,
    and is no worse for it; F1 counts both kinds of errors that involve the class. `f1`: ours.
    `compare` adds, with significance at `alpha` over all slices together (Holm): `fell`, where `change` lost more than `limit`;
    of a class `traded`, where only recall did, and `recall_fell`, where recall lost more than `recall_margin` and a line asks.
    """
    won, lost, p_worse, _ = _counts(truth[part.rows], ours[part.rows], theirs[part.rows])
    rows = int(part.rows.sum())
    low, high = difference_interval(won, lost, rows, Z95)
    result = {
        "kind": part.kind, "rows": rows, "difference": (won - lost) / rows, "low": low, "high": high, "won": won, "lost": lost,
        "p_worse": p_worse, "limit": limits[f"{part.kind}_margin"],
    }  # fmt: skip
    if part.kind != "class":
        return {**result, "change": result["difference"], "p": p_worse}
    mine, other, p = f1_test(truth == part.label, ours == part.label, theirs == part.label)
    return {**result, "f1": mine, "change": mine - other, "p": p}


def f1_test(true: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """F1 of one class by two models, and the chance of a difference so low or lower if they were equally good.

    true, ours, theirs: bool[rows], which rows are of the class, and which are called so; some row is true.
    A randomisation test (Noreen 1989; for F1, Yeh 2000, https://aclanthology.org/C00-2137): were both equally good, either
    answer to a row could be the other model's, so every row's two answers are swapped or not, each with chance a half. Only
    rows that one of the two calls the class matter, and how many of them go to us: of the true ones and of the false ones, two
    binomial counts. All swaps together are a sum over these, so p is exact, without drawing any.
    """
    rows = int(true.sum())
    hits, alarms = (
        (int((of & ours & theirs).sum()), int((of & ours & ~theirs).sum()), int((of & theirs & ~ours).sum()))
        for of in (true, ~true)
    )
    hit, alarm = hits[1] + hits[2], alarms[1] + alarms[2]

    def scores(x, y):
        """F1 of both when x of the hits and y of the alarms that only one model has are ours."""
        right_and_wrong = ((hits[0] + x, alarms[0] + y), (hits[0] + hit - x, alarms[0] + alarm - y))
        return [2 * right / (rows + right + wrong) for right, wrong in right_and_wrong]

    mine, other = scores(hits[1], alarms[1])
    x = np.arange(hit + 1)
    # The difference falls as y grows: find, for each x, the least y that is as bad as what was seen, by bisection.
    least, most = np.zeros(hit + 1, np.int64), np.full(hit + 1, alarm + 1)
    while (least < most).any():
        y = (least + most) // 2
        first, second = scores(x, y)
        bad = first - second <= mine - other + 1e-12  # the same counts must not differ by rounding
        least, most = np.where(bad | (least == most), least, y + 1), np.where(bad, y, most)
    return float(mine), float(other), min(1.0, float((binom.pmf(x, hit, 0.5) * bdtrc(least - 1, alarm, 0.5)).sum()))


def _counts(truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> tuple[int, int, float, float]:
    right, rights = ours == truth, theirs == truth
    won, lost = int((right & ~rights).sum()), int((~right & rights).sum())
    return won, lost, float(bdtrc(lost - 1, won + lost, 0.5)), float(bdtrc(won - 1, won + lost, 0.5))


def holm(chances: Sequence[float], alpha: float) -> list[bool]:
    """Which of several tests are significant when `alpha` is the chance of one false alarm among all of them.

    Holm 1979 (https://www.jstor.org/stable/4615733): the smallest p against alpha over the number of tests, the next against
    alpha over one fewer, and so on until one fails. Holds whether the tests are independent or not, as slices are not.
    """
    significant, left = [False] * len(chances), len(chances)
    for place in sorted(range(left), key=lambda i: chances[i]):
        if not chances[place] < alpha / left:
            break
        significant[place], left = True, left - 1
    return significant


def difference_interval(won: int, lost: int, rows: int, z: float) -> tuple[float, float]:
    """Interval of the difference of two shares on the same rows: Wald's after adding half a row to each of the four cells
    (Agresti and Min 2005, doi:10.1002/sim.1781), so that few differing rows do not make it too narrow.
    """
    won, lost, rows = won + 0.5, lost + 0.5, rows + 2
    middle = (won - lost) / rows
    half = z * math.sqrt(won + lost - (won - lost) ** 2 / rows) / rows
    return middle - half, middle + half
