"""Charts are what their numbers are: places, gaps, limits, and nothing that a text from outside could break."""

import re

import pytest

from pipelines.reports import charts, learning_curves

NAN = float("nan")


def dots(chart, kind):
    return [
        (float(x), float(y)) for x, y in re.findall(rf'<circle class="{kind}" cx="([\d.]+)" cy="([\d.]+)" r="3"', chart)
    ]


def line(points, **more):
    return charts.line_chart([{"name": "n", "kind": "a", "points": points}], [(0, "0")], "t", **more)


def test_a_higher_value_is_drawn_higher_and_a_later_one_further_right():
    (x1, y1), (x2, y2) = dots(line([(0, 0.2), (1, 0.8)]), "a")
    assert x1 < x2 and y1 > y2


@pytest.mark.parametrize("value", [None, NAN, float("inf"), "0.5", True])
def test_what_is_no_number_is_left_out(value):
    assert len(dots(line([(0, 0.2), (1, value), (2, 0.3)]), "a")) == 2
    assert line([(0, value)]) == ""


def test_a_limit_is_a_dashed_line_without_dots_and_without_a_name_in_the_legend():
    limit = {"name": "", "kind": "b", "dashed": True, "points": [(0, 0.5), (1, 0.5)]}
    drawn = charts.line_chart([{"name": "n", "kind": "a", "points": [(0, 1), (1, 2)]}, limit], [], "t")
    assert 'class="line b dashed"' in drawn and not dots(drawn, "b") and drawn.count("<span>") == 1


def test_a_limit_at_a_single_point_is_drawn_all_across():
    limit = {"name": "", "kind": "b", "dashed": True, "points": [(0, 0.5)]}
    drawn = charts.line_chart([limit, {"name": "n", "kind": "a", "points": [(0, 0.4)]}], [(0, "0")], "t")
    (x1, y1, x2, y2) = map(
        float, re.search(r'class="line b dashed" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', drawn).groups()
    )
    assert (x1, x2) == (charts.LEFT, charts.HALF - charts.RIGHT) and y1 == y2 < dots(drawn, "a")[0][1]


def test_stacked_bars_stand_on_each_other():
    drawn = charts.bar_chart(
        [{"name": "x", "values": [0.25]}, {"name": "y", "values": [0.75]}], ["d"], "t", stacked=True
    )
    (first, second) = (
        (float(y), float(h)) for y, h in re.findall(r'<rect[^>]* y="([\d.]+)"[^>]* height="([\d.]+)"', drawn)
    )
    assert second[0] + second[1] == pytest.approx(first[0], abs=0.2) and second[1] == pytest.approx(
        3 * first[1], abs=0.5
    )


def test_names_from_data_are_escaped_in_every_chart():
    bad = "</svg><script>"
    drawn = [
        charts.line_chart([{"name": bad, "kind": "a", "points": [(0, 1)]}], [(0, bad)], bad),
        charts.bar_chart([{"name": bad, "values": [0.5]}], [bad], bad),
        charts.words_chart([(bad, 1.0, 2.0)], bad),
        charts.shares_chart([{"name": bad, "rows": 2, "share": 0.5, "low": 0.1, "high": 0.9}]),
        charts.heat_map([bad], [bad], [[1.0]], bad),
    ]  # fmt: skip
    assert all("<script" not in each and "&lt;/svg&gt;" in each for each in drawn)


def epoch(number, accuracy, loss):
    return {"epoch": number, "loss": 1.0, "accuracy": 0.5, "val_loss": loss, "val_accuracy": accuracy}


def test_the_kept_epoch_is_the_most_accurate_then_the_one_of_least_loss():
    found = learning_curves.curves([epoch(1, 0.8, 0.5), epoch(2, 0.9, 0.6), epoch(3, 0.9, 0.4), epoch(4, 0.7, 0.1)])
    assert (found["kept"], found["best"], found["epochs"]) == (3, 0.9, 4)
    assert 'class="kept"' in found["loss"]


def test_a_training_that_is_open_is_drawn_from_its_progress():
    assert learning_curves.curves([]) is None
    found = learning_curves.curves([], [{"epoch": 0.1 * n, "loss": 1 / n, "accuracy": 0.1 * n} for n in range(1, 6)])
    assert found["kept"] is None and len(dots(found["loss"], "a")) == 5 and 'class="kept"' not in found["loss"]
