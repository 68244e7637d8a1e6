"""The DAGs about articles: their forms refuse what no command should see, and a drifted batch is told of and not a failure."""

import json
import subprocess
import sys
from types import SimpleNamespace

import news_monitor
import news_score
import pytest
from airflow.exceptions import AirflowException
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, ParamValidationError
from airflow.utils.file import might_contain_dag
from conftest import REPOSITORY
from news_monitor import monitor_dag

from components.core import fileio, paths
from pipelines.config import run_config
from pipelines.config.lines import monitor_dags
from pipelines.monitoring import drift_notices

CALM = {"batch": "2026-01-31.a", "day": "2026-01-31", "warnings": [], "queue": 10}
DRIFTED = {
    "batch": "2026-02-07.b",
    "day": "2026-02-07",
    "queue": 100,
    "warnings": [{"rule": "words", "message": "other words: 0.39, limit 0.10"}],
}
SAID = {
    "line": "news",
    "headline": "2 batches",
    "report": "/x/report.html",
    "batches": [CALM, DRIFTED],
    "new": [],
    "untold": [
        {"batch": "2026-02-07.b", "day": "2026-02-07", "queue": 100, "rule": "words", "message": "other words: 0.39"}
    ],
    "unread": [],
}
FORM = {"folder": "/data/in", "window": "all", "line": "news"}


def look(params=None, conf=None):
    dag = monitor_dag("x", {}, "news")
    return dag.get_task("look").python_callable(
        params={**FORM, **(params or {})}, dag_run=SimpleNamespace(conf=conf or {})
    )


def score(params=None, conf=None):
    form = {"file": "/data/in.csv", "form": "csv", "line": "news", "version": None, **(params or {})}
    run = SimpleNamespace(conf=conf or {}, run_id="manual__2026-03-02T09:00:00+00:00")
    return news_score.dag.get_task("score").python_callable(params=form, dag_run=run)


def words(record):
    return [json.loads(line)["arguments"] for line in record.read_text().splitlines()]


def test_look_calls_the_command_and_hands_on_what_nobody_was_told_of(fake_door):
    record = fake_door(f"print(json.dumps({SAID!r})); sys.exit(0)")
    told = look()
    assert words(record) == [["monitor", "/data/in", "--window", "all", "--line", "news", "--json"]]
    assert told["untold"] == SAID["untold"] and told["unread"] == []


def test_a_file_that_cannot_be_read_fails_its_own_task_and_keeps_no_drift_from_being_told(fake_door):
    fake_door(f"print(json.dumps({ {**SAID, 'unread': ['a.csv, line 2: cut off']}!r})); sys.exit(3)")
    told = look()
    assert told["untold"] == SAID["untold"]
    dag = monitor_dag("x", {}, "news")
    with pytest.raises(AirflowFailException, match=r"a\.csv, line 2: cut off"):
        dag.get_task("read").python_callable(told)
    assert dag.get_task("read").python_callable({**told, "unread": []}) is None
    assert dag.get_task("look").downstream_task_ids == {"tell", "read"}


def test_many_warnings_and_many_files_arrive_whole_and_few_are_handed_on(fake_door):
    many = {name: f"{SAID[name] or ['x' * 100]!r} * 20_000" for name in ("untold", "unread")}
    fake_door(f"print(json.dumps({SAID!r} | {{'untold': {many['untold']}, 'unread': {many['unread']}}})); sys.exit(3)")
    told = look()
    assert told["untold"] == SAID["untold"] * news_monitor.HANDED_ON
    assert told["unread"] == ["x" * 100] * news_monitor.HANDED_ON + ["and 19,900 more, in the log"]


def test_a_folder_in_which_nothing_can_be_read_fails_with_its_reason(fake_door):
    fake_door("print(json.dumps({'line': 'news', 'headline': 'no rows', 'reasons': ['x']})); sys.exit(3)")
    with pytest.raises(AirflowFailException, match="no rows"):
        look()


def test_warnings_become_a_notice_and_none_a_skip(monkeypatch):
    monkeypatch.setattr(news_monitor, "get_current_context", lambda: {"dag_run": SimpleNamespace(run_id="r")})
    tell = monitor_dag("x", {"news": {"notify": {"file": "notices.jsonl"}}}, "news").get_task("tell").python_callable
    assert tell(SAID) == ["2026-02-07: other words: 0.39"]
    (notice,) = fileio.read_json_lines(paths.home() / "notices.jsonl")
    assert notice["kind"] == "drifted" and "- 2026-02-07: other words: 0.39\n100 texts to label" in notice["text"]
    entry = {**DRIFTED, "format": drift_notices.FORMAT}
    assert drift_notices.untold("news", [entry]) == []
    assert [found["batch"] for found in drift_notices.untold("news", [{**entry, "batch": "2026-02-08.c"}])]
    with pytest.raises(AirflowSkipException):
        tell({**SAID, "untold": []})


