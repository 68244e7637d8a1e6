"""A run's record: fixed once, and its outcome told from what its nodes said."""

import json
import threading
from dataclasses import replace

import pytest

from components.core import errors, fileio, locks, paths, run_record
from components.core.records import RunRecord
from components.core.states import Move, NodeState, Release, RunState
from components.networks import encoder_content
from components.registry import model_registry
from pipelines import run_node
from pipelines.config import run_config
from pipelines.flow import NODES
from pipelines.runner import node_code, runs


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "train.csv").write_text('"1","A title","A text."\n')
    return folder


def opened(source, run="r1", **more) -> RunRecord:
    return runs.open_run(run, run_config.Request(source=str(source), **more))


def test_a_run_keeps_the_files_it_resolved_at_its_start(source):
    first = opened(source)
    (source / "train2.csv").write_text('"2","B","C"\n')
    assert opened(source) == first
    assert [f["split"] for f in first["files"]] == ["train"]


def test_the_end_of_the_interval_is_the_runs_time_and_else_its_creation(source):
    assert opened(source, as_of="2026-03-01T00:00:00Z")["as_of"] == "2026-03-01T00:00:00+00:00"
    runs.close_run("r1")
    record = opened(source, "r2")
    assert record["as_of"] == record["created"]


def test_the_data_hash_follows_content_and_not_names_or_times(source):
    first = opened(source)["data_hash"]
    runs.close_run("r1")
    (source / "train.csv").rename(source / "train-b.csv")
    (source / "train-b.csv").touch()
    assert opened(source, "r2")["data_hash"] == first
    runs.close_run("r2")
    (source / "train-b.csv").write_text('"1","A title","B text."\n')
    assert opened(source, "r3")["data_hash"] != first


def test_a_run_that_cannot_start_gives_the_line_back(tmp_path):
    with pytest.raises(Exception, match="folder that exists"):
        opened(tmp_path / "none")
    assert locks.holder("news") is None


def test_a_later_node_of_a_run_that_never_opened_fails_with_the_reason():
    with pytest.raises(run_record.RunError, match="opened by its first node"):
        run_record.load("never")


@pytest.mark.parametrize(
    ("events", "verdict", "release", "state"),
    [
        ([("Ingester", "stopped")], None, None, "stopped"),
        ([("Ingester", "done"), ("Trainer", "running")], None, None, "failed"),
        ([("Ingester", "failed"), ("Ingester", "done")], None, None, "failed"),
        ([("ModelGate", "done")], "refused", None, "refused"),
        ([("ModelGate", "done")], "unchanged", None, "unchanged"),
        ([("Registrar", "done")], "blessed", {"state": "released", "version": 3, "folder": "f"}, "released"),
        ([("Trainer", "failed"), ("Trainer", "done"), ("Registrar", "done")], "blessed",
         {"state": "held", "version": 3, "folder": "f"}, "held"),
    ],
)  # fmt: skip
def test_the_outcome_of_a_run_follows_the_last_state_of_its_nodes(source, events, verdict, release, state):
    opened(source)
    for node, node_state in events:
        run_record.add_event("r1", node, node_state, 1.0, "headline")
    folder = paths.run_dir("r1")
    if verdict:
        fileio.write_json(folder / "verdict.json", {"decision": verdict, "reasons": ["why"], "metrics": {}})
    if release:
        fileio.write_json(folder / "release.json", release)
    outcome = runs.close_run("r1")
    assert outcome["state"] == state
    assert outcome["pushed"] == (release is not None)
    assert locks.holder("news") is None
    assert runs.close_run("r1") == outcome


def test_events_go_to_the_run_and_to_the_file_that_a_follower_named(source, tmp_path, monkeypatch):
    monkeypatch.setenv("NEWSDESK_EVENTS", str(tmp_path / "events"))
    opened(source)
    run_record.add_event("r1", "Ingester", "done", 1.25, "fine")
    assert fileio.read_json_lines(tmp_path / "events") == fileio.read_json_lines(paths.run_dir("r1") / "events.jsonl")
    assert run_record.last_event("r1", "Ingester")["headline"] == "fine"


def test_the_library_hash_is_the_same_whatever_was_imported_before():
    import sys

    before = node_code.library_hash()
    sys.path.append(str(paths.REPOSITORY))
    try:
        assert node_code.library_hash() == before
    finally:
        sys.path.pop()


def test_the_state_folder_of_another_version_is_refused_with_words(newsdesk_home):
    newsdesk_home.mkdir()
    (newsdesk_home / "VERSION").write_text("99\n")
    with pytest.raises(errors.HomeError, match="99"):
        paths.ensure()


