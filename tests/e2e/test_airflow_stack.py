"""A running Airflow: schedule, new data, form, approval, backfill, two lines, a killed scheduler. TFX is stood in for.

Takes minutes: `make stack-test`.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import stack_kit

from components.core import fileio, locks, paths, run_record
from components.registry import model_registry
from pipelines.airflow_stack import airflow_settings
from pipelines.airflow_stack.rest_client import Rest, RestError

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

HERE = Path(__file__).parent
MLFLOW = """#!{python}
import http.server, sys
if sys.argv[1] == "db":
    sys.exit(open(sys.argv[3].partition("///")[2], "x").close())
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"OK")
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Health).serve_forever()
"""
SETTINGS = """
[news.schedule]
cron = "0 6 * * *"
source = "{source}"
preset = "bag"
[news.notify]
file = "notices.jsonl"
[news.approval]
approvers = ["admin", "bob"]
[sports.schedule]
cron = "30 4 * * 1"
source = "{other}"
preset = "bag"
"""


def span(source, name):
    folder = source / name
    folder.mkdir(parents=True)
    (folder / "train.csv").write_text(f'1,"{name}","text"\n')
    (folder / "_SUCCESS").touch()


def launched(run=None):
    starts = fileio.read_json_lines(paths.home() / "launched.jsonl")
    return [start["node"] for start in starts if run in (None, start["run"])]


def outcome(run):
    return fileio.read_json(paths.run_dir(run_record.run_id_from(run)) / "outcome.json")


def record(run, dag="news_retrain"):
    return run_record.load(run_record.run_of(dag, run))


def airflow(*words, tries=5):
    """A command of Airflow, repeated as a person would where SQLite refuses: a transaction that read first cannot wait for a writer."""
    call = airflow_settings.airflow_command(*words)
    for left in range(tries, 0, -1):
        done = subprocess.run(
            call, env=airflow_settings.airflow_env(), cwd=paths.REPOSITORY, capture_output=True, text=True
        )
        if "database is locked" not in done.stderr or left == 1:
            break
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack")
    (folder / "bin").mkdir()
    python, mlflow = folder / "bin" / "python", folder / "bin" / "mlflow"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE / "tfx_stand_in.py"} "$@"\n')
    mlflow.write_text(MLFLOW.format(python=sys.executable))
    for program in (python, mlflow):
        program.chmod(0o700)
    for source in ("news", "sports"):
        span(folder / source, "2026-01-01")
    settings = SETTINGS.format(source=folder / "news", other=folder / "sports")
    with stack_kit.running(folder, settings, TFX_PYTHON=python) as stack:
        stack.source = folder / "news"
        yield stack


@pytest.fixture(autouse=True)
def newsdesk_home(stack, monkeypatch):
    """All tests of this file share the stack's state folder."""
    monkeypatch.setenv("NEWSDESK_HOME", str(stack.home))


@pytest.fixture(scope="module")
def scheduled(stack):
    """By DAG, the run that its schedule started when the stack came up, ended. Whatever else a test starts, starts after it."""
    runs = {}
    for dag in ("news_retrain", "news_retrain_sports"):
        (run,) = stack.until(lambda dag=dag: stack.runs(dag, "scheduled"))
        stack.ended(dag, run["dag_run_id"])
        runs[dag] = run["dag_run_id"]
    return runs


@pytest.fixture(scope="module")
def arrived(stack, scheduled):
    """The run that a second dated folder started, ended."""
    span(stack.source, "2026-01-02")
    (run,) = stack.until(lambda: stack.runs("news_retrain", "asset_triggered"), seconds=60)
    stack.ended("news_retrain", run["dag_run_id"])
    return run["dag_run_id"]


def test_two_lines_run_on_their_own_schedules_and_release_side_by_side(stack, scheduled):
    for dag, line in (("news_retrain", "news"), ("news_retrain_sports", "sports")):
        assert stack.rest.state(dag, scheduled[dag]) == "success"
        assert record(scheduled[dag], dag)["config"]["line"] == line
        assert model_registry.history(line)[0]["to"] == 1
        states = stack.tasks(dag, scheduled[dag])
        assert states["Champion"] == "skipped" and states["Registrar"] == states["close"] == "success"


def test_a_release_is_an_event_of_the_champion_asset_with_version_and_accuracy(stack, scheduled):
    answer = stack.rest._call("GET", "/api/v2/assets/events?limit=100")
    events = [event for event in answer["asset_events"] if event["name"].endswith(".champion")]
    assert {event["name"] for event in events} == {"news.champion", "sports.champion"}
    first = min((event for event in events if event["name"] == "news.champion"), key=lambda event: event["id"])["extra"]
    assert (first["version"], first["accuracy"]) == (1, 0.9)


