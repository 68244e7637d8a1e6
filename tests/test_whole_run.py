"""The whole flow on a small demo source, every node real, in this one process: released, unchanged, refused, stopped, locked."""

import os
import signal
import sqlite3
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2
from run_kit import BAG, node, whole

from components import data_gate, ingester
from components.core import fileio, locks, paths, run_record
from components.registry import model_registry
from components.training import warm_start
from pipelines.flow import FLOW
from pipelines.runner import mlmd_store, tfx_launcher

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def newsdesk_home(tmp_path_factory):
    """One state folder for the module: later tests build on the champion of the first."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("whole") / "home"
    patch.setenv("NEWSDESK_HOME", str(folder))
    yield folder
    patch.undo()


@pytest.fixture(scope="module")
def first(small_demo, newsdesk_home):
    """The first run of the line, whose candidate has no champion to beat."""
    return {**BAG, "source": str(small_demo)}


def test_a_first_candidate_is_released_as_version_1_and_everything_about_it_is_recorded(first, capsys):
    states, outcome = whole("first", first, capsys)
    assert outcome["state"] == "released", outcome["reasons"]
    assert (outcome["version"], outcome["pushed"]) == (1, True)
    assert {name for name, state in states.items() if state != "done"} == {"Tuner", "Champion"}
    pointer = model_registry.champion("news")
    folder = paths.serving_dir("news") / "1"
    assert pointer["version"] == 1
    assert model_registry.verify(folder)["digest"] == pointer["digest"]
    (card,) = model_registry.versions("news")
    assert card["metrics"]["rows"] == 120
    assert card["data"]["rows"] == 1080
    assert set(card["metrics"]["per_class"]) == {"World", "Sports", "Business", "Sci/Tech"}
    assert locks.holder("news") is None
    assert list(paths.artifacts_dir("news").rglob("model_run/*/tensorboard/events.out.tfevents.*"))


def test_the_same_data_again_trains_nothing_and_ends_unchanged(first, capsys):
    whole("first", first, capsys)
    states, outcome = whole("again", first, capsys)
    assert (outcome["state"], outcome["pushed"]) == ("unchanged", False)
    ended = {state: {name for name in states if states[name] == state} for state in states.values()}
    assert ended["done"] == {"ModelGate"}
    assert ended["skipped"] == {"Tuner", "Champion", "Canary", "Pusher", "Registrar"}
    assert [event["to"] for event in model_registry.history("news")] == [1]


def test_a_damaged_champion_is_noticed_by_a_run_that_would_be_unchanged(first, capsys):
    whole("first", first, capsys)
    for name in [each.name for each in FLOW][: [each.name for each in FLOW].index("Champion")]:
        node(name, "damaged", first, capsys=capsys)
    weights = next((paths.serving_dir("news") / "1").glob("variables/*.index"))
    original = weights.read_bytes()
    weights.write_bytes(original + b"x")
    try:
        code, result = node("Champion", "damaged", first, capsys=capsys)
        assert (code, result["state"]) == (1, "failed") and "variables.index" in result["reasons"][0]
    finally:
        weights.write_bytes(original)
        node("close", "damaged", {}, capsys=capsys)


def test_a_touched_file_is_the_same_data_and_an_edited_one_is_not(first, small_demo, tmp_path, capsys):
    source = tmp_path / "source"
    source.mkdir()
    train = next(small_demo.glob("span=*/train.csv")).read_text()
    (source / "train.csv").write_text(train)
    config = {**first, "source": str(source)}
    assert node("Ingester", "edit1", config, capsys=capsys)[1]["state"] == "done"
    node("close", "edit1", {}, capsys=capsys)
    status = (source / "train.csv").stat()
    (source / "train.csv").touch()
    assert node("Ingester", "edit2", config, capsys=capsys)[1]["state"] == "cached"
    node("close", "edit2", {}, capsys=capsys)
    (source / "train.csv").write_text(train.replace("a", "e", 1))
    os.utime(source / "train.csv", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (source / "train.csv").stat().st_size == status.st_size
    assert node("Ingester", "edit3", config, capsys=capsys)[1]["state"] == "done"
    node("close", "edit3", {}, capsys=capsys)


def test_a_candidate_is_compared_with_baseline_and_champion_on_the_same_rows(first, capsys):
    whole("first", first, capsys)
    small = {"training.epochs": 1, "network.blocks": 1, "gates.floor": 0.99, "data.min_rows": 100}
    states, outcome = whole("other", {**first, "preset": "transformer", "set": small}, capsys)
    assert outcome["state"] == "refused"
    assert "under the floor" in " ".join(outcome["reasons"])
    assert states["Baseline"] in ("done", "cached")  # the first run has trained the same one
    assert states["Champion"] in ("done", "cached")
    verdict = fileio.read_json(paths.run_dir("other") / "verdict.json")
    assert set(verdict["comparisons"]) == {"baseline", "champion"}
    assert verdict["metrics"]["tfma_accuracy"] == pytest.approx(verdict["metrics"]["accuracy"], abs=1e-3)
    assert model_registry.champion("news")["version"] == 1


def test_the_settings_that_two_trials_chose_are_those_of_the_trainer(first, capsys):
    # Two epochs at a low rate learn little, so that the second trial (four epochs, with this seed) wins.
    asked = {
        **first["set"],
        "training.learning_rate": 0.002,
        "training.epochs": 2,
        "tuning.trials": 2,
        "tuning.rows": 300,
    }
    config = {**first, "set": asked, "seed": 5}
    for name in [each.name for each in FLOW][: [each.name for each in FLOW].index("Trainer") + 1]:
        code, result = node(name, "tuned", config, capsys=capsys)
        assert code == 0, result["reasons"]
    node("close", "tuned", {}, capsys=capsys)
    kept = fileio.read_json(paths.run_dir("tuned") / "tuning.json")
    assert kept["rows"] == 300 and [trial["trial"] for trial in kept["trials"]] == [1, 2]
    chosen = run_record.tuning("tuned")["best"]["set"]
    assert chosen != kept["trials"][0]["set"], "the first trial has the settings as asked"
    artifacts = result["artifacts"]
    history = fileio.read_json(Path(artifacts["model_run"]) / "history.json")
    assert len(history["epochs"]) == chosen["training.epochs"] != 2
    built = fileio.read_json(Path(artifacts["model"], "Format-Serving", warm_start.FOLDER, warm_start.BUILT))
    assert built["network"]["width"] == chosen["network.width"]


def test_release_never_leaves_a_blessed_candidate_unreleased(first, capsys):
    states, outcome = whole("never", {**first, "seed": 5, "release": "never"}, capsys)
    assert not outcome["pushed"]
    assert states["Pusher"] == "skipped"
    assert model_registry.champion("news")["version"] == 1


def test_a_cleared_node_runs_again_and_what_is_below_sees_its_new_output(first, capsys):
    config = {**first, "seed": 7}
    for name in ("Ingester", "StatisticsGen"):
        node(name, "clear", config, attempt="0.1", capsys=capsys)
    before = node("Ingester", "clear", config, attempt="0.1", capsys=capsys)[1]
    after = node("Ingester", "clear", config, attempt="1.1", capsys=capsys)[1]
    assert after["state"] == "done"
    assert after["artifacts"]["examples"] != before["artifacts"]["examples"]
    below = node("StatisticsGen", "clear", config, attempt="1.1", capsys=capsys)[1]
    assert below["state"] == "done"
    node("close", "clear", {}, capsys=capsys)


def test_nodes_repeated_time_after_time_write_into_a_new_folder_each_time(first, capsys):
    # Both refuse a folder in which an earlier attempt left its files.
    nodes = ("ImportSchemaGen", "ExampleValidator", "DataGate")
    for name in ("Ingester", "StatisticsGen"):
        node(name, "often", first, capsys=capsys)
    folders = {name: set() for name in nodes}
    for attempt in ("0.1", "1.1", "2.1", "3.1"):
        for name in nodes:
            code, result = node(name, "often", first, attempt=attempt, capsys=capsys)
            assert code == 0, result["reasons"]
            folders[name].add(tuple(sorted(result["artifacts"].values())))
    assert {len(found) for found in folders.values()} == {4}
    node("close", "often", {}, capsys=capsys)


def interrupted(*args):
    raise KeyboardInterrupt


def test_a_node_killed_without_a_chance_to_tell_mlmd_is_repeated_in_a_new_folder(first, capsys, monkeypatch):
    config = {**first, "set": {**first["set"], "data.eval_fraction": 0.06}}
    for name in ("Ingester", "StatisticsGen", "ImportSchemaGen", "ExampleValidator"):
        node(name, "kill", config, capsys=capsys)
    with monkeypatch.context() as patch:
        patch.setattr(tfx_launcher, "_close_running", lambda *args: None)
        patch.setattr(data_gate, "docs_page", interrupted)  # when Great Expectations' files are written
        with pytest.raises(KeyboardInterrupt):
            node("DataGate", "kill", config, attempt="0.1", capsys=capsys)
    code, result = node("DataGate", "kill", config, attempt="0.2", capsys=capsys)
    assert code == 0, result["reasons"]
    states = [
        e["state"] for e in mlmd_store.executions(mlmd_store.connect(), "news", "kill") if e["node"] == "DataGate"
    ]
    assert states == ["FAILED", "COMPLETE"]
    node("close", "kill", {}, capsys=capsys)


def test_a_node_that_a_signal_ends_is_failed_in_mlmd_and_its_retry_works(first, capsys, monkeypatch):
    config = {**first, "set": {**first["set"], "data.eval_fraction": 0.07}}
    with monkeypatch.context() as patch:
        patch.setattr(ingester, "ingest", lambda *args, **more: os.kill(os.getpid(), signal.SIGTERM))
        code, result = node("Ingester", "signal", config, attempt="0.1", capsys=capsys)
    assert (code, result["state"]) == (1, "failed")
    assert "SIGTERM" in result["reasons"][0]
    with sqlite3.connect(paths.home() / "metadata.sqlite") as database:
        states = [row[0] for row in database.execute("select last_known_state from Execution order by id desc limit 1")]
    assert states == [metadata_store_pb2.Execution.FAILED]
    assert node("Ingester", "signal", config, attempt="0.2", capsys=capsys)[1]["state"] == "done"
    node("close", "signal", {}, capsys=capsys)


def test_a_node_whose_input_was_never_made_is_failed_and_not_green(first, capsys):
    node("Ingester", "gap", {**first, "seed": 8}, capsys=capsys)
    code, result = node("ExampleValidator", "gap", {}, capsys=capsys)
    assert (code, result["state"]) == (1, "failed")
    node("close", "gap", {}, capsys=capsys)


def test_one_class_only_stops_at_the_data_gate_with_exit_code_3(tmp_path, first, capsys):
    folder = tmp_path / "one"
    folder.mkdir()
    rows = "".join(f'"2","Team {i} wins","The match number {i} ended late."\n' for i in range(400))
    (folder / "train.csv").write_text(rows)
    before = model_registry.champion("news")
    states, outcome = whole("one", {**first, "source": str(folder)}, capsys)
    assert list(states)[-1] == "DataGate"
    assert (states["DataGate"], outcome["state"]) == ("stopped", "stopped")
    assert "no train row of class World, Business, Sci/Tech" in " ".join(outcome["reasons"])
    assert model_registry.champion("news") == before


def test_a_missing_column_stops_at_the_ingester_with_file_line_and_column(tmp_path, first, capsys):
    folder = tmp_path / "missing"
    folder.mkdir()
    (folder / "train.csv").write_text("label,title\n1,Something\n")
    code, result = node("Ingester", "missing", {**first, "source": str(folder)}, capsys=capsys)
    assert (code, result["state"]) == (3, "stopped")
    assert all(part in result["reasons"][0] for part in ("train.csv", "line 1", "description"))
    node("close", "missing", {}, capsys=capsys)


def test_a_second_run_on_the_line_ends_locked_and_names_the_first(first, capsys):
    node("Ingester", "holder", first, capsys=capsys)
    code, result = node("Ingester", "second", first, capsys=capsys)
    assert (code, result["state"]) == (4, "locked")
    assert "holder" in result["reasons"][0]
    node("close", "holder", {}, capsys=capsys)
    assert node("Ingester", "second", first, capsys=capsys)[0] == 0
    node("close", "second", {}, capsys=capsys)


def test_a_source_that_does_not_exist_is_a_data_stop_and_frees_the_line(first, capsys):
    code, _ = node("Ingester", "nowhere", {**first, "source": "/no/such/folder"}, capsys=capsys)
    assert code == 3
    assert locks.holder("news") is None


def test_unknown_parameters_are_bad_usage(first, capsys):
    code, result = node("Ingester", "odd", {**first, "sauce": "demo"}, capsys=capsys)
    assert (code, result["state"]) == (2, "usage")
    assert "sauce" in result["reasons"][0]


def test_run_ids_from_outside_become_folder_names_one_for_one():
    names = ["manual__2026-01-01T00:00:00+00:00", "manual__2026-01-01T00_00_00_00_00", "../../etc", "a" * 300]
    found = [run_record.run_id_from(name) for name in names]
    assert len(set(found)) == len(names)
    assert all(paths.safe_name(name, "run id") for name in found)
