"""What `newsdesk doctor` finds wrong between pointer, history, folders, locks, staging and MLflow, and what it mends."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys

import published
import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from components.core import fileio, locks, paths, run_record
from components.registry import model_registry, tf_serving_config
from pipelines.cli import main
from pipelines.operations import doctor, doctor_line, doctor_state
from pipelines.reports import model_card

LINE = published.LINE


@pytest.fixture
def two(monkeypatch):
    """Two versions, the second serves; MLflow is not looked at."""
    monkeypatch.setattr(doctor_line, "behind", lambda line: "")
    release("run-1")
    release("run-2", "shifted")


def release(run, kind="good", line=LINE):
    """As the Registrar leaves it: with its model card."""
    model_card.write(line, published.release(run, kind, line))


def wrong():
    """What is wrong, by what was looked at."""
    return {what: says for what, ok, says in doctor.findings() if not ok}


def mended():
    return list(doctor.repair())


def test_nothing_is_wrong_with_a_line_that_is_in_step(two):
    assert wrong() == {}
    assert mended() == []


def test_an_empty_home_is_well(newsdesk_home):
    assert {what for what in wrong() if what not in doctor_state.PACKAGES} <= {"Airflow environment"}
    assert mended() == []


def test_a_damaged_champion_and_a_damaged_previous_have_findings_of_their_own(two):
    for number in (1, 2):
        (paths.serving_dir(LINE) / str(number) / "saved_model.pb").write_bytes(b"flipped")
    findings = wrong()
    assert "differs in saved_model.pb" in findings["champion of news"]
    assert "newsdesk rollback" in findings["champion of news"]
    assert "A rollback would fail" in findings["previous of news"]


@pytest.mark.parametrize("how", ["lost", "cut short"])
def test_a_pointer_is_restored_from_the_history(two, how):
    path = paths.registry_dir(LINE) / "champion.json"
    whole = path.read_text()
    path.unlink() if how == "lost" else path.write_text(whole[:40])
    assert "--repair" in wrong()["champion of news"]
    assert mended() == [(True, "restored the champion pointer of news from the history: version 2")]
    assert path.read_text() == whole
    assert wrong() == {}


def test_a_promotion_that_a_crash_kept_out_of_the_history_is_added(two):
    path = paths.registry_dir(LINE) / "promotions.jsonl"
    whole = path.read_text()
    path.write_text(whole.splitlines(keepends=True)[0] + '{"sequ')
    assert "history of news" in wrong()
    assert mended() == [(True, "added the last promotion to the history of news")]
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        json.loads(line) for line in whole.splitlines()
    ]


def test_a_version_that_was_pushed_and_never_registered_is_set_aside_where_nothing_serves_it(two):
    published.push("run-3")
    assert "version 3 was pushed but never registered" in wrong()["serving of news"]
    assert [done for done, _ in mended()] == [True]
    assert model_registry.numbered(paths.serving_dir(LINE)) == [1, 2]
    assert model_registry.verify(model_registry.held_dir(LINE) / "3")["run"] == "run-3"
    assert wrong() == {}


def test_while_a_run_works_its_push_is_left_alone(two):
    locks.take_line(LINE, "run-3", os.getpid())
    published.push("run-3")
    (paths.staging_dir() / "run-3.part").mkdir()
    assert wrong() == {}
    assert mended() == []


def test_one_repair_frees_a_dead_run_s_line_closes_the_run_and_removes_its_leftovers(two):
    gone = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    locks.take_line(LINE, "run-3", gone.pid)
    gone.communicate(b"\n")
    fileio.write_json(paths.run_dir("run-3") / "run.json", {"run": "run-3", "config": {"line": LINE}})
    run_record.add_event("run-3", "Trainer", "running")
    (paths.staging_dir() / "run-3.1234").mkdir()
    (paths.staging_dir() / "stray").write_text("")
    for path in paths.staging_dir().iterdir():
        os.utime(path, (0, 0))
    assert set(wrong()) == {"lock of news", "staging"}
    assert len(mended()) == 3
    assert locks.holder(LINE) is None
    assert fileio.read_json(paths.run_dir("run-3") / "outcome.json")["state"] == "failed"
    assert list(paths.staging_dir().iterdir()) == []
    assert wrong() == {}


def test_what_another_process_has_in_staging_stays_until_it_is_old(two):
    folders = [paths.staging_dir() / name for name in ("mlflow.x", "metadata.y", "store.cache", "restore-news-1.z")]
    for folder in folders:
        (folder / "below").mkdir(parents=True)
        (folder / "below" / "part").write_text("")
        os.utime(folder, (0, 0))  # it grows further down
    assert wrong() == {} and mended() == []
    for folder in folders:
        os.utime(folder / "below" / "part", (0, 0))
        os.utime(folder / "below", (0, 0))
    assert set(wrong()) == {"staging"}
    assert len(mended()) == 4
    assert wrong() == {} and list(paths.staging_dir().iterdir()) == []


def test_a_failed_repair_is_reported_and_the_other_lines_are_repaired(two):
    release("run-1", line="news-demo")
    (paths.registry_dir("news") / "champion.json").write_text("{")
    (paths.serving_dir("news") / "2" / "saved_model.pb").unlink()
    (paths.registry_dir("news-demo") / "champion.json").unlink()
    (done, demo), (left, real) = sorted(mended(), reverse=True)
    assert (done, left) == (True, False)
    assert "restored the champion pointer of news-demo from the history: version 1" in demo
    assert "differs in saved_model.pb" in real


def test_a_registered_version_that_retention_removed_is_no_fault(two):
    release("run-3", "swapped")
    shutil.rmtree(paths.serving_dir(LINE) / "1")
    model_registry.note_removed(LINE, 1, "retention")
    assert wrong() == {}
    assert "removed by retention: version 1" in {w: s for w, _, s in doctor.findings()}["serving of news"]


def test_a_record_whose_folder_is_missing_is_reported_and_noted(two):
    release("run-3", "swapped")
    shutil.rmtree(paths.serving_dir(LINE) / "1")
    assert "the folder of registered version 1 is gone" in wrong()["serving of news"]
    assert mended() == [(True, "recorded that the folder of version 1 of news is gone")]
    assert model_registry.removed(LINE)[1]["why"] == "its folder was found gone"
    assert wrong() == {}


@pytest.mark.parametrize("how", ["lost", "stale", "garbage"])
def test_tensorflow_serving_s_file_that_does_not_follow_the_pointer_is_written_anew(two, how):
    path = tf_serving_config.path(LINE)
    whole = path.read_text()
    path.write_bytes(b"\xff{") if how == "garbage" else path.unlink()
    if how == "stale":
        path.write_text(tf_serving_config.text(LINE, paths.serving_dir(LINE), 1, None))
    assert "does not follow the pointer" in wrong()["models.config of news"]
    assert mended() == [(True, "updated TensorFlow Serving's models.config of news")]
    assert path.read_text() == whole
    assert wrong() == {}


def test_a_model_card_that_a_crash_kept_from_being_written_is_written(two):
    model_card.card_files(LINE, 2)["html"].unlink()
    assert "missing for version 2" in wrong()["model cards of news"]
    assert mended() == [(True, "wrote the model card of news version 2")]
    assert wrong() == {}


def test_what_mlmd_takes_for_running_or_for_present_and_is_not_is_corrected(two):
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(paths.home() / "metadata.sqlite")
    store = metadata_store.MetadataStore(config)
    contexts = [
        store.put_contexts([pb.Context(type_id=store.put_context_type(pb.ContextType(name=kind)), name=name)])[0]
        for kind, name in (("pipeline_run", f"{LINE}.run-9"), ("node", f"{LINE}.Trainer"))
    ]
    kind = store.put_execution_type(pb.ExecutionType(name="Trainer"))
    one = store.put_executions([pb.Execution(type_id=kind, last_known_state=pb.Execution.RUNNING)])[0]
    store.put_attributions_and_associations([], [pb.Association(context_id=c, execution_id=one) for c in contexts])
    model = store.put_artifact_type(pb.ArtifactType(name="Model"))
    gone = str(paths.artifacts_dir(LINE) / "Trainer/model/1")
    store.put_artifacts([pb.Artifact(type_id=model, uri=gone, state=pb.Artifact.LIVE)])
    messages = [says for what, ok, says in doctor.findings() if not ok]
    assert any("Trainer of run-9 is recorded as running" in says for says in messages)
    assert any(f"are gone from disk, such as {gone}" in says for says in messages)
    assert [done for done, _ in mended()] == [True, True]
    assert wrong() == {}
    assert store.get_executions()[0].last_known_state == pb.Execution.FAILED
    assert store.get_artifacts()[0].state == pb.Artifact.DELETED


def test_json_output_and_exit_code_of_a_repair(two, capsys):
    (paths.registry_dir(LINE) / "champion.json").unlink()
    assert main.main(["doctor", "--json"]) == 1
    capsys.readouterr()
    assert main.main(["doctor", "--json", "--repair"]) == 0
    shown = capsys.readouterr()
    assert all(finding["ok"] for finding in json.loads(shown.out))
    assert "fixed  restored the champion pointer of news" in shown.err


def test_an_mlflow_database_that_is_none_is_reported_set_aside_and_followed_anew():
    release("run-1")
    (paths.home() / "mlflow.db").write_text("not a database, " * 100)
    assert "mlflow.db cannot be read" in wrong()["MLflow"]
    assert all(done for done, _ in mended())
    assert wrong() == {}
    assert len(list(paths.home().glob("mlflow.db.damaged-*"))) == 1


def test_mlflow_is_made_to_follow_and_an_alias_changed_by_hand_is_reported_not_obeyed():
    release("run-1")
    release("run-2", "shifted")
    messages = wrong()["MLflow's news"]
    assert messages.startswith("it lacks version 1, 2; its alias champion is None, but the registry's is 2")
    assert (True, "brought MLflow up to date with news") in mended()
    assert wrong() == {}
    with sqlite3.connect(paths.home() / "mlflow.db") as database:
        database.execute("update registered_model_aliases set version = 1 where alias = 'champion'")
    assert "its alias champion is 1, but the registry's is 2" in wrong()["MLflow's news"]
    assert model_registry.champion(LINE)["version"] == 2