def test_a_span_dropped_into_the_source_starts_a_run_within_a_minute_that_reads_it(stack, arrived):
    assert stack.rest.state("news_retrain", arrived) == "success"
    read = record(arrived)
    assert (read["trigger"], read["config"]["line"]) == ("asset_triggered", "news")
    assert [file["span"] for file in read["files"]] == ["2026-01-01", "2026-01-02"]
    assert not stack.runs("news_retrain_sports", "asset_triggered")


def test_an_event_over_rest_starts_a_run_and_one_of_an_unknown_line_does_not(stack, scheduled):
    before = len(stack.runs("news_retrain", "asset_triggered"))
    stack.rest.labelled("news", {"delivery": "2026-11-24"})
    (run,) = stack.until(lambda: stack.runs("news_retrain", "asset_triggered")[before:], seconds=60)
    assert stack.ended("news_retrain", run["dag_run_id"]) == "success"
    assert record(run["dag_run_id"])["trigger"] == "asset_triggered"
    with pytest.raises(RestError, match="a DAG must wait for the asset"):
        stack.rest.labelled("cooking")


def test_events_that_come_while_a_run_is_on_start_runs_that_wait_and_find_all_of_it(stack, scheduled):
    before = len(stack.runs("news_retrain", "asset_triggered"))
    hold = paths.home() / "hold-Trainer"
    hold.touch()
    stack.rest.trigger("news_retrain", "meanwhile", {})
    stack.until(lambda: "Trainer" in launched("meanwhile"))
    for number in range(2):
        stack.rest.labelled("news", {"delivery": number})
    (first, *_) = stack.until(lambda: stack.runs("news_retrain", "asset_triggered")[before:], seconds=60)
    stack.until(lambda: stack.tasks("news_retrain", first["dag_run_id"])["Ingester"] == "deferred")
    assert locks.holder("news")["run"] == "meanwhile"
    hold.unlink()
    assert stack.ended("news_retrain", "meanwhile") == "success"
    more = [run["dag_run_id"] for run in stack.runs("news_retrain", "asset_triggered")[before:]]
    assert {stack.ended("news_retrain", run) for run in more} == {"success"}
    assert locks.holder("news") is None


@pytest.mark.parametrize(
    "conf",
    [
        {"source": '"; touch pwned #'},
        {"source": "$(id)"},
        {"source": "{{ var.value.x }}"},
        {"source": "../../etc"},
        {"source": "/data\n"},
        {"seed": "1"},
        {"set": {"$(id)": 1}},
        {"preset": "none"},
        {"model": "bag"},  # its name before "preset"
        {"bogus": 1},
    ],
    ids=str,
)
def test_hostile_and_wrong_values_are_refused_at_the_door(stack, conf):
    with pytest.raises(RestError, match="status 4"):
        stack.rest.trigger("news_retrain", "refused", conf)


def test_an_unknown_parameter_from_the_command_line_is_refused_by_the_first_task(stack, scheduled):
    """`airflow dags trigger` writes to the database; the web application is not asked."""
    before = len(launched())
    words = ["dags", "trigger", "news_retrain", "--run-id", "unknown", "--conf", json.dumps({"bogus": 1})]
    airflow(*words)
    assert stack.ended("news_retrain", "unknown") == "failed"
    assert stack.tasks("news_retrain", "unknown")["Ingester"] == "failed"
    assert len(launched()) == before


def test_a_refused_candidate_is_a_green_run_with_the_push_skipped_and_a_notice(stack, scheduled):
    assert stack.trigger("news_retrain", "refused-model", {"seed": 13}) == "success"
    states = stack.tasks("news_retrain", "refused-model")
    assert [states[node] for node in ("ModelGate", "Canary", "Pusher", "Registrar")] == ["success", *["skipped"] * 3]
    notices = [n for n in fileio.read_json_lines(paths.home() / "notices.jsonl") if n["run"] == "refused-model"]
    assert [notice["kind"] for notice in notices] == ["refused"]
    assert "seed 13 brings no luck" in notices[0]["text"]


def held(stack, run):
    """A run that admin asks for, once it waits for a person; returns its version."""
    stack.rest.trigger("news_retrain", run, {"release": "hold"})
    stack.until(lambda: stack.tasks("news_retrain", run).get("approve") == "awaiting_input")
    assert outcome(run)["state"] == "held" and locks.holder("news") is None
    return outcome(run)["version"]


def test_a_held_version_serves_once_another_person_than_who_asked_has_approved_it(stack, scheduled):
    before = model_registry.champion("news")["version"]
    version = held(stack, "held")
    with pytest.raises(RestError, match="status 403"):
        stack.answer("news_retrain", "held", "Approve")
    assert model_registry.champion("news")["version"] == before
    bob = Rest(stack.rest._address, "bob")
    assert stack.answered("held", "Approve", "news_retrain", bob) == "success"
    assert model_registry.champion("news")["version"] == version
    assert model_registry.history("news")[-1]["reason"] == "approved by bob, asked for by admin"
    kinds = [note["kind"] for note in fileio.read_json_lines(paths.home() / "notices.jsonl") if note["run"] == "held"]
    assert kinds == ["held", "released"]


