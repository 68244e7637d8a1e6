"""Pairs of models through the gate's rules, and what came of them as Markdown. Plain arrays in, text out."""

import itertools
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from components.core import intervals
from components.core.states import RuleOutcome
from components.evaluation import behavioural_tests, gate_rules, paired_tests
from components.evaluation.slices import Slice

Answers = Mapping[
    str, np.ndarray
]  # `probabilities` of the test rows and, where asked, `flips` of the behavioural tests


@dataclass(frozen=True)
class Rows:
    """What every model answers. slices: of the test rows; cases: the behavioural tests; limits: `GateConfig` as a dict."""

    truth: np.ndarray
    slices: Sequence[Slice]
    cases: Sequence[behavioural_tests.Case]
    limits: Mapping


@dataclass
class Outcome:
    """One row of the table: what became of all pairs of one kind."""

    preset: str
    title: str
    models: int
    pairs: int = 0
    refused: int = 0
    losses: list[float] = field(default_factory=list)  # accuracy of the champion less the candidate's
    rules: Counter = field(default_factory=Counter)
    warned: Counter = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        return self.refused / max(self.pairs, 1)

    @property
    def loss(self) -> float:
        """In the mean, in points."""
        return round(100 * statistics.mean(self.losses), 2) if self.losses else 0.0

    def interval(self) -> tuple[float, float]:
        return intervals.wilson(self.rate, max(self.pairs, 1))


def judge(rows: Rows, candidate: Answers, others: Mapping[str, Answers]) -> list[dict]:
    """The findings on a candidate, as the model gate has them. others: "champion" and, where it is another one, "best"."""
    ours, champion = candidate["probabilities"].argmax(axis=1), others.get("champion", {})
    accuracy = float((ours == rows.truth).mean())
    metrics = {
        "accuracy": accuracy, "all_accuracy": accuracy, "tfma_accuracy": accuracy, "rows": len(ours),
        "predicted_classes": len(set(ours.tolist())), "not_finite": int((~np.isfinite(candidate["probabilities"]).all(axis=1)).sum()),
        "uncompared": [], "taken_out": {}, "unlisted": [],
    }  # fmt: skip
    behaved = {"trouble": "", "missing": "", "kinds": {}}
    if "flips" in candidate and ("flips" in champion or not others):
        behaved["kinds"] = behavioural_tests.examine(rows.cases, candidate["flips"], champion.get("flips"), rows.limits)
    compared = {
        name: paired_tests.compare(rows.truth, ours, one["probabilities"].argmax(axis=1), rows.limits, rows.slices)
        for name, one in others.items()
    }
    return gate_rules.judge(metrics, compared, behaved, rows.limits)


def all_pairs(
    rows: Rows, preset: str, title: str, candidates: Sequence[Answers], champions: Sequence[Answers]
) -> Outcome:
    """Every candidate against every champion, but none against itself."""
    outcome = Outcome(preset, title, len(candidates))
    for candidate, champion in itertools.product(candidates, champions):
        if candidate is not champion:
            add(outcome, rows, candidate, champion)
    return outcome


def add(outcome: Outcome, rows: Rows, candidate: Answers, champion: Answers) -> None:
    findings = judge(rows, candidate, {"champion": champion})
    refused = [one["rule"] for one in findings if one["outcome"] == RuleOutcome.REFUSE]
    outcome.pairs += 1
    outcome.refused += bool(refused)
    outcome.rules.update(refused)
    outcome.warned.update(one["rule"] for one in findings if one["outcome"] == RuleOutcome.WARN)
    right = [(one["probabilities"].argmax(axis=1) == rows.truth).mean() for one in (candidate, champion)]
    outcome.losses.append(float(right[1] - right[0]))


def worse_by(rows: Rows, preset: str, points: float, equals: Sequence[Answers], donors: Sequence[Answers]) -> Outcome:
    """All ordered pairs of equals, the candidate made worse by exactly so many points, as a weaker real model is worse.

    On a drawn share of the rows that only one of the two has right, it gives the answer of the donor: the weaker model that is
    nearest to so many points. A pair without such a donor is left out.
    """
    outcome = Outcome(preset, f"another seed, {points:g} points worse by a weaker model's answers", len(equals))
    for number, (candidate, champion) in enumerate(itertools.permutations(equals, 2)):
        draw = np.random.default_rng(number)
        worse = worsened(rows, candidate, donors, points, draw)
        if worse is not None:
            add(outcome, rows, worse, champion)
    return outcome


