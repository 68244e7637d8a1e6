"""The model gate's rules on plain numbers: each with its value, its limit and what it says. A rule returns a finding and never raises.

A finding is `{"rule", "outcome", "message", "value", "limit"}`, outcome being a `RuleOutcome`. One REFUSE refuses.
"""

import math
from collections.abc import Mapping, Sequence

from components.core.states import Decision, RuleOutcome

MOST_CALIBRATION_ERROR = 0.02


def judge(metrics: Mapping, comparisons: Mapping[str, Mapping], behaviour: Mapping, limits: Mapping) -> list[dict]:
    """All findings, in the order in which people read them.

    metrics: `accuracy` and `rows` of the rows that are left, `all_accuracy` and `tfma_accuracy` of all test rows (None where there
    is none), `predicted_classes`, `not_finite` (rows that got a probability that is no number), `uncompared` (models that serve
    or must be matched, and gave no answers), `taken_out` (rows by the model that learned from them), `unlisted` (models that keep
    no list of what they learned from). comparisons: by name ("baseline", "champion", "best"), as `paired_tests.compare` gives them.
    behaviour: `trouble` (text, empty where there is none), `missing` (no reviewed file) and `kinds`, as `behavioural_tests.examine`
    gives them. limits: `GateConfig` as a dict.
    """
    findings = [*_numbers(metrics, limits)]
    for name, compared in comparisons.items():
        findings += _comparison(name, compared, limits)
        if name != "baseline":
            findings += _slices(name, compared["slices"], limits)
    return findings + _calibration(metrics) + _behaviour(behaviour, limits)


def other_labels(others: Mapping[str, Mapping], hold: bool) -> list[dict]:
    """A refusal for each model of other classes: nothing shows then that the candidate is no worse. A warning where a person decides.

    others: by name ("champion", "best") `version`, `labels` and `expected`, this run's. hold: whether the candidate waits for a person.
    """
    findings = []
    for name, other in others.items():
        which = (
            f"the {name}, version {other['version']}, which has other classes: {', '.join(other['labels']) or 'unknown ones'}, "
            f"and this run has {', '.join(other['expected'])}"
        )
        message = f"nobody compared the candidate with {which}; a person must decide whether it may serve"
        if not hold:
            message = (
                f"the candidate cannot be compared with {which}. Correct the labels in line.toml; or give the new classes a line of "
                "their own; or run with release=hold and let a person promote the held version"
            )
        findings.append(finding(f"classes of the {name}", RuleOutcome.WARN if hold else RuleOutcome.REFUSE, message))
    return findings


def decide(findings: Sequence[Mapping], unchanged: bool) -> tuple[Decision, list[str], list[str]]:
    """(decision, reasons, warnings)."""
    if unchanged:
        return Decision.UNCHANGED, ["the candidate is the model that serves now, byte for byte"], []
    messages = {
        outcome: [f["message"] for f in findings if f["outcome"] == outcome]
        for outcome in (RuleOutcome.REFUSE, RuleOutcome.WARN)
    }
    if messages[RuleOutcome.REFUSE]:
        return Decision.REFUSED, messages[RuleOutcome.REFUSE], messages[RuleOutcome.WARN]
    passed = [f["message"] for f in findings if f["outcome"] == RuleOutcome.PASS and f["tell"]]
    return Decision.BLESSED, passed, messages[RuleOutcome.WARN]


def finding(rule: str, outcome: RuleOutcome, message: str, value=None, limit=None, tell: bool = False) -> dict:
    """One finding; `tell`: whether the verdict of a blessed candidate names it."""
    return {"rule": rule, "outcome": outcome, "message": message, "value": value, "limit": limit, "tell": tell}


