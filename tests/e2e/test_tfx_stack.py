"""A running Airflow with real TFX: new data, drift and the labels it asks for, two runs at once of which one is held, a
stack killed in the middle of a training, tasks cleared.

The tests check Airflow, ML Metadata and the registry. Each can run alone. Takes about ten minutes: `make stack-test`.
"""

import collections
import csv
import json
import shutil
import subprocess

import pytest
import stack_kit

from components.core import fileio, locks, paths, run_record
from components.core.states import ExitCode
from components.registry import model_registry
from pipelines.config.run_config import LABELS
from pipelines.runner import node_process

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which(node_process.tfx_python()), reason="the TFX environment is not installed"),
]
DAG, LINE, DAYS = "news_retrain", "news-demo", ("2026-01-27", "2026-01-28")
DRIFTED, LABELLED = "2026-02-07", "2026-02-08"
# The next 29 February, so that only what the tests do starts a run. A small model on a few thousand invented articles falls behind
# the baseline and behind other seeds by chance: these tests are not about the gate, so its tests get a low level and a wide margin.
SETTINGS = """
[news-demo.schedule]
cron = "0 0 29 2 *"
source = "{source}"
preset = "bag"

[news-demo.gates]
alpha = 0.001
margin = 0.2
"""
# Epochs enough to be killed in the middle of.
LONG = {"seed": 4, "set": {"training.epochs": 8, "training.patience": 8, "training.batch_size": 64}}
SOUND = {"COMPLETE", "CACHED"}


def newsdesk(*words):
    """A command of the TFX environment, ended: its exit code and what it printed."""
    call = [node_process.tfx_python(), "-m", "pipelines.cli.main", *words]
    return subprocess.run(call, cwd=paths.REPOSITORY, capture_output=True, text=True)


def executions(run):
    """By node, the states of a run's executions in ML Metadata, oldest first; and whether any execution of the line is still open."""
    code = (
        "import json, sys; from pipelines.runner import mlmd_store as mlmd; store = mlmd.connect(); line, run = sys.argv[1:]; "
        "print(json.dumps([mlmd.executions(store, line, run), mlmd.unfinished(store, line)]))"
    )
    call = [node_process.tfx_python(), "-c", code, LINE, run_record.run_id_from(run)]
    done = subprocess.run(call, cwd=paths.REPOSITORY, check=True, capture_output=True, text=True)
    all_executions, unfinished = json.loads(done.stdout.splitlines()[-1])
    states = collections.defaultdict(list)
    for execution in all_executions:
        states[execution["node"]].append(execution["state"])
    return dict(states), unfinished


def outcome(run):
    return fileio.read_json(paths.run_dir(run_record.run_id_from(run)) / "outcome.json")


