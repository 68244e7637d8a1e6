"""How models do on fresh news: the rows of the newest labelled spans that nobody trains on, by day and in a paired comparison."""

from collections.abc import Mapping

import numpy as np

from components.core.intervals import wilson
from components.core.states import RuleOutcome
from components.evaluation.gate_rules import finding
from components.evaluation.paired_tests import compare


def newest(spans: np.ndarray, count: int) -> list[str]:
    """The newest `count` days among ISO dates, oldest first. spans: object[rows]."""
    return sorted(set(spans.tolist()))[-count:]


def examine(truth: np.ndarray, spans: np.ndarray, answers: Mapping[str, np.ndarray], taken_out: Mapping[str, int], limits: Mapping) -> dict | None:  # fmt: skip
    """What models say of the fresh rows; None where the source has none.

    truth: int64[rows], spans: object[rows] of ISO dates, of the rows that no served model learned from. answers: labels int64[rows] by
    model, "candidate" and, where there are such, "champion" and "best". taken_out: rows left out, by the model that learned from
    them. limits: `GateConfig` as a dict.
    `days`: `span`, `rows`, the share right by model and the 95% interval of the candidate's. `newest`: the days that decide, with
    `rows`, `accuracy`, `interval`. `comparisons`: by model, as `components.evaluation.paired_tests.compare` with the margin of fresh rows.
    """
    if not len(truth) and not any(taken_out.values()):
        return None
    right = {name: predicted == truth for name, predicted in answers.items()}
    days = [_share(spans == day, right, span=day) for day in newest(spans, len(spans) or 1)]
    chosen = newest(spans, limits["fresh_spans"])
    rows = np.isin(spans, chosen)
    bounds = {**limits, "margin": limits["fresh_margin"]}
    comparisons = {
        name: compare(truth[rows], answers["candidate"][rows], predicted[rows], bounds, [])
        for name, predicted in answers.items()
        if name != "candidate" and rows.any()
    }
    return {"days": days, "newest": _share(rows, right, spans=chosen), "comparisons": comparisons, "taken_out": dict(taken_out)}  # fmt: skip


def _share(rows: np.ndarray, right: Mapping[str, np.ndarray], **named) -> dict:
    count = int(rows.sum())
    shares = {name: float(own[rows].mean()) if count else None for name, own in right.items()}
    accuracy = shares.pop("candidate", None)
    return {
        **named,
        "rows": count,
        "accuracy": accuracy,
        "interval": wilson(accuracy or 0.0, max(count, 1)),
        **shares,
    }


def judge(fresh: Mapping | None, limits: Mapping) -> list[dict]:
    """The findings on what `examine` gives.

    Refused: a loss over the margin that is significant, by however few rows; and a candidate that is not shown to be within the margin
    where there were rows enough to show it. Fewer rows than asked for, or too few for the margin, are a warning.
    """
    if not fresh:
        return []
    rows, least, spans = fresh["newest"]["rows"], limits["fresh_rows"], fresh["newest"]["spans"]
    out = " and ".join(f"{count:,} that the {name} learned from" for name, count in fresh["taken_out"].items() if count)
    days = "" if not spans else f" of {spans[0]}" if len(spans) == 1 else f" of {len(spans)} days, {spans[0]} to {spans[-1]}"  # fmt: skip
    counted = f"{rows:,} fresh rows{days}" + (f", without {out}" if out else "")
    findings = []
    if rows < least:
        findings.append(
            finding("fresh rows", RuleOutcome.WARN, f"{counted} are too few to rely on (least {least})", rows, least)
        )
    else:
        findings.append(finding("fresh rows", RuleOutcome.PASS, f"{counted} decide", rows, least))
    if rows:
        accuracy, (low, high) = fresh["newest"]["accuracy"], fresh["newest"]["interval"]
        message = f"accuracy on {counted}: {accuracy:.4f} (95% {low:.4f} to {high:.4f})"
        findings.append(finding("fresh accuracy", RuleOutcome.PASS, message, accuracy, tell=True))
    for name, compared in fresh["comparisons"].items():
        findings.append(_comparison(name, compared, limits))
    return findings


def _comparison(name: str, compared: Mapping, limits: Mapping) -> dict:
    rule, margin, difference = f"fresh rows against the {name}", limits["fresh_margin"], compared["difference"]
    figures = (
        f"{name} {compared['accuracy']:.4f}, difference {difference:+.4f}, 95% {compared['low']:+.4f} to {compared['high']:+.4f}, "
        f"{compared['won']} rows won, {compared['lost']} lost"
    )
    if compared["worse"] and difference < -margin:
        message = f"significantly worse on fresh rows than the {figures}, p = {compared['p_worse']:.3g}"
        return finding(rule, RuleOutcome.REFUSE, message, difference, -margin)
    if compared["inferior"]:
        message = f"not shown to be less than {margin:.4f} worse on fresh rows than the {figures}"
        return finding(rule, RuleOutcome.REFUSE, message, compared["lowest"], -margin)
    if compared["better"]:
        return finding(rule, RuleOutcome.PASS, f"better on fresh rows than the {figures}, p = {compared['p_better']:.3g}", difference, -margin, True)  # fmt: skip
    if compared["unresolved"]:
        message = f"too few fresh rows to show a loss of {margin:.4f} against the {figures}"
        return finding(rule, RuleOutcome.WARN, message, compared["lowest"], -margin)
    return finding(
        rule, RuleOutcome.PASS, f"not worse on fresh rows than the {figures}", compared["lowest"], -margin, True
    )