def _numbers(metrics: Mapping, limits: Mapping) -> list[dict]:
    """The rules that need no other model."""
    accuracy, every, seen = metrics["accuracy"], metrics["all_accuracy"], metrics["tfma_accuracy"]
    rows, least, floor = metrics["rows"], limits["min_rows"], limits["floor"]
    out = " and ".join(
        f"{count:,} that the {name} learned from" for name, count in metrics["taken_out"].items() if count
    )
    counted = f"{rows:,} test rows" + (f", without {out}," if out else "")
    findings = [
        finding("rows", RuleOutcome.PASS, f"{counted} decide", rows, least, bool(out))
        if rows >= least
        else finding("rows", RuleOutcome.REFUSE, f"{counted} are too few to decide on (least {least})", rows, least)
    ]
    findings += [
        finding(
            "rows", RuleOutcome.WARN, f"the {name} keeps no list of the rows it learned from: none could be taken out"
        )
        for name in metrics["unlisted"]
    ]
    finite = [value is not None and math.isfinite(value) for value in (accuracy, every, seen)]
    both = f"TFMA's accuracy {_four(seen)} and the gate's own count {_four(every)} on all rows"
    if not all(finite):
        message = f"the accuracy must be a finite number (TFMA: {seen}, own count: {accuracy})"
        findings.append(finding("accuracy", RuleOutcome.REFUSE, message, accuracy))
    elif abs(seen - every) > 1e-3:
        findings.append(finding("accuracy", RuleOutcome.REFUSE, f"{both} must agree", seen, every))
    else:
        findings.append(finding("accuracy", RuleOutcome.PASS, f"{both} agree", seen, every))
    if finite[0] and accuracy < floor:
        message = f"test accuracy {accuracy:.4f} is under the floor {floor:.4f}"
        findings.append(finding("floor", RuleOutcome.REFUSE, message, accuracy, floor))
    elif finite[0]:
        message = f"test accuracy {accuracy:.4f} on {rows:,} rows (floor {floor:.4f})"
        findings.append(finding("floor", RuleOutcome.PASS, message, accuracy, floor, True))
    odd, classes = metrics["not_finite"], metrics["predicted_classes"]
    if odd:
        message = f"{odd:,} rows got a probability that is no finite number"
        findings.append(finding("probabilities", RuleOutcome.REFUSE, message, odd, 0))
    else:
        findings.append(finding("probabilities", RuleOutcome.PASS, "every probability is a finite number", 0, 0))
    if classes < 2:
        findings.append(
            finding("classes", RuleOutcome.REFUSE, "the candidate gives every row the same class", classes, 2)
        )
    else:
        findings.append(finding("classes", RuleOutcome.PASS, f"{classes} classes are given", classes, 2))
    return findings + [
        finding("comparison", RuleOutcome.REFUSE, f"there is a {name}, and nothing to compare with it")
        for name in metrics["uncompared"]
    ]


def _calibration(metrics: Mapping) -> list[dict]:
    """A warning where the probabilities are off by more than `MOST_CALIBRATION_ERROR` and chance together."""
    error, chance = metrics.get("calibration_error"), metrics.get("calibration_chance")
    if error is None:
        return []
    most = MOST_CALIBRATION_ERROR + chance
    message = f"expected calibration error {error:.3f} (limit {MOST_CALIBRATION_ERROR:.3f}, and {chance:.3f} by chance)"
    return [finding("calibration", RuleOutcome.WARN if error > most else RuleOutcome.PASS, message, error, most)]


def _comparison(name: str, compared: Mapping, limits: Mapping) -> list[dict]:
    """Not significantly worse; of champion and best, by more than the seeds' spread; and not worse by the margin."""
    against, margin = f"{name} ({_figures(compared)})", limits["margin"]
    rule = f"not worse than the {name}"
    if name == "baseline":
        if compared["worse"]:
            message = f"significantly worse than the {against}, p = {compared['p_worse']:.3g}"
            return [finding(rule, RuleOutcome.REFUSE, message, compared["p_worse"], limits["alpha"])]
        first = finding(
            rule, RuleOutcome.PASS, f"not worse than the {against}", compared["p_worse"], limits["alpha"], True
        )
        if compared["better"]:
            return [first]
        message = f"not significantly better than the {against}, p = {compared['p_better']:.3g}"
        return [
            first,
            finding("better than the baseline", RuleOutcome.WARN, message, compared["p_better"], limits["alpha"]),
        ]
    # Two trainings of one model are never equally good, so that a loss alone says little: it must be more than a seed costs.
    spread = limits["seed_spread"]
    if compared["below_spread"]:
        message = f"significantly worse than the {against}, by more than {spread:.4f}, the spread of seeds"
        return [finding(rule, RuleOutcome.REFUSE, message, compared["highest"], -spread)]
    first = finding(rule, RuleOutcome.PASS, f"not worse than the {against}", compared["highest"], -spread, True)
    rule = f"margin to the {name}"
    if compared["inferior"]:
        message, outcome = f"not shown to be less than {margin:.4f} worse than the {against}", RuleOutcome.REFUSE
    elif compared["unresolved"]:
        message, outcome = f"too few rows to show a loss of {margin:.4f} against the {against}", RuleOutcome.WARN
    else:
        message, outcome = f"shown to be less than {margin:.4f} worse than the {name}", RuleOutcome.PASS
    return [first, finding(rule, outcome, message, compared["lowest"], -margin)]