def versions_of(run):
    return [card["version"] for card in model_registry.versions(LINE) if card["run"] == run_record.run_id_from(run)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack")
    assert newsdesk("demo", str(folder / "all"), "--articles", "16000").returncode == 0

    def drop(day):
        """A span appears whole, as a careful writer makes it."""
        shutil.copytree(folder / "all" / f"span={day}", folder / "news" / f".{day}")
        (folder / "news" / f".{day}").rename(folder / "news" / f"span={day}")

    drop(DAYS[0])
    assert newsdesk("demo", str(folder / "arrivals"), "--drifted", DRIFTED, "--articles", "600").returncode == 0
    with stack_kit.running(folder, SETTINGS.format(source=folder / "news")) as stack:
        stack.drop, stack.source, stack.arrivals = drop, folder / "news", folder / "arrivals"
        yield stack


@pytest.fixture(autouse=True)
def newsdesk_home(stack, monkeypatch):
    """All tests of this file share the stack's state folder."""
    monkeypatch.setenv("NEWSDESK_HOME", str(stack.home))


@pytest.fixture(scope="module")
def first(stack):
    """The line's first release. What is in the source when the stack comes up starts no run by itself."""
    stack.trigger(DAG, "first", {})
    return "first"


def test_a_labelled_span_dropped_into_the_source_starts_a_run_within_a_minute(stack, first):
    assert outcome(first)["state"] == "released"
    stack.drop(DAYS[1])
    (run,) = stack.until(lambda: stack.runs(DAG, "asset_triggered"), seconds=60)
    assert stack.ended(DAG, run["dag_run_id"]) == "success"
    record = run_record.load(run_record.run_id_from(run["dag_run_id"]))
    assert {file["span"] for file in record["files"]} == set(DAYS)
    assert executions(run["dag_run_id"])[0]["Trainer"] == ["COMPLETE"]


def test_drift_asks_for_labels_and_the_labels_start_the_next_run(stack, first):
    assert stack.trigger("news_monitor", "look", {"folder": str(stack.arrivals), "line": LINE}) == "success"
    assert stack.tasks("news_monitor", "look") == {"look": "success", "tell": "success", "read": "success"}
    (batch,) = fileio.read_json_lines(paths.monitor_dir(LINE) / "history.jsonl")
    assert "words" in {warning["rule"] for warning in batch["warnings"]}
    with open(stack.arrivals / f"span={DRIFTED}" / "train.csv", encoding="utf-8", newline="") as file:
        truth = {(title, text): LABELS[int(label) - 1] for label, title, text in csv.reader(file)}
    queue = paths.monitor_dir(LINE) / batch["batch"] / "queue.csv"
    with open(queue, encoding="utf-8-sig", newline="") as file:
        asked = list(csv.DictReader(file))
    answered = stack.home.parent / "answered.csv"
    with open(answered, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, asked[0])
        writer.writeheader()
        writer.writerows({**row, "label": truth[row["title"], row["description"]]} for row in asked)
    before = {run["dag_run_id"] for run in stack.runs(DAG, "asset_triggered")}
    done = newsdesk("label", str(answered), "--into", str(stack.source), "--span", LABELLED, "--line", LINE)
    assert done.returncode == 0, done.stderr
    (run,) = stack.until(lambda: {run["dag_run_id"] for run in stack.runs(DAG, "asset_triggered")} - before, seconds=60)
    assert stack.ended(DAG, run) == "success"
    assert LABELLED in {file["span"] for file in run_record.load(run_record.run_id_from(run))["files"]}


def test_a_file_is_scored_and_housekeeping_shows_before_it_removes(stack, first):
    articles = stack.home.parent / "articles.csv"
    articles.write_text('title,description\nStriker signs for United,"He scored, twice."\n', encoding="utf-8")
    assert stack.trigger("news_score", "scored", {"file": str(articles), "line": LINE}) == "success"
    answers = (paths.scored_dir() / "scored" / "answers.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(answers) == 2 and any(label in answers[1] for label in LABELS)
    stack.rest.switch("news_housekeeping", True)  # off until somebody wants it
    kept = model_registry.versions(LINE), model_registry.champion(LINE)
    for run, wish, state in (("shown", False, "skipped"), ("done", True, "success")):
        assert stack.trigger("news_housekeeping", run, {"apply": wish}) == "success"
        assert stack.tasks("news_housekeeping", run) == {"plan": "success", "apply": state, "ages": "success"}
    assert (model_registry.versions(LINE), model_registry.champion(LINE)) == kept


def test_of_two_runs_at_once_each_leaves_one_version_and_the_held_one_keeps_nobody_waiting(stack):
    for seed, release in ((2, "hold"), (3, "auto")):
        stack.rest.trigger(DAG, f"twin-{seed}", {"seed": seed, "release": release})
    stack.until(lambda: any(run_record.last_event(f"twin-{seed}", "Trainer") for seed in (2, 3)))
    meanwhile = newsdesk("data", "check", "demo", "--json")  # of the same line
    assert meanwhile.returncode == ExitCode.LOCKED
    answer = json.loads(meanwhile.stdout)
    assert (answer["state"], answer["decision"]) == ("locked", None)
    assert any("locked by run twin-" in reason for reason in answer["reasons"])
    assert not list(paths.run_dir("twin-2").parent.glob("check.*"))  # said before a run opened
    assert stack.ended(DAG, "twin-3") == "success"
    stack.until(lambda: stack.tasks(DAG, "twin-2").get("approve") == "awaiting_input")
    assert outcome("twin-2")["state"] == "held" and locks.holder(LINE) is None
    for run in ("twin-2", "twin-3"):
        states, _ = executions(run)
        assert states["Trainer"] == ["COMPLETE"] and all(set(own) <= SOUND for own in states.values())
        assert len(versions_of(run)) == (1 if outcome(run)["state"] in ("released", "held") else 0)
    assert executions("twin-2")[1] == []
    before = model_registry.champion(LINE)
    assert stack.answered("twin-2", "Reject", DAG) == "success"
    assert outcome("twin-2")["state"] == "refused" and model_registry.champion(LINE) == before


def test_a_stack_killed_in_the_middle_of_a_training_ends_the_run_as_if_it_had_not_been(stack):
    stack.rest.trigger(DAG, "killed", LONG)
    log = paths.run_dir("killed")
    stack.until(
        lambda: (
            (event := run_record.last_event("killed", "Trainer") if log.exists() else None)
            and event["state"] == "running"
        )
    )
    stack.until(lambda: list((paths.home() / "checkpoints").glob("*/epoch-*")))
    killed = stack.kill("supervisor", "scheduler", "dag-processor", "api-server")
    stack.up()
    stack.back(killed)
    assert stack.ended(DAG, "killed") == "success"
    states, unfinished = executions("killed")
    assert unfinished == []
    assert states["Trainer"].count("COMPLETE") == 1 and states["Trainer"][-1] == "COMPLETE"
    assert all(own.count("COMPLETE") <= 1 for own in states.values())
    assert outcome("killed")["state"] in ("released", "refused")
    assert len(versions_of("killed")) == (1 if outcome("killed")["state"] == "released" else 0)


@pytest.fixture
def released(stack):
    """A run that ended: the one that was killed, or another where this test runs alone."""
    if not (paths.run_dir("killed") / "outcome.json").exists():
        stack.trigger(DAG, "cleared", {})
        return "cleared"
    return "killed"


def test_cleared_tasks_end_the_run_as_before(stack, released):
    before, ended = model_registry.champion(LINE), outcome(released)
    versions, history = model_registry.versions(LINE), model_registry.history(LINE)
    # Every task is cleared with all that follows it at least once, and each that has an effect outside its folder by itself.
    for node in ("Ingester", "Trainer", "ModelGate", "Pusher", "Registrar"):
        assert stack.clear(DAG, released, node) == "success", node
        assert outcome(released)["state"] == ended["state"], node
        after = model_registry.champion(LINE), model_registry.versions(LINE), model_registry.history(LINE)
        assert after == (before, versions, history), node
        assert locks.holder(LINE) is None, node
    states, unfinished = executions(released)
    assert unfinished == []
    assert set(states["Trainer"][-1:]) <= SOUND and states["Trainer"].count("COMPLETE") == 1
