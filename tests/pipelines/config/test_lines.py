"""Several lines side by side: their DAGs, which line a run works for, and what is finished in a source."""

import re
from datetime import date

import pytest

from components.data import sources
from pipelines.airflow_stack import stack
from pipelines.config.lines import retrain_dags
from pipelines.config.run_config import ConfigError, Request, resolve

NEWS = {"schedule": {"source": "/data/news", "preset": "bag"}}
SPORTS = {"schedule": {"source": "/data/sports", "preset": "transformer", "release": "hold"}, "gates": {"floor": 0.5}}


@pytest.mark.parametrize(
    ("lines", "dags"),
    [
        ({}, {"news_retrain": "news-demo"}),
        ({"sports": SPORTS}, {"news_retrain": "sports"}),
        ({"sports": SPORTS, "news": NEWS}, {"news_retrain": "news", "news_retrain_sports": "sports"}),
        ({"news": NEWS, "quiet": {"gates": {"floor": 0.9}}}, {"news_retrain": "news"}),
    ],
)
def test_the_first_line_has_the_plain_dag_and_each_further_one_with_a_schedule_its_own(lines, dags):
    assert retrain_dags(lines) == dags


def test_a_run_for_a_line_takes_its_source_its_limits_and_its_release():
    run = resolve(Request(line="sports"), {"news": NEWS, "sports": SPORTS})
    assert (run.line, run.source, run.preset, run.release) == ("sports", "/data/sports", "transformer", "hold")
    assert run.gates.floor == 0.5


def test_a_run_for_a_line_stays_on_it_whatever_source_it_reads_but_the_demo_has_its_own():
    lines = {"news": NEWS, "sports": SPORTS}
    assert resolve(Request(line="sports", source="/data/news"), lines).line == "sports"
    assert resolve(Request(line="sports", source="demo"), lines).line == "news-demo"
    assert resolve(Request(source="/data/sports"), lines).line == "sports"


@pytest.mark.parametrize("line", ["../news", "a b", "-x", "x" * 300, 3])
def test_a_line_that_is_no_name_is_refused(line):
    with pytest.raises(ConfigError, match="line must be"):
        Request.from_json({"line": line})


def test_what_is_finished_follows_the_marker_the_calendar_and_the_day(tmp_path):
    for name in ("2026-01-01", "span=2026-01-02", "2026-01-03", "2026-02-30", "2027-01-01", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.csv").touch()
        (tmp_path / name / "_SUCCESS").touch()
    (tmp_path / "2026-01-03" / "_SUCCESS").unlink()
    spans = sources.finished_spans(tmp_path, date(2026, 6, 1))
    assert [path.name for path in spans] == ["2026-01-01", "span=2026-01-02"]


def test_the_schedules_of_all_lines_are_switched_together(tmp_path, monkeypatch, capsys):
    seen = []

    class Switches:
        def __init__(self, address):
            pass

        def switch(self, dag_id, on):
            seen.append((dag_id, on))

    monkeypatch.setenv("NEWSDESK_HOME", str(tmp_path))
    (tmp_path / "newsdesk.toml").write_text(
        '[news.schedule]\ncron = "0 6 * * *"\n[sports.schedule]\ncron = "0 4 * * 1"\n'
    )
    monkeypatch.setattr(stack, "Rest", Switches)
    monkeypatch.setattr(stack, "is_up", lambda: True)
    assert stack.main(["schedule-on"]) == 0
    assert seen == [("news_retrain", True), ("news_retrain_sports", True)]
    assert "news_retrain_sports (line sports) is on" in capsys.readouterr().out


def test_two_lines_on_one_source_need_the_line_to_be_given(tmp_path):
    lines = {"sports": {"schedule": {"source": str(tmp_path)}}, "news": {"schedule": {"source": f"{tmp_path}/"}}}
    for line in lines:
        assert resolve(Request(source=str(tmp_path), line=line), lines).line == line
    assert resolve(Request(), lines).line == "news"  # no source either: the line that the schedule retrains
    with pytest.raises(ConfigError, match="several lines read this source; say which: --line sports or --line news"):
        resolve(Request(source=str(tmp_path)), lines)


def test_one_source_is_one_source_however_its_path_is_written(tmp_path):
    folder = tmp_path / "sports"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    lines = {"news": NEWS, "sports": {"schedule": {"source": str(tmp_path / "link")}}}
    for spelled in (folder, f"{folder}/", tmp_path / "link", f"{tmp_path}/other/../sports"):
        assert resolve(Request(source=str(spelled)), lines).line == "sports"


def test_a_schedule_s_window_goes_with_its_source_and_its_seed_with_its_line():
    lines = {"news": {"schedule": {"source": "/data/news/", "window": "last 9d", "seed": 7}}}
    for asked in (Request(), Request(source="/data/news")):
        run = resolve(asked, lines)
        assert (run.window, run.seed) == ("last 9d", 7)
    other = resolve(Request(source="/data/other"), lines)
    assert (other.line, other.window, other.seed) == ("news", "all", 7)
    given = resolve(Request(window="all", seed=1), lines)
    assert (given.window, given.seed) == ("all", 1)


@pytest.mark.parametrize(
    ("key", "value"), [("cron", "every day"), ("cron", "0 25 * * *"), ("timezone", "Mars/Olympus")]
)
def test_a_schedule_that_no_clock_could_follow_is_refused_with_the_name_of_its_line(key, value):
    with pytest.raises(ConfigError, match=rf"newsdesk.toml \[news.schedule\]: {key} must be .*{re.escape(value)}"):
        resolve(Request(), {"news": {"schedule": {key: value}}})


def test_an_unknown_timezone_is_refused():
    with pytest.raises(ConfigError, match=r"timezone must be a name .*Mars/Olympus"):
        resolve(Request(), {"news": {"schedule": {"timezone": "Mars/Olympus"}}})


@pytest.mark.parametrize(
    ("key", "hint"),
    [("training.epoch", "training.epochs"), ("epochs", "training.epochs"), ("gates.flor", "gates.floor")],
)
def test_a_misspelled_setting_is_answered_with_the_nearest_one_alone(key, hint):
    with pytest.raises(ConfigError) as refused:
        resolve(Request(set={key: 2}))
    assert str(refused.value) == f"an override must name a setting (did you mean {hint}?). Received: override='{key}'"


def test_a_misspelled_key_of_the_settings_file_is_answered_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r"a key of schedule must be known \(did you mean cron\?\). Received"):
        resolve(Request(), {"news": {"schedule": {"corn": "0 6 * * *"}}})
