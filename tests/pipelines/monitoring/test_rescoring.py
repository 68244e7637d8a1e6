"""The champion is scored on the newest labels once a day; MLflow has one step a day, the page a curve."""

import csv
import json
import subprocess
import sys
from datetime import datetime, timezone

import published
import pytest

from components.core import fileio, paths
from components.data import fresh_rows, text_cleaning
from components.registry import model_registry
from pipelines.monitoring import rescoring
from pipelines.reports import models_page

LINE = published.LINE
MONDAY, TUESDAY = (datetime(2026, 11, day, 12, tzinfo=timezone.utc) for day in (23, 24))


def span(source, day, rows, name="train-labelled-1.csv"):
    folder = source / f"span={day}"
    folder.mkdir(parents=True)
    with open(folder / name, "w", newline="") as file:
        csv.writer(file).writerows([("label", "title", "description"), *((label, text, "") for label, text in rows)])
    (folder / "_SUCCESS").touch()


def toy(count, seed, shift=0):
    """Different toy articles; shift: by how many classes their labels are turned."""
    texts, ids = published.articles(4 * count, seed)
    return [(published.LABELS[(label + shift) % 4], text.decode()) for text, label in list(dict(zip(texts, ids)).items())[:count]]  # fmt: skip


def fresh(rows):
    return {text for _, text in rows if fresh_rows.drawn(text_cleaning.row_key(text), 0.2)}


@pytest.fixture
def mirrored(monkeypatch):
    """What would go into MLflow, which takes half a minute to start."""
    calls = []
    monkeypatch.setattr(rescoring, "_mirror", lambda line, version, history: calls.append((version, [e["day"] for e in history])))  # fmt: skip
    return calls


@pytest.fixture
def source(tmp_path, mirrored):
    published.release("run-1")
    fileio.write_text(paths.home() / "newsdesk.toml", f'[{LINE}.schedule]\nsource = "{tmp_path / "source"}"\n')
    return tmp_path / "source"


def test_only_fresh_rows_of_the_newest_labelled_spans_are_scored_once_a_day_and_version(source, mirrored):
    right, wrong = toy(120, 1), toy(120, 2, shift=1)
    span(source, "2026-11-01", toy(60, 3), name="train.csv")  # not what people labelled
    span(source, "2026-11-02", wrong)
    span(source, "2026-11-03", right)
    entry = rescoring.rescore(LINE, 1, MONDAY)
    labels = {text: label for label, text in (*wrong, *right)}
    rows = fresh(wrong) | fresh(right)
    assert (entry["day"], entry["spans"], entry["rows"]) == ("2026-11-23", ["2026-11-02", "2026-11-03"], len(rows))
    expected = sum((text, labels[text]) in {(t, label) for label, t in (*toy(120, 1), *toy(120, 2))} for text in rows)
    assert entry["accuracy"] == pytest.approx(expected / len(rows))
    assert rescoring.rescore(LINE, 1, MONDAY) is None
    assert rescoring.rescore(LINE, 1, TUESDAY)["day"] == "2026-11-24"
    published.release("run-2", "shifted")
    assert rescoring.rescore(LINE, 2, TUESDAY)["version"] == 2  # another champion, the same day
    assert [(e["day"], e["version"]) for e in fileio.read_json_lines(rescoring.history_file(LINE))] == [
        ("2026-11-23", 1), ("2026-11-24", 1), ("2026-11-24", 2),
    ]  # fmt: skip
    assert mirrored[-1] == (2, ["2026-11-23", "2026-11-24", "2026-11-24"]) and len(mirrored) == 3


def test_a_champion_is_scored_by_the_names_of_its_classes(source, capsys):
    span(source, "2026-11-03", toy(120, 1))
    for run, kind in (("run-2", "reordered"), ("run-3", "wider")):
        published.release(run, kind)
    assert rescoring.rescore(LINE, 2, MONDAY)["accuracy"] == 1.0
    assert rescoring.rescore(LINE, 3, MONDAY) is None
    assert "it has the classes World, Sports, Business, Sci/Tech, Weather, and the line has" in capsys.readouterr().err


def test_without_labels_or_with_a_source_that_is_gone_nothing_is_scored_and_the_monitor_goes_on(source, capsys):
    assert rescoring.rescore(LINE, 1, MONDAY) is None
    assert "was not scored on the newest labels" in capsys.readouterr().err
    span(source, "2026-11-01", toy(60, 3), name="train.csv")
    assert rescoring.rescore(LINE, 1, MONDAY) is None
    assert not rescoring.history_file(LINE).exists()


def test_the_models_page_draws_a_curve_with_a_point_a_day(source):
    assert models_page.view(LINE)["rescored"] is None
    span(source, "2026-11-03", toy(120, 1))
    for now in (MONDAY, TUESDAY):
        rescoring.rescore(LINE, 1, now)
    shown = models_page.view(LINE)["rescored"]
    assert shown["newest"]["day"] == "2026-11-24" and shown["chart"].count("<circle") == 2
    assert "11-23" in shown["chart"] and "11-24" in shown["chart"]


_TWICE = """
import json
from components.registry import mlflow_sync, model_registry
card = model_registry.versions("news")[0]
scores = [{"day": f"2026-11-{day}", "accuracy": day / 100, "rows": day} for day in (23, 24, 26)]
other = [scores[0], {**scores[1], "accuracy": 0.9}, scores[2]]  # of a day that the series has
for known in (scores[:2], scores[:2], other):
    mlflow_sync.follow_daily("news", card, known)
client = mlflow_sync._client()
run, = client.search_runs([client.get_experiment_by_name("news").experiment_id])
series = {name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, f"fresh.{name}")] for name in ("accuracy", "rows")}
print(json.dumps({"series": series, "state": run.info.status}))
"""


def test_mlflow_has_one_step_a_day_however_often_it_is_told():
    published.release("run-1")
    done = subprocess.run([sys.executable, "-c", _TWICE], cwd=paths.REPOSITORY, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    first = (datetime(2026, 11, 23) - datetime(1970, 1, 1)).days
    assert result["series"]["accuracy"] == [[first, 0.23], [first + 1, 0.24], [first + 3, 0.26]]
    assert [value for _, value in result["series"]["rows"]] == [23, 24, 26] and result["state"] == "FINISHED"
    assert model_registry.champion("news")["version"] == 1
