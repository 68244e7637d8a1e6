"""What a run cost, in sums and on a chart."""

from pipelines.reports import cost

SPENT = {
    "Ingester": {"state": "cached", "seconds": 0.5, "cpu_seconds": 0.4, "peak_mb": 900.0},
    "Trainer": {"state": "done", "seconds": 20.0, "cpu_seconds": 33.3, "peak_mb": 1500.5},
}


def test_sums_over_nodes_and_the_largest_memory():
    assert (cost.total(SPENT, "seconds"), cost.total(SPENT, "cpu_seconds"), cost.peak(SPENT)) == (20.5, 33.7, 1500.5)
    assert (cost.total({}, "seconds"), cost.peak({}), cost.training({}), cost.blocks({})) == (None, None, None, [])


def test_a_training_that_took_an_earlier_result_has_no_cost_of_its_own():
    assert cost.training(SPENT) == 33.3
    assert cost.training({"Trainer": {**SPENT["Trainer"], "state": "cached"}}) is None


def test_the_card_shows_every_node_and_their_sum():
    (_, (_, heads, rows)) = cost.blocks(SPENT)
    assert rows[1] == ("Trainer", "done", "20.0", "33.3", "1,500")
    assert rows[-1][2:] == ("20.5", "33.7", "1,500") and len(heads) == len(rows[0])


def test_the_chart_has_a_point_for_each_version_with_a_cost_and_a_legend_of_presets():
    versions = [
        {"version": number, "accuracy": 0.9 + number / 100, "preset": preset, "cost": spent}
        for number, (preset, spent) in enumerate([("bag", 5.0), ("linear", 2.0), ("bag", 6.0), ("bag", None)])
    ]
    chart = cost.chart(versions)
    assert 'class="line' not in chart  # trainings of one preset are no series
    assert chart.count("<circle") == 3 and ">bag<" in chart and ">linear<" in chart and ">6<" in chart
    assert not cost.chart(versions[:1])