def _slices(name: str, parts: Mapping[str, Mapping], limits: Mapping) -> list[dict]:
    """One finding for all slices, which share one error rate; one for recall where it moved and the class did not fall."""
    rule = f"slices against the {name}"
    if not parts:
        return [finding(rule, RuleOutcome.WARN, f"no slice holds a row that could be compared with the {name}")]
    fallen = {label: part for label, part in parts.items() if part["fell"]}
    label, lowest = min(parts.items(), key=lambda item: item[1]["change"])
    if fallen:
        message = "; ".join(
            f"{_measure(part)} {label} fell by {-part['change']:.4f} against the {name} (limit {part['limit']:.4f}, "
            f"{part['rows']:,} rows, p = {part['p']:.3g})"
            for label, part in fallen.items()
        )
        findings = [finding(rule, RuleOutcome.REFUSE, message, min(part["change"] for part in fallen.values()))]
    else:
        message = f"no slice fell; the lowest of {len(parts)} is {_measure(lowest)} {label}, {lowest['change']:+.4f} against the {name}"
        findings = [finding(rule, RuleOutcome.PASS, message, lowest["change"], -lowest["limit"])]
    for outcome, key in ((RuleOutcome.REFUSE, "recall_fell"), (RuleOutcome.WARN, "traded")):
        moved = {label: part for label, part in parts.items() if part[key]}
        if moved:
            message = "; ".join(
                f"recall of {label} fell by {-part['difference']:.4f} against the {name} (p = {part['p_worse']:.3g}), "
                f"its F1 moved by {part['change']:+.4f} (p = {part['p']:.3g})"
                for label, part in moved.items()
            )
            limit = -limits["recall_margin"] if outcome == RuleOutcome.REFUSE else None
            lost = min(part["difference"] for part in moved.values())
            return [*findings, finding(f"recall against the {name}", outcome, message, lost, limit)]
    return findings


def _measure(part: Mapping) -> str:
    return "F1 of" if part["kind"] == "class" else "accuracy on texts of"


def _behaviour(behaviour: Mapping, limits: Mapping) -> list[dict]:
    """Shares of flipped labels, by kind."""
    if behaviour["trouble"]:
        return [
            finding("behaviour", RuleOutcome.REFUSE, f"the behavioural tests cannot be read: {behaviour['trouble']}")
        ]
    if behaviour["missing"]:
        return [finding("behaviour", RuleOutcome.WARN, f"no behavioural tests: the line has no {behaviour['missing']}")]
    findings = []
    for kind, part in behaviour["kinds"].items():
        rule, most = f"behaviour: {kind}", limits["max_flips"]
        measured = f"{kind}: {part['flipped']} of {part['rows']} flip the label ({part['share']:.1%}, 95% {part['low']:.1%} to {part['high']:.1%})"
        if kind == "pairs":
            measured = measured.replace("flip the label", "reviewed pairs are not labelled as they must be")
        if part["champion"] is not None:
            measured += f", {part['champion']:.1%} with the champion"
        if part["few"]:
            findings.append(finding(rule, RuleOutcome.WARN, f"{measured}: too few to decide on", part["share"], most))
        elif part["over"]:
            message = f"{measured}, significantly over the limit of {most:.1%}, p = {part['p_over']:.3g}"
            findings.append(finding(rule, RuleOutcome.REFUSE, message, part["share"], most))
        elif part["more"]:
            message = f"{measured}, more than {limits['flip_margin']:.1%} over it, p = {part['p_more']:.3g}"
            findings.append(finding(rule, RuleOutcome.REFUSE, message, part["share"], limits["flip_margin"]))
        else:
            findings.append(finding(rule, RuleOutcome.PASS, measured, part["share"], most))
    return findings


def _figures(compared: Mapping) -> str:
    return (
        f"{compared['accuracy']:.4f}, difference {compared['difference']:+.4f}, 95% {compared['low']:+.4f} to {compared['high']:+.4f}, "
        f"{compared['won']} rows won, {compared['lost']} lost"
    )


def _four(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
