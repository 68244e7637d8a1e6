"""`make retrain`: what it asks for, what it prints, and how it ends."""

import json
import os
import subprocess
import sys

import pytest

from components.core import fileio, paths
from pipelines.airflow_stack import airflow_settings, retrain_under_airflow
from pipelines.config import run_config

OUTCOME = {"state": "released", "version": 4, "pushed": True, "reasons": ["better"], "metrics": {"accuracy": 0.91}}


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("NEWSDESK_HOME", str(tmp_path / "home"))
    for name in ("SOURCE", "WINDOW", "PRESET", "SET", "SEED", "RELEASE", "FORCE"):
        monkeypatch.delenv(name, raising=False)
    paths.ensure()
    return tmp_path / "home"


def test_without_variables_the_demo_is_trained_with_its_preset(tmp_path):
    asked = retrain_under_airflow.request_from({}, tmp_path)
    assert (asked["source"], asked["window"], asked["set"], asked["force"]) == ("demo", "all", {}, False)
    assert "release" not in asked
    run_config.Request.from_json(asked)


def test_every_variable_reaches_the_run_and_a_seed_among_the_overrides_wins(tmp_path):
    given = {
        "SOURCE": "tfds", "WINDOW": "last 7d", "PRESET": "bag", "SET": "training.epochs=2 seed=3", "SEED": "5",
        "RELEASE": "never", "FORCE": "1",
    }  # fmt: skip
    assert retrain_under_airflow.request_from(given, tmp_path) == {
        "source": "tfds", "window": "last 7d", "preset": "bag", "set": {"training.epochs": 2}, "seed": 3,
        "release": "never", "force": True,
    }  # fmt: skip


def test_a_relative_folder_is_relative_to_the_caller(tmp_path):
    assert retrain_under_airflow.request_from({"SOURCE": "data/../news"}, tmp_path)["source"] == str(tmp_path / "news")
    assert retrain_under_airflow.request_from({"SOURCE": "/data/x"}, tmp_path)["source"] == "/data/x"


@pytest.mark.parametrize(
    "given",
    [
        {"PRESET": "nope"},
        {"SET": "training.epochs"},
        {"SET": "training.epochs=many"},
        {"SET": "nowhere=1"},
        {"SET": "a='"},
        {"SEED": "x"},
        {"RELEASE": "now"},
        {"FORCE": "maybe"},
        {"WINDOW": "yesterday"},
        {"SOURCE": "a\nb"},
        {"SOURCE": "x" * 1_000_000},
        {"SOURCE": "a\0b"},
    ],
)
def test_a_value_that_no_run_could_use_is_refused_before_airflow_starts(given, tmp_path):
    with pytest.raises(run_config.ConfigError, match="Received: "):
        retrain_under_airflow.request_from(given, tmp_path)


def test_a_refused_value_is_bad_usage(monkeypatch, capsys):
    monkeypatch.setenv("PRESET", "nope")
    assert retrain_under_airflow.main() == 2
    assert "Received: preset='nope'" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_bad_usage(monkeypatch, capsys):
    monkeypatch.setenv("SOURCE", "/proc/nowhere")
    assert retrain_under_airflow.main() == 2
    assert capsys.readouterr().err == "Folder not found: /proc/nowhere\n"


def test_the_run_is_for_the_line_of_its_dag_where_the_source_is_that_line_s_own(tmp_path):
    lines = (
        f'[sports.schedule]\nsource = "{tmp_path}"\n[news.schedule]\nsource = "{tmp_path}/"\nseed = 7\npreset = "bag"\n'
    )
    fileio.write_text(paths.home() / "newsdesk.toml", lines)
    asked = retrain_under_airflow.request_from({"SOURCE": str(tmp_path)}, tmp_path)
    assert (asked["seed"], asked["preset"]) == (7, "bag")


# In Airflow's place: writes the events that nodes would, and ends as told.
FAKE_AIRFLOW = """#!{python}
import json, os, sys
conf = json.loads(sys.argv[sys.argv.index("--conf") + 1])
plan = json.load(open({plan!r}))
json.dump({{"arguments": sys.argv[1:], "conf": conf, "one": os.environ.get("NEWSDESK_ONE_PROCESS")}}, open({seen!r}, "w"))
print("starting task_id=Trainer map_index=-1")
print("2026-01-01T00:00:00Z [info     ] the node's own words [airflow.task.operators.newsdesk_dags.node_operator.NodeOperator] loc=door.py:1")
print("2026-01-01T00:00:00Z [info     ] Airflow's chatter [task]")
print("end task task_id=Trainer map_index=-1")
with open(os.environ["NEWSDESK_EVENTS"], "a") as file:
    for event in plan["events"]:
        file.write(json.dumps(event) + "\\n")
if plan["outcome"]:
    folder = os.path.join(os.environ["NEWSDESK_HOME"], "runs", "r1")
    os.makedirs(folder, exist_ok=True)
    json.dump(plan["outcome"], open(os.path.join(folder, "outcome.json"), "w"))
sys.exit(plan["code"])
"""


