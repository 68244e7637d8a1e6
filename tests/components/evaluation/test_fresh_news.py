"""The margin of fresh rows is a rule of its own: a loss over it refuses, one within it passes, too few rows warn."""

import numpy as np
import pytest

from components.evaluation import fresh_news
from pipelines.config.gate_settings import GateConfig

RULE = "fresh rows against the champion"
LIMITS = GateConfig().model_dump()


def findings(rows, won, lost, **limits):
    """By rule. The candidate wins and loses that many of the rows against a champion; both have the others right."""
    truth = np.zeros(rows, np.int64)
    ours, theirs = truth.copy(), truth.copy()
    ours[:lost], theirs[lost : lost + won] = 1, 1
    limits = {**LIMITS, **limits}
    spans = np.full(rows, "2026-11-20", object)
    answers = {"candidate": ours, "champion": theirs}
    return {one["rule"]: one for one in fresh_news.judge(fresh_news.examine(truth, spans, answers, {}, limits), limits)}


@pytest.mark.parametrize(
    "won, lost, margin, outcome, words",
    [
        (0, 30, 0.02, "refuse", "significantly worse on fresh rows than the champion 1.0000, difference -0.0300"),
        (0, 30, 0.05, "pass", "not worse on fresh rows"),
        (0, 8, 0.02, "pass", "not worse on fresh rows"),
        (0, 8, 0.005, "refuse", "significantly worse on fresh rows"),
        (40, 55, 0.02, "refuse", "not shown to be less than 0.0200 worse on fresh rows"),
        (30, 0, 0.02, "pass", "better on fresh rows than the champion 0.9700"),
    ],
)
def test_a_loss_counts_from_the_margin_of_fresh_rows_on(won, lost, margin, outcome, words):
    one = findings(1000, won, lost, fresh_margin=margin, margin=0.01)[RULE]
    assert (one["outcome"], one["message"].startswith(words)) == (outcome, True), one


def test_too_few_rows_for_the_margin_are_a_warning():
    some = findings(60, 3, 3)
    assert some[RULE]["outcome"] == "warn" and some[RULE]["message"].startswith(
        "too few fresh rows to show a loss of 0.0200"
    )
    assert some["fresh rows"]["outcome"] == "warn" and findings(100, 0, 0)["fresh rows"]["outcome"] == "pass"
