"""`newsdesk demo-week`: what a day asks for, how the editors answer the label queue, and the table. The runs are stood in for here;
their nodes are tested in tests/test_whole_run.py."""

import csv
import os
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from components.core import locks, paths
from components.data import demo_corpus, demo_days, generated_days, text_cleaning
from components.registry import model_registry
from pipelines.cli import demo_week
from pipelines.config.lines import LABELS
from pipelines.monitoring import label_queue, monitor
from pipelines.monitoring.batch_check import Article

WEDNESDAY, FRIDAY = date(2026, 2, 4), date(2026, 2, 6)


@pytest.fixture
def asked(monkeypatch):
    """The requests of the runs, none of which is made."""
    requests = {}

    def retrain(day, request, before):
        requests[day] = request
        return demo_week.Event(day, "released", before, 1, 0.95)

    monkeypatch.setattr(demo_week, "retrain", retrain)
    return requests


def test_a_day_is_a_run_about_that_day_and_tuesday_s_is_of_a_smaller_model(asked):
    for day in (demo_week.MONDAY, date(2026, 2, 3)):
        demo_week.play_day(day, "linear")
    monday, tuesday = asked.values()
    assert monday["interval"] == ["2026-02-02T00:00:00+00:00", "2026-02-03T00:00:00+00:00"]
    assert (monday["as_of"], monday["source"], monday["line"]) == (monday["interval"][1], "demo", "news-demo")
    assert (monday["preset"], tuesday["preset"]) == ("linear", "bag")


def test_the_week_waits_for_a_run_that_works_on_the_line_and_says_which(asked, monkeypatch, capsys):
    locks.take_line("news-demo", "scheduled-1", os.getpid())
    looks = []

    def look(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            locks.free_line("news-demo", "scheduled-1")

    monkeypatch.setattr(demo_week.time, "sleep", look)
    demo_week.play_day(demo_week.MONDAY, "linear")
    assert len(looks) == 3 and len(asked) == 1
    assert capsys.readouterr().err.count("locked by run scheduled-1 since") == 1


def test_a_day_whose_line_was_taken_meanwhile_is_played_again(monkeypatch):
    ends = iter([{"state": "locked", "reasons": ["locked by run x"]}, None])
    monkeypatch.setattr(demo_week, "run_nodes", lambda *asked: next(ends))
    outcome = {"state": "released", "reasons": ["good"], "version": 2, "metrics": {"accuracy": 0.9}}
    monkeypatch.setattr(demo_week, "run_node", lambda *asked: (0, {"outcome": outcome}))
    assert demo_week.retrain(FRIDAY, {}, "") == demo_week.Event(FRIDAY, "released", "good", 2, 0.9)
    assert next(ends, "used up") == "used up"


def test_the_week_has_a_damaged_and_a_drifted_day():
    assert (demo_days.kind_of(WEDNESDAY), demo_days.kind_of(FRIDAY)) == ("damaged", "drifted")


def test_without_a_champion_nothing_looks_for_drift_and_nothing_can_be_rolled_back(asked, capsys):
    assert [event.what for event in demo_week.play_day(FRIDAY, "")] == ["unwatched", "released"]
    assert [event.what for event in demo_week.play_day(date(2026, 2, 8), "")] == ["released", "kept"]


def test_the_champion_looks_at_a_day_without_its_held_out_articles(monkeypatch):
    read = []

    def monitored(line, folder, window, settings):
        read.extend(sorted(path.name for path in Path(folder).glob(f"span={FRIDAY}/*")))
        return {"report": folder, "batches": [{"batch": "b", "warnings": []}]}

    monkeypatch.setattr(monitor, "monitor", monitored)
    monkeypatch.setattr(model_registry, "champion", lambda line: {"version": 1})
    assert [event.what for event in demo_week.drift_and_labels(FRIDAY)] == ["watched"]
    assert read == ["_SUCCESS", "train.csv"]


def test_the_editors_answer_every_row_of_the_queue_with_the_label_that_they_printed(tmp_path):
    lines = demo_days.lines_of(FRIDAY)
    rows = list(csv.reader(line.decode() for line in lines[:40]))
    articles = [
        Article("a.csv", at, title, text, -1, text_cleaning.row_hash(text_cleaning.join(title, text)))
        for at, (_, title, text) in enumerate(rows)
    ]
    questions = [label_queue.Question(at, "unsure") for at in range(40)]
    queue = label_queue.as_csv(questions, articles, np.full((40, 4), 0.25), np.zeros(40), LABELS)
    (tmp_path / "queue.csv").write_text(queue, encoding="utf-8")
    assert demo_week.answer(tmp_path / "queue.csv", lines, tmp_path / "answered.csv") == 40
    with open(tmp_path / "answered.csv", newline="", encoding="utf-8") as file:
        assert [row["label"] for row in csv.DictReader(file)] == [label for label, *_ in rows]


def test_a_second_week_begins_without_the_first_one_s_days_and_keeps_what_people_brought():
    folder = demo_corpus.write(paths.home() / "demo", articles=100)
    for day in (demo_week.MONDAY, WEDNESDAY):
        demo_days.deliver(folder, day)
    (folder / "span=2026-02-03").mkdir()
    demo_week.forget_week()
    left = {path.name for path in folder.glob("span=2026-02-*")}
    assert left == {"span=2026-02-03"} and generated_days.is_generated(folder / "span=2026-01-31")


def test_the_table_has_a_line_for_each_event_and_each_day_once():
    events = [
        demo_week.Event(demo_week.MONDAY, "released", "not worse", 2, 0.951),
        demo_week.Event(FRIDAY, "drifted", "other words"),
        demo_week.Event(FRIDAY, "labelled", "100 texts"),
    ]
    assert demo_week.table(events).splitlines()[1:] == [
        "Mon 2026-02-02 released           2    0.9510  not worse",
        "Fri 2026-02-06 drifted                         other words",
        "               labelled                        100 texts",
    ]
