"""The gate's bench: which pairs it takes, how a seed is made worse by exactly so many points, and what is told."""

import gate_pairs
import numpy as np
import pytest

from components.evaluation.slices import slices
from pipelines.config.run_config import GateConfig

TRUTH = np.arange(2000, dtype=np.int64) % 4
ROWS = gate_pairs.Rows(
    TRUTH,
    slices(TRUTH, np.arange(2000) * 7 % 40, ["World", "Sports", "Business", "Sci/Tech"]),
    [],
    GateConfig().model_dump(),
)


def model(accuracy, seed):
    draw = np.random.default_rng(seed)
    said = np.where(draw.permutation(2000) < accuracy * 2000, TRUTH, (TRUTH + 1) % 4)
    return {"probabilities": np.eye(4)[said] * 0.7 + 0.075}


def test_every_ordered_pair_is_judged_once_and_no_model_against_itself():
    equals = [model(0.9, seed) for seed in range(3)]
    found = gate_pairs.all_pairs(ROWS, "bag", gate_pairs.EQUAL, equals, equals)
    assert (found.models, found.pairs) == (3, 6)
    assert sum(found.losses) == pytest.approx(0)
    other = gate_pairs.all_pairs(ROWS, "bag", "half", [model(0.7, 9)], equals)
    assert (other.pairs, other.refused) == (3, 3)
    assert "not worse than the champion" in other.rules


@pytest.mark.parametrize("points", [0.5, 1, 2])
def test_a_seed_is_made_worse_by_exactly_so_many_points_with_a_weaker_model_s_answers(points):
    equals = [model(0.9, seed) for seed in range(3)]
    found = gate_pairs.worse_by(ROWS, "bag", points, equals, [model(0.85, 7), model(0.5, 8)])
    assert found.pairs == 6
    assert 100 * np.mean(found.losses) == pytest.approx(points)
    # A donor that is not that much weaker cannot make a model so much worse.
    assert gate_pairs.worse_by(ROWS, "bag", points, equals, [model(0.9, 7)]).pairs == 0


def test_what_is_wanted_is_told_as_met_or_missed():
    equal = gate_pairs.Outcome("bag", gate_pairs.EQUAL, 8, pairs=56, refused=7, losses=[0.0])
    point = gate_pairs.Outcome(
        "bag", "another seed, 1 points worse by a weaker model's answers", 8, pairs=56, refused=40, losses=[0.01]
    )
    small = gate_pairs.Outcome("bag", "5% of the train labels wrong", 2, pairs=16, refused=9, losses=[0.005])
    assert gate_pairs.goals([equal, point, small]).splitlines() == [
        "- `bag`, another seed, nothing else: 12.5% refused, at most 5% wanted: **missed**",
        "- `bag`, another seed, 1 points worse by a weaker model's answers: 71.4% refused, at least 80% wanted: **missed**",
    ]
    assert "| 56 | 7 | 12% | 6% to 24% |" in gate_pairs.line(equal)
