"""The gate's bench: which pairs it takes, how a seed is made worse by exactly so many points, and what is told."""

import gate_page
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
    labels = np.where(draw.permutation(2000) < accuracy * 2000, TRUTH, (TRUTH + 1) % 4)
    return {"probabilities": np.eye(4)[labels] * 0.7 + 0.075}


def test_every_ordered_pair_is_judged_once_and_no_model_against_itself():
    equals = [model(0.9, seed) for seed in range(3)]
    outcome = gate_pairs.all_pairs(ROWS, "bag", gate_pairs.EQUAL, equals, equals)
    assert (outcome.models, outcome.pairs) == (3, 6)
    assert sum(outcome.losses) == pytest.approx(0)
    other = gate_pairs.all_pairs(ROWS, "bag", "half", [model(0.7, 9)], equals)
    assert (other.pairs, other.refused) == (3, 3)
    assert "not worse than the champion" in other.rules


@pytest.mark.parametrize("points", [0.5, 1, 2])
def test_a_seed_is_made_worse_by_exactly_so_many_points_with_a_weaker_model_s_answers(points):
    equals = [model(0.9, seed) for seed in range(3)]
    outcome = gate_pairs.worse_by(ROWS, "bag", points, equals, [model(0.85, 7), model(0.5, 8)])
    assert outcome.pairs == 6
    assert 100 * np.mean(outcome.losses) == pytest.approx(points)
    # A donor that is not that much weaker cannot make a model so much worse.
    assert gate_pairs.worse_by(ROWS, "bag", points, equals, [model(0.9, 7)]).pairs == 0


def test_what_is_wanted_is_told_as_met_or_missed():
    equal = gate_pairs.Outcome("bag", gate_pairs.EQUAL, 8, pairs=56, refused=7, losses=[0.0])
    point = gate_pairs.Outcome(
        "bag", "another seed, 1 points worse by a weaker model's answers", 8, pairs=56, refused=40, losses=[0.01]
    )
    small = gate_pairs.Outcome("bag", "5% of the train labels wrong", 2, pairs=16, refused=9, losses=[0.005])
    few = gate_pairs.Outcome("bag", gate_pairs.EQUAL, 3, pairs=6, refused=0, losses=[0.0])
    assert [gate_pairs.wanted(one) for one in (equal, point, small, few)] == [
        "at most 5%, interval under 10%: **missed**",
        "at least 80%: **missed**",
        "",
        "at most 5%, interval under 10%: **missed**",  # six pairs cannot tell: 0% to 39%
    ]
    assert gate_pairs.wanted(gate_pairs.Outcome("bag", gate_pairs.EQUAL, 8, pairs=56, losses=[0.0])).endswith(": met")
    assert "| 56 | 7 | 12% | 6% to 24% | at most 5%" in gate_pairs.line(equal, "2026-11-28")


def test_rows_that_are_not_measured_anew_stay_on_the_page_with_their_day():
    outcomes = [gate_pairs.Outcome("bag", title, 8, pairs=56, losses=[0.0]) for title in (gate_pairs.EQUAL, "half")]
    first = [gate_pairs.line(one, "2026-11-24") for one in (*outcomes, gate_pairs.Outcome("wide", "half", 1))]
    poison = ["- `bag`, seed 1: 21% (2026-11-24).", "- `bag`, seed 2: 22% (2026-11-24)."]
    sections = f"{gate_page.TRIGGERS}\n\nwords\n\n{gate_page.SEQUENCE}\n\n### `linear`\n\nten\n"
    before = gate_page.page("about", "make # 2026-11-24", ["| `bag` | 8 | 91 |"], first, poison, sections)
    again = [gate_pairs.line(one, "2026-11-28") for one in (outcomes[1], gate_pairs.Outcome("bag", "cut", 2))]
    after = gate_page.page("about", "make # 2026-11-28", [], again, ["- `bag`, seed 2: 19% (2026-11-28)."], before)
    rows = [[cell.strip() for cell in row.split("|")[1:]] for row in gate_page.table(after, gate_page.HEAD)]
    assert [(row[0], row[1], row[11]) for row in rows] == [
        ("`bag`", gate_pairs.EQUAL, "2026-11-24"),
        ("`bag`", "half", "2026-11-28"),
        ("`bag`", "cut", "2026-11-28"),
        ("`wide`", "half", "2026-11-24"),
    ]
    assert gate_page.table(after, gate_page.SPREAD_HEAD) == ["| `bag` | 8 | 91 |"]
    assert "\n    make # 2026-11-24\n    make # 2026-11-28\n" in after
    assert poison[0] in after and "seed 2: 19%" in after and poison[1] not in after
    for heading in (gate_page.TRIGGERS, gate_page.SEQUENCE):
        assert gate_page.section(after, heading) == gate_page.section(sections, heading)


def test_a_section_is_replaced_alone_and_its_parts_are_named_by_their_headings(tmp_path):
    path = tmp_path / "GATE.md"
    path.write_text("# Page\n\n## One\n\n### `a`, x\n\n1\n\n### `b`, y\n\n2\n\n## Two\n\nkept\n")
    gate_page.replace_section(path, "## One", "## One\n\nnew\n")
    assert path.read_text() == "# Page\n\n## One\n\nnew\n\n## Two\n\nkept\n"
    parts = gate_page.parts_of("## One\n\n### `a`, x\n\n1\n\n### `b`, y\n\n2\n")
    assert parts == {"`a`, x": "### `a`, x\n\n1\n", "`b`, y": "### `b`, y\n\n2\n"}