@pytest.fixture
def airflow(tmp_path, monkeypatch, state):
    """`airflow(code, outcome, events)` puts a program in Airflow's place; returns the file with what it saw."""
    monkeypatch.setattr(airflow_settings, "prepare", lambda: None)
    monkeypatch.setenv("NEWSDESK_COLD", "1")

    def make(code, outcome, states=(("Trainer", "done"),)):
        events = [
            {"run": "r1", "node": node, "state": state, "seconds": 1.5, "headline": f"{node} said so"}
            for node, state in states
        ]
        plan, seen, program = tmp_path / "plan.json", tmp_path / "seen.json", tmp_path / "airflow"
        plan.write_text(json.dumps({"events": events, "outcome": outcome, "code": code}))
        program.write_text(FAKE_AIRFLOW.format(python=sys.executable, plan=str(plan), seen=str(seen)))
        monkeypatch.setattr(airflow_settings, "airflow_command", lambda *words: [sys.executable, str(program), *words])
        return seen

    return make


def test_a_run_prints_a_line_a_node_and_the_verdict(airflow, capsys, monkeypatch):
    seen = airflow(0, OUTCOME, [("Ingester", "running"), ("Ingester", "cached"), ("Trainer", "done")])
    monkeypatch.setenv("PRESET", "bag")
    assert retrain_under_airflow.main() == 0
    out = capsys.readouterr().out
    assert "cached   Ingester" in out and "done     Trainer" in out and "running" not in out
    assert "RELEASED as version 4, accuracy 0.9100" in out and "- better" in out
    received = json.loads(seen.read_text())
    assert received["arguments"][:3] == ["dags", "test", "news_retrain"]
    assert (received["conf"]["preset"], received["one"]) == ("bag", "1")


@pytest.mark.parametrize("state", ["refused", "unchanged", "held", "blessed"])
def test_a_model_that_is_not_released_is_a_success(airflow, state):
    airflow(0, {**OUTCOME, "state": state, "pushed": False, "version": None})
    assert retrain_under_airflow.main() == 0


def test_a_run_in_the_stack_that_waits_for_a_person_is_not_followed_to_its_deadline(monkeypatch, capsys):
    """It has done its work: the command ends well and says where to answer."""
    asked = []

    class Rest:
        def trigger(self, dag, run, conf):
            outcome = {**OUTCOME, "run": run, "state": "held", "version": 4}
            fileio.write_json(paths.run_dir(run) / "outcome.json", outcome)
            fileio.write_json(paths.run_dir(run) / "run.json", {"config": {"line": "news"}})

        def state(self, dag, run):
            asked.append(run)
            assert len(asked) < 5, "still followed"
            return "running"

    monkeypatch.setattr(retrain_under_airflow, "stack_for_run", Rest)
    monkeypatch.setenv("RELEASE", "hold")
    assert retrain_under_airflow.main() == 0
    out = capsys.readouterr().out
    assert "/tasks/approve/required_actions" in out and "HELD as version 4" in out
    assert "newsdesk promote 4 --line news" in out


@pytest.mark.parametrize(("code", "state"), [(1, "stopped"), (1, "locked"), (0, "failed"), (1, "released")])
def test_a_run_that_failed_is_a_failure_with_the_node_its_reasons_and_its_words(airflow, capsys, code, state):
    airflow(code, {**OUTCOME, "state": state, "node": "Trainer", "reasons": ["no space left"]})
    assert retrain_under_airflow.main() == 1
    out = capsys.readouterr().out
    assert f"{state.upper()} as version 4 at Trainer" in out and "- no space left" in out
    assert "the node's own words" in out and "chatter" not in out


def test_airflow_that_never_starts_the_run_is_a_failure_with_the_end_of_its_log(airflow, capsys):
    airflow(1, None, [])
    assert retrain_under_airflow.main() == 1
    out = capsys.readouterr().out
    assert "Airflow did not start the run" in out and "chatter" in out


def test_the_log_of_a_run_is_kept_and_old_ones_go(airflow, state):
    airflow(0, OUTCOME)
    logs = state / "airflow" / "logs"
    logs.mkdir(parents=True)
    for number in range(30):
        (logs / f"retrain-20200101T0000{number:02}-1.log").write_text("old")
    assert retrain_under_airflow.main() == 0
    kept = sorted(path.name for path in logs.glob("retrain-*.log"))
    assert len(kept) == retrain_under_airflow.KEPT_LOGS and not kept[-1].startswith("retrain-2020")


@pytest.mark.parametrize("hostile", ["$(shell touch pwned)", '"; touch pwned #', "`touch pwned`", "$$HOME", "{{ x }}"])
def test_make_hands_a_value_on_as_it_was_typed(hostile, tmp_path):
    """The recipe is run with a program that prints its environment in the place of Airflow's Python."""
    printer = tmp_path / "printer"
    printer.write_text(
        f"#!{sys.executable}\nimport os; print(ascii(os.environ['SOURCE'])); print(ascii(os.environ['SET']))\n"
    )
    printer.chmod(0o700)
    call = [
        "make",
        "-f",
        str(paths.REPOSITORY / "Makefile"),
        "-o",
        "setup",
        "retrain",
        f"AIRFLOW={printer}",
        f"SOURCE={hostile}",
    ]
    ended = subprocess.run(call, cwd=tmp_path, env={**os.environ, "SET": hostile}, capture_output=True, text=True)
    assert ended.stdout.splitlines() == [ascii(hostile)] * 2
    assert not (tmp_path / "pwned").exists()
