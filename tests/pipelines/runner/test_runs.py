"""A run's record: fixed once, and its outcome told from what its nodes said."""

import threading

import pytest

from components.core import errors, fileio, locks, paths, run_record
from pipelines import run_node
from pipelines.config import run_config
from pipelines.flow import NODES
from pipelines.runner import runs


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "train.csv").write_text('"1","A title","A text."\n')
    return folder


def opened(source, run="r1", **more) -> dict:
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


def test_a_later_node_without_an_opened_run_is_told_so():
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
def test_the_outcome_of_a_run_is_what_its_nodes_said_last(source, events, verdict, release, state):
    opened(source)
    for node, said in events:
        run_record.add_event("r1", node, said, 1.0, "headline")
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

    before = runs.library_hash()
    sys.path.append(str(paths.REPOSITORY))
    try:
        assert runs.library_hash() == before
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


@pytest.mark.parametrize("name", ["~", "...", "日本"])
def test_a_run_id_without_a_letter_or_digit_gets_a_folder_name(name):
    folder = run_record.run_id_from(name)
    assert paths.safe_name(folder, "run id").startswith("run.")
    assert run_record.run_id_from(folder) == folder


@pytest.mark.parametrize("family", ["bag", "transformer"])
def test_a_candidate_of_the_baseline_s_own_family_is_compared_with_no_baseline(source, family):
    record = opened(source, model="bag")
    record["config"]["baseline"]["family"] = family
    assert bool(run_node._skip(record, NODES["Baseline"])) == (family == "bag")
