import json

import bench
import pytest
import report
import subjects

LOG = """\
2026-11-22T18:01:22.000000Z [info     ] DAG bundles loaded: dags-folder [airflow] loc=manager.py:304
2026-11-22T18:01:23.000000Z [info     ] [DAG TEST] starting task_id=Ingester map_index=-1 [airflow] loc=dag.py:1501
2026-11-22T18:01:40.000000Z [info     ] [DAG TEST] end task task_id=Ingester map_index=-1 [airflow] loc=dag.py:1563
2026-11-22T18:01:40.500000Z [info     ] [DAG TEST] starting task_id=Trainer map_index=-1 [airflow] loc=dag.py:1501
2026-11-22T18:02:31.000000Z [info     ] [DAG TEST] end task task_id=Trainer map_index=-1 [airflow] loc=dag.py:1563
2026-11-22T18:02:31.500000Z [info     ] [DAG TEST] starting task_id=close map_index=-1 [airflow] loc=dag.py:1501
2026-11-22T18:02:31.700000Z [info     ] [DAG TEST] end task task_id=close map_index=-1 [airflow] loc=dag.py:1563
"""
REPEATS = [
    {"ours": {"wall": 10.0, "cpu": 30.0}, "theirs": {"wall": 20.0, "cpu": 30.0}},
    {"ours": {"wall": 30.0, "cpu": 60.0}, "theirs": {"wall": 30.0, "cpu": 20.0}},
    {"ours": {"wall": 40.0, "cpu": 50.0}, "theirs": {"failed": "exit code 1"}},
]


def test_a_ratio_is_taken_within_each_repeat_and_leaves_out_what_failed():
    found = report.ratio(REPEATS, "ours.wall", "theirs.wall")
    assert (found.median, found.low, found.high, found.count) == (0.75, 0.5, 1.0, 2)


def test_there_is_no_ratio_of_what_was_not_measured_nor_by_nothing():
    assert report.ratio(REPEATS, "ours.wall", "nobody.wall") is None
    assert report.ratio([{"a": {"wall": 1.0}, "b": {"wall": 0.0}}], "a.wall", "b.wall") is None


@pytest.mark.parametrize(
    ("value", "wanted", "answer"),
    [
        (0.99, "< 1", True),
        (1.0, "< 1", False),
        (1.0, "≤ 1", True),
        (1.01, "≤ 1", False),
        (5.0, "≥ 5", True),
        (4.9, "≥ 5", False),
    ],
)
def test_a_limit_is_read_as_it_is_written(value, wanted, answer):
    assert report.met(value, wanted) is answer


def test_the_ratio_table_says_in_both_times_whether_the_median_is_as_wanted():
    rows = [report.Ratio("a ÷ b", "ours.wall", "theirs.wall", "< 0.7"), report.Ratio("gone", "ours.x", "theirs.x")]
    lines = report.ratio_table(REPEATS, rows).splitlines()
    assert lines[2:] == ["| a ÷ b | 0.750 (0.500–1.000) | 2.00 (1.00–3.00) | < 0.7 | **no** |"]


def test_a_failed_subject_stays_in_the_table_with_its_reason():
    text = report.subject_table(REPEATS, {"theirs": ("the other", "run it"), "nobody": ("not measured", "")})
    assert text.splitlines()[2:] == [
        "| the other | 25.0 (20.0–30.0) | 25.0 (20.0–30.0) |  | **failed:** exit code 1 | `run it` |"
    ]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.1234], "0.123"),
        ([1.5, 2.5, 9.5], "2.50 (1.50–9.50)"),
        ([12.34], "12.3"),
        ([1234.5, 1000.0, 2000.0], "1,234 (1,000–2,000)"),
    ],
)
def test_a_spread_shows_the_median_and_what_lies_around_it(values, text):
    assert str(report.spread(values)) == text


def test_the_budget_finds_the_server_s_import_in_the_first_task_and_adds_up_to_the_wall():
    rows = report.budget(report.timeline(LOG), {"Ingester": 7.0, "Trainer": 50.0, "close": 0.0}, wall=80.0)
    assert [row["node"] for row in rows] == ["Ingester", "Trainer", "close", "around the nodes"]
    first, second, _, around = rows
    assert (first["import"], first["work"], first["waiting"]) == (9.5, 7.0, 0.5)
    assert (second["import"], second["work"], second["waiting"]) == (0.0, 50.0, 1.0)
    assert sum(row["total"] for row in rows) == pytest.approx(80.0)
    assert around["total"] == pytest.approx(80.0 - 68.7)


def test_the_budget_of_a_run_without_tasks_is_all_around_them():
    assert report.budget(report.timeline("nothing"), {}, 3.0) == [
        {"node": "around the nodes", "import": 0.0, "work": 0.0, "waiting": 3.0, "total": 3.0}
    ]


def test_only_brings_what_a_subject_needs_in_the_order_of_all():
    assert bench.chosen("classify, again") == ["notebook", "fresh", "again", "classify"]
    assert bench.chosen("") == list(subjects.SUBJECTS)
    with pytest.raises(ValueError, match="Received: nobody"):
        bench.chosen("fresh nobody")


def test_every_ratio_and_every_title_is_of_a_subject_that_is_measured():
    named = {name.partition(".")[0] for row in subjects.RATIOS for name in (row.over, row.under)}
    assert named <= set(subjects.SUBJECTS) == set(subjects.titles("bag"))


def test_the_page_is_written_from_the_results_alone(tmp_path):
    results = {
        "command": "make bench SOURCE=FOLDER REPEATS=1", "made": "2026-11-22", "preset": "transformer",
        "machine": {
            "processor": "Some CPU", "cores": 2, "memory_gib": 23.4, "load_before": [0.1, 0.2, 0.3], "system": "Linux",
            "python": "3.10.13", "versions": "tfx 1.16.0",
        },
        "source": {"name": "FOLDER", "train": 63455, "test": 7600},
        "repeats": [
            {
                "fresh": {
                    "wall": 80.0, "cpu": 100.0, "accuracy": 0.9145, "tasks": report.timeline(LOG),
                    "work": {"Ingester": 7.0, "Trainer": 50.0},
                },
                "notebook": {"cell_wall": 160.0, "epoch_wall": 100.0},
                "cold": {"wall": 90.0, "tasks": report.timeline(LOG)},
            }
        ],
    }  # fmt: skip
    bench.write(tmp_path, json.loads(json.dumps(results)))
    text = (tmp_path / "RESULTS.md").read_text()
    assert "| fresh governed run ÷ the notebook's cell, one epoch | 0.500 |  | < 1 | yes |" in text
    assert "| fresh governed run ÷ that cell's `fit` alone | 0.800 |  | < 1 | yes |" in text
    assert "63,455 train rows" in text and "test accuracy 0.9145" in text
    assert "| Trainer | – | 50.0 | 1.0 | 51.0 | 64% | 50.5 |" in text
    assert json.loads((tmp_path / "results.json").read_text()) == results | {
        "repeats": json.loads(json.dumps(results["repeats"]))
    }