def test_an_unwritable_state_folder_is_refused_before_anything_runs(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEWSDESK_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(errors.HomeError, match="this user can write"):
        paths.ensure()


def test_a_second_attempt_of_a_node_waits_for_the_first(source, capsys):
    opened(source)
    order = []

    def second():
        with run_node._alone("r1", "Trainer"):
            order.append("second")

    with run_node._alone("r1", "Trainer"):
        thread = threading.Thread(target=second)
        thread.start()
        while "waiting for it" not in capsys.readouterr().err:
            assert thread.is_alive()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


@pytest.mark.parametrize(
    ("theirs", "trigger"),
    [
        ("manual__2026-11-22T17:58:04.125527+00:00", "manual"),
        ("scheduled__2026-11-22T06:00:00-05:00", "scheduled"),
        ("asset_triggered__2026-11-22T06:00:00+00:00_ab12", "asset"),
        ("by-hand", "manual"),
    ],
)
def test_airflow_s_own_id_is_found_again_from_the_run_s_folder(theirs, trigger):
    assert run_record.airflow_id(run_record.run_id_from(theirs), trigger) == theirs


@pytest.mark.parametrize(
    ("run", "trigger"), [("cli.20261122T192345.0dd9b2", "cli"), (run_record.run_id_from("a:b"), "manual")]
)
def test_a_run_without_one_or_with_an_odd_one_has_none(run, trigger):
    assert run_record.airflow_id(run, trigger) == ""


def test_two_lines_on_one_cron_have_runs_of_their_own():
    theirs = "scheduled__2026-11-22T17:38:00+00:00"
    first, second = run_record.run_of("news_retrain", theirs), run_record.run_of("news_retrain_sports", theirs)
    assert first == run_record.run_id_from(theirs) != second
    assert run_record.airflow_id(first, "scheduled") == run_record.airflow_id(second, "scheduled") == theirs


@pytest.mark.parametrize("family", ["bag", "transformer"])
def test_a_candidate_of_the_baseline_s_own_family_is_compared_with_no_baseline(source, family):
    record = opened(source, preset="bag")
    record["config"]["baseline"]["family"] = family
    assert bool(run_node._skip(record, NODES["Baseline"])) == (family == "bag")


@pytest.mark.parametrize(("trials", "skipped"), [(0, True), (3, False)])
def test_the_tuner_is_skipped_unless_the_run_asks_for_trials(source, trials, skipped):
    record = opened(source, set={"tuning.trials": trials})
    assert bool(run_node._skip(record, NODES["Tuner"])) == skipped
    assert run_node._skip(record, NODES["Trainer"]) == ""


@pytest.mark.parametrize(
    ("kind", "reason"), [("lost", "version 3 is recorded as lost: the disk failed"), ("release", "")]
)
def test_a_champion_that_is_recorded_as_lost_is_not_loaded(source, kind, reason):
    pointer = {"version": 3, "digest": "d", "event": {"kind": kind, "reason": "the disk failed"}}
    record = replace(opened(source), champion=pointer)
    assert run_node._skip(record, NODES["Champion"]) == reason


def record_of(**more) -> RunRecord:
    return RunRecord.from_json({"run": "r1", **node_code.snapshot(), **more})


def test_a_node_of_a_run_whose_code_changed_refuses_and_names_the_file(source, capsys):
    record = opened(source)
    record["code_files"]["components/data/row_format.py"] = "another hash"
    fileio.write_json(paths.run_dir("r1") / "run.json", record)
    assert run_node.execute(run_node.parse(["--node", "Tokenizer", "--run-id", "r1"])) == 1
    (reason,) = json.loads(capsys.readouterr().out)["reasons"]
    assert "changed since run r1 was opened: components/data/row_format.py. Put it back, or start a new run" in reason


def test_a_run_of_a_version_that_kept_no_list_of_code_is_to_be_started_anew(source):
    record = opened(source)
    record = replace(record, code_files={})
    with pytest.raises(runs.Changed, match="another version of Newsdesk"):
        runs.check_unchanged(record, NODES["Trainer"])


def test_an_encoder_overwritten_while_a_run_is_open_stops_the_nodes_that_read_it(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    network = {"encoder": f"hf:{tmp_path}"}
    record = record_of(encoders=encoder_content.resolve(network))
    runs.check_unchanged(record, NODES["Trainer"])
    (tmp_path / "config.json").write_text("[]")
    runs.check_unchanged(record, NODES["StatisticsGen"])
    with pytest.raises(runs.Changed, match=f"hf:{tmp_path}"):
        runs.check_unchanged(record, NODES["Trainer"])


def test_a_run_records_the_content_of_an_encoder_that_is_used_for_word_vectors_alone(source):
    record = opened(source, preset="transformer")
    assert record["config"]["network"]["vectors"] in record["encoders"]


def test_a_run_with_an_encoder_that_is_not_there_does_not_open_and_gives_the_line_back(source):
    with pytest.raises(run_config.ConfigError, match="must hold its files"):
        opened(source, preset="bert-frozen", set={"network.encoder": "hf:/no/such/folder"})
    assert locks.holder("news") is None


@pytest.mark.parametrize("name", ["~", "...", "日本"])
def test_a_run_id_without_a_letter_or_digit_gets_a_folder_name(name):
    folder = run_record.run_id_from(name)
    assert paths.safe_name(folder, "run id").startswith("run.")
    assert run_record.run_id_from(folder) == folder


def test_a_state_folder_that_an_earlier_version_wrote_reads_as_it_was_meant(home_of_0_2_0):
    run = "cli.20261128T000334.3d778d"
    kept = fileio.read_json(paths.run_dir(run) / "outcome.json")
    assert runs.outcome_of(run) == kept and kept["state"] == RunState.RELEASED
    assert run_record.load(run)["config"]["release"] == Release.AUTO
    assert run_record.last_event(run, "Trainer")["state"] == NodeState.DONE
    assert model_registry.history("news-demo")[0]["kind"] == Move.RELEASE
    runs.refuse(run, ["a later check"])  # and is written in the same words
    assert '"decision": "refused"' in (paths.run_dir(run) / "verdict.json").read_text()