def test_a_run_that_waits_for_a_person_lets_the_next_one_train_and_end_and_is_rejected_after_it(stack, scheduled):
    version = held(stack, "not-wanted")
    assert stack.trigger("news_retrain", "next", {}) == "success"
    assert outcome("next")["state"] == "released"
    assert stack.tasks("news_retrain", "not-wanted")["approve"] == "awaiting_input"
    before = model_registry.champion("news")["version"]
    bob = Rest(stack.rest._address, "bob")
    assert stack.answered("not-wanted", "Reject", "news_retrain", bob) == "success"
    assert model_registry.champion("news")["version"] == before
    ended = outcome("not-wanted")
    assert (ended["state"], ended["reasons"]) == ("refused", ["rejected: rejected by bob in Airflow"])
    assert model_registry.card("news", version)["rejected"]["reason"] == "rejected by bob in Airflow"


def test_a_release_by_form_waits_for_a_second_look(stack, arrived):
    before = model_registry.champion("news")["version"]
    conf = {"action": "promote", "line": "news", "version": 1, "reason": "looked at it"}
    stack.rest.trigger("news_release", "by-hand", conf)
    stack.until(lambda: stack.tasks("news_release", "by-hand").get("approve") == "awaiting_input")
    assert model_registry.champion("news")["version"] == before != 1
    assert stack.answered("by-hand", "Approve") == "success"
    assert model_registry.champion("news")["version"] == 1
    assert model_registry.history("news")[-1]["reason"] == "looked at it (asked by admin, approved by admin)"


def test_a_rejected_rollback_changes_nothing_and_ends_green(stack, arrived):
    before = model_registry.champion("news")["version"]
    stack.rest.trigger("news_release", "rejected", {"action": "rollback", "line": "news", "reason": "no good"})
    assert stack.answered("rejected", "Reject") == "success"
    assert stack.tasks("news_release", "rejected")["do"] == "skipped"
    assert model_registry.champion("news")["version"] == before


def test_a_backfill_from_the_command_line_trains_each_interval_and_releases_nothing(stack, arrived):
    before = model_registry.champion("news")["version"]
    words = ["backfill", "create", "--dag-id", "news_retrain", "--from-date", "2026-01-02", "--to-date", "2026-01-04"]
    words += ["--dag-run-conf", json.dumps({"window": "last 30d"})]
    airflow(*words)
    runs = stack.until(lambda: stack.runs("news_retrain", "backfill"))
    assert {stack.ended("news_retrain", run["dag_run_id"]) for run in runs} == {"success"}
    for run in runs:
        read = record(run["dag_run_id"])
        assert (read["trigger"], read["config"]["release"], read["config"]["window"]) == (
            "backfill",
            "never",
            "last 30d",
        )
        assert read["as_of"] == read["interval"][1]
        assert outcome(run["dag_run_id"])["pushed"] is False
        days = {file["span"] for file in read["files"]}
        assert days == {day for day in ("2026-01-01", "2026-01-02") if day <= read["as_of"][:10]}
    assert model_registry.champion("news")["version"] == before


def test_a_scheduler_killed_in_the_middle_of_a_training_loses_nothing_and_doubles_nothing(stack, scheduled):
    hold = paths.home() / "hold-Trainer"
    hold.touch()
    stack.rest.trigger("news_retrain", "killed", {})
    stack.until(lambda: "Trainer" in launched("killed"))
    stack.back(stack.kill("scheduler"))
    hold.unlink()
    assert stack.ended("news_retrain", "killed") == "success"
    assert outcome("killed")["state"] == "released"
    pushed = [card for card in model_registry.versions("news") if card["run"] == "killed"]
    assert [card["version"] for card in pushed] == [model_registry.champion("news")["version"]]
    assert [event["to"] for event in model_registry.history("news")].count(pushed[0]["version"]) == 1


def test_each_task_of_a_run_can_be_cleared_and_the_run_ends_as_before(stack, scheduled):
    run = "cleared"
    assert stack.trigger("news_retrain", run, {}) == "success"
    before = model_registry.champion("news")
    for node in ("Ingester", "Trainer", "ModelGate", "Pusher", "Registrar", "close"):
        assert stack.clear("news_retrain", run, node) == "success"
        assert outcome(run)["state"] == "released"
        assert model_registry.champion("news") == before
        assert locks.holder("news") is None
    assert launched(run).count("Pusher") >= 5