def worsened(
    rows: Rows, answers: Answers, donors: Sequence[Answers], points: float, draw: np.random.Generator
) -> Answers | None:
    """The answers made worse by exactly so many points, as a weaker real model is worse; None without a donor that is weak enough."""
    probabilities, wanted = answers["probabilities"].copy(), round(points / 100 * len(rows.truth))
    right = probabilities.argmax(axis=1) == rows.truth
    fit = []
    for donor in (one["probabilities"] for one in donors):
        theirs = donor.argmax(axis=1) == rows.truth
        lost, won = np.flatnonzero(right & ~theirs), np.flatnonzero(~right & theirs)
        if len(lost) - len(won) >= wanted:
            fit.append((len(lost) - len(won), donor, lost, won))
    if not fit:
        return None
    loss, donor, lost, won = min(fit, key=lambda one: one[0])
    gained = round(len(won) * wanted / loss) if loss else 0
    for some, count in ((won, gained), (lost, gained + wanted)):
        taken = draw.permutation(some)[:count]
        probabilities[taken] = donor[taken]
    return {**answers, "probabilities": probabilities}


def spread(rows: Rows, preset: str, equals: Sequence[Answers], on: str) -> str:
    """A line on how far retrains lie apart that differ in nothing but the seed."""
    labels = [one["probabilities"].argmax(axis=1) for one in equals]
    right = [100 * float((one == rows.truth).mean()) for one in labels]
    classes = [part for part in rows.slices if part.kind == "class"]
    recalls = {part.name: [float((one[part.rows] == part.label).mean()) for one in labels] for part in classes}
    widest = max(recalls, key=lambda name: max(recalls[name]) - min(recalls[name]))
    compared = [
        paired_tests.compare(rows.truth, one, other, rows.limits, rows.slices)
        for one, other in itertools.permutations(labels, 2)
    ]
    lowest = {
        kind: min(part["change"] for one in compared for part in one["slices"].values() if part["kind"] == kind)
        for kind in sorted({part.kind for part in rows.slices})
    }
    apart = statistics.mean((one["won"] + one["lost"]) / len(rows.truth) for one in compared)
    cells = [
        f"`{preset}`", str(len(right)), f"{statistics.mean(right):.2f} ± {statistics.stdev(right):.2f}",
        f"{min(right):.2f} to {max(right):.2f}", f"{max(one['difference'] for one in compared) * 100:.2f}", f"{apart:.1%}",
        f"{widest} {min(recalls[widest]):.3f} to {max(recalls[widest]):.3f}", *(f"{value:+.4f}" for value in lowest.values()), on,
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def line(outcome: Outcome, on: str) -> str:
    """A row of the table. on: the day it was measured, and what it lacks."""
    low, high = outcome.interval()
    by, warned = (
        ", ".join(
            f"{name.replace(' the champion', '').replace(' against', '')} {count}" for name, count in some.most_common()
        )
        for some in (outcome.rules, outcome.warned)
    )
    return (
        f"| `{outcome.preset}` | {outcome.title} | {outcome.models} | {outcome.loss:.2f} | {outcome.pairs} | {outcome.refused} | "
        f"{outcome.rate:.0%} | {low:.0%} to {high:.0%} | {wanted(outcome)} | {by} | {warned} | {on} |"
    )


EQUAL = "another seed, nothing else"


def wanted(outcome: Outcome) -> str:
    """What is wanted, and whether it was met: equals refused in at most 5% of the pairs with the whole interval under 10%; a loss of
    a point or more in the mean in at least 80%, of two points or more in at least 99%. Empty where nothing is."""
    least = next((share for points, share in ((2, 0.99), (1, 0.8)) if outcome.loss >= points), None)
    if outcome.title == EQUAL:
        asked, met = "at most 5%, interval under 10%", outcome.rate <= 0.05 and outcome.interval()[1] < 0.1
    elif least:
        asked, met = f"at least {least:.0%}", outcome.rate >= least
    else:
        return ""
    return f"{asked}: {'met' if met else '**missed**'}"