def test_a_file_that_cannot_be_read_fails_at_once_and_anything_else_is_tried_again(fake_door):
    for code, error in ((3, AirflowFailException), (2, AirflowFailException), (1, AirflowException)):
        fake_door(f"print('the words', file=sys.stderr); sys.exit({code})")
        with pytest.raises(error, match="the words") as caught:
            look()
        assert isinstance(caught.value, AirflowFailException) == (code != 1)


HOSTILE = [
    '"; touch pwned #',
    "$(id)",
    "{{ var.value.x }}",
    "../../etc",
    "/data/../etc",
    "/a\nb",
    "/a\n",
    "-x",
    "",
    "/" + "x" * 1_000_000,
    3,
    None,
]


@pytest.mark.parametrize("folder", HOSTILE)
def test_a_hostile_folder_or_file_never_reaches_the_command(fake_door, folder):
    record = fake_door("sys.exit(0)")
    with pytest.raises(AirflowFailException):
        look({"folder": folder})
    with pytest.raises(AirflowFailException):
        score(
            {"file": folder if not isinstance(folder, str) else folder + ".csv"}
            if folder != "/a\n"
            else {"file": "/a.csv\n"}
        )
    assert not record.exists()


@pytest.mark.parametrize(
    ("params", "conf"),
    [
        ({"line": "../x"}, {}),
        ({"line": "--help"}, {}),
        ({"window": "soon"}, {}),
        ({}, {"output": "/etc/passwd"}),
        ({"line": 7}, {}),
    ],
)
def test_other_wrong_fields_and_unknown_keys_never_reach_it_either(fake_door, params, conf):
    record = fake_door("sys.exit(0)")
    with pytest.raises(AirflowFailException):
        look(params, conf)
    if "window" not in params:
        with pytest.raises(AirflowFailException):
            score(params, conf)
    assert not record.exists()


def test_a_file_is_scored_into_the_run_s_own_folder(fake_door):
    record = fake_door("sys.exit(0)")
    output = score()
    assert output.startswith(str(paths.scored_dir())) and output.endswith("/answers.csv")
    score({"form": "json", "version": 3})
    first, second = words(record)
    assert first == [
        "predict",
        "--file",
        "/data/in.csv",
        "--output",
        output,
        "--line",
        "news",
        "--version",
        "@champion",
    ]
    assert second[-3:] == ["--version", "3", "--json"]


@pytest.mark.parametrize("wrong", [{"file": "/data/in.exe"}, {"form": "exe"}, {"version": 0}, {"version": "1"}])
def test_what_cannot_be_scored_is_refused(fake_door, wrong):
    record = fake_door("sys.exit(0)")
    with pytest.raises(AirflowFailException):
        score(wrong)
    assert not record.exists()


def test_settings_give_the_cron_and_the_folder_and_without_them_the_form_asks():
    table = {"folder": "/data/in", "cron": "0 7 * * *", "timezone": "Europe/Vienna", "window": "last 7d"}
    dag = monitor_dag("x", {"news": {"monitor": table}}, "news")
    assert (dag.timetable.expression, str(dag.timetable.timezone)) == ("0 7 * * *", "Europe/Vienna")
    assert (dag.params["folder"], dag.params["window"]) == ("/data/in", "last 7d")
    without = monitor_dag("x", {}, "news")
    assert not without.timetable.can_be_scheduled
    with pytest.raises(ParamValidationError, match="no default value"):
        without.params["folder"]


def test_each_line_with_such_a_section_has_a_dag_and_a_wrong_one_is_an_error_of_the_file():
    lines = {"news": {}, "sport": {"monitor": {"folder": "/s"}}, "tech": {"schedule": {}}}
    assert monitor_dags(lines) == {"news_monitor": "news", "news_monitor_sport": "sport"}
    with pytest.raises(run_config.ConfigError, match="max_words"):
        monitor_dag("x", {"news": {"monitor": {"max_words": 7}}}, "news")


def test_the_files_parse_in_airflow_and_import_nothing_heavy():
    heavy = "{'tensorflow', 'pandas', 'numpy', 'mlflow', 'pyarrow'}"
    code = f"import sys, news_monitor, news_score; print(sorted({heavy} & set(sys.modules)))"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY / "dags", check=False
    )
    assert told.stdout.strip().splitlines()[-1:] == ["[]"], told.stderr
    for name in ("news_monitor.py", "news_score.py"):
        assert might_contain_dag(str(REPOSITORY / "dags" / name), safe_mode=True)
