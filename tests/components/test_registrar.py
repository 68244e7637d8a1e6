"""Registering a pushed version: card, pointer, history, MLflow; once, in an order that a failure anywhere leaves whole."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import published
import pytest
from tfx.types.standard_artifacts import ModelBlessing, PushedModel, String

from components import pusher
from components.artifacts import Quarantine
from components.core import errors, fileio, locks, paths, run_record
from components.registrar import Registrar
from components.registry import manifest, mlflow_sync, model_registry, object_store, store_publisher, version_card
from pipelines.cli import release
from pipelines.reports import after_node, model_card
from pipelines.runner import runs

LINE, RUN = published.LINE, "run-2"
CONFIG = {
    "line": LINE, "preset": "bag", "seed": 1, "release": "auto", "source": "demo", "window": "all",
    "data": {"checks": {}, "reason": ""},
}  # fmt: skip


@pytest.fixture
def told(monkeypatch):
    """What MLflow was told: (version of the card, aliases)."""
    calls = []
    monkeypatch.setattr(mlflow_sync, "follow", lambda line, card, aliases: calls.append((card["version"], aliases)))
    return calls


@pytest.fixture
def run(tmp_path):
    """A run that passed the gate on a line where version 1 serves; returns a function that runs its last node."""
    published.release("run-1")
    artifacts = {
        "quarantine": Quarantine(),
        "blessing": ModelBlessing(),
        "pushed": PushedModel(),
        "registered": String(),
    }
    for name, artifact in artifacts.items():
        artifact.uri = str(tmp_path / name)
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / "report.json").write_text(
        json.dumps({"files": [{"split": "train", "in": 400}, {"split": "test", "in": 99}]})
    )
    (tmp_path / "quarantine" / "profile.json").write_text(json.dumps({"train": {"rows": 400}}))
    artifacts["blessing"].set_int_custom_property("blessed", 1)
    record = {
        "run": RUN, "config": CONFIG, "champion": model_registry.champion(LINE), "code": "c0de", "as_of": "2025-01-02",
        "data_hash": "da7a", "files": ["train.csv", "test.csv"],
    }  # fmt: skip

    def work(release="auto", kind="shifted", between=lambda folder: None, attempt=""):
        fileio.write_json(paths.run_dir(RUN) / "run.json", {**record, "config": {**CONFIG, "release": release}})
        metrics = {"accuracy": 0.95, "interval": [0.93, 0.97], "rows": 400, "per_class": {"Sports": 0.9}}
        verdict = {
            "decision": "blessed",
            "reasons": ["it passed"],
            "warnings": [],
            "metrics": metrics,
            "comparisons": {},
        }
        version, folder = published.push(RUN, kind, hold=release == "hold")
        blessing = Path(artifacts["blessing"].uri)
        digest = manifest.write_judged(blessing, model_registry.folder_hashes(published.model(kind)))
        fileio.write_json(paths.run_dir(RUN) / "verdict.json", {**verdict, "digest": digest})
        artifacts["pushed"].set_int_custom_property("pushed", 1)
        artifacts["pushed"].set_string_custom_property("pushed_destination", str(folder))
        artifacts["pushed"].set_string_custom_property("pushed_version", str(version))
        locks.take_line(LINE, RUN, os.getpid(), "Registrar", attempt)
        between(folder)
        Registrar.test_call(run=RUN, attempt=attempt, **artifacts)
        after_node.draw("Registrar", RUN, {})
        return artifacts["registered"]

    return work


def test_a_released_version_gets_card_pointer_event_and_both_aliases(run, told):
    registered = run()
    assert json.loads(registered.value) == {
        "state": "released",
        "version": 2,
        "folder": str(paths.serving_dir(LINE) / "2"),
    }
    card = model_registry.card(LINE, 2)
    assert (card["run"], card["data"]["rows"], card["data"]["hash"], card["metrics"]["accuracy"]) == (
        RUN,
        400,
        "da7a",
        0.95,
    )
    event = model_registry.champion(LINE)["event"]
    assert (event["kind"], event["from"], event["to"], event["reason"]) == ("release", 1, 2, "it passed")
    assert event["evidence"]["run"] == RUN
    assert told[-1] == (2, {2: ["champion"], 1: ["previous"]})


def test_what_the_nodes_reported_is_kept_with_the_version_and_told_on_its_card(run, told, tmp_path):
    reports = {
        ("Tokenizer", "vocabulary", "report.json"): {
            "tokens": 17,
            "fingerprint": "f00d",
            "eval": {"unknown_share": 0.5},
        },
        ("Trainer", "model_run", "history.json"): {
            "epochs": [{"seconds": 2.0, "val_accuracy": a} for a in (0.5, 0.7, 0.6)]
        },
        ("Canary", "blessing", "report.json"): {"p50_ms": 1.0, "p99_ms": 3.0, "label_ids": [1, 2], "faults": []},
    }
    for (node, key, name), value in reports.items():
        fileio.write_json(tmp_path / node / name, value)
        spent = {"cpu_seconds": 3.5, "peak_mb": 900.0}
        run_record.add_event(RUN, node, "done", 2.5, artifacts={key: str(tmp_path / node)}, cost=spent)
    run()
    assert model_registry.card(LINE, 2)["vocabulary"] == "f00d"
    assert model_registry.card(LINE, 2)["mlmd"] == "news.run-2"
    origin = fileio.read_json(model_registry.origin_path(LINE, 2))
    assert origin["training"] == {"epochs": 3, "seconds": 6.0, "accuracy": 0.7}
    assert origin["canary"] == {"p50_ms": 1.0, "p99_ms": 3.0, "faults": []}
    assert origin["bytes"] > 1000 and origin["libraries"]["tensorflow"] == version("tensorflow")
    assert "label_ids" not in json.dumps(origin)
    assert set(origin["cost"]) == {"Tokenizer", "Trainer", "Canary"}
    assert origin["cost"]["Trainer"] == {"state": "done", "seconds": 2.5, "cpu_seconds": 3.5, "peak_mb": 900.0}
    shown = model_card.card_files(LINE, 2)["md"].read_text()
    assert "It is the line's champion" in shown and "17 tokens" in shown
    assert "It is the line's previous" in model_card.card_files(LINE, 1)["md"].read_text()


def test_registering_twice_is_registering_once(run, told):
    run()
    before = [model_registry.card(LINE, 2), model_registry.history(LINE), model_registry.champion(LINE)]
    run()
    assert [model_registry.card(LINE, 2), model_registry.history(LINE), model_registry.champion(LINE)] == before


def test_a_held_version_is_registered_and_does_not_serve(run, told):
    run("hold")
    assert model_registry.champion(LINE)["version"] == 1
    assert model_registry.card(LINE, 2)["folder"] == str(model_registry.held_dir(LINE) / "2")
    assert fileio.read_json(paths.run_dir(RUN) / "release.json")["state"] == "held"


def test_a_retry_after_a_rollback_does_not_bring_the_version_back(run, told):
    run()
    release.rollback(LINE, "it was bad")
    run()
    assert model_registry.champion(LINE)["version"] == 1


def test_a_champion_that_changed_meanwhile_is_not_overwritten_and_the_version_waits_for_a_person(run, told):
    def promote(folder):
        version, other = published.push("run-3", "swapped")
        published.register(version, other, "run-3")
        model_registry.move_champion(LINE, model_registry.champion(LINE), version, "promote", "by a person", {})

    headline = run(between=promote).get_string_custom_property("headline")
    assert "held" in headline and "version 3 (move 2) serves now" in headline
    assert model_registry.champion(LINE)["version"] == 3
    assert model_registry.numbered(paths.serving_dir(LINE)) == [1, 3]
    assert model_registry.card(LINE, 2)["folder"] == str(model_registry.held_dir(LINE) / "2")
    outcome = runs.outcome_of(RUN)
    assert outcome["state"] == "held" and "version 1 (move 1)" in outcome["reasons"][0]
    release.promote(LINE, 2, "it is good")
    assert model_registry.verify(paths.serving_dir(LINE) / "2")["run"] == RUN


@pytest.mark.parametrize("at", ["before the Registrar", "before the pointer"])
def test_a_tampered_byte_of_a_pushed_model_is_a_refusal_that_names_the_file_and_nothing_is_served(
    run, told, monkeypatch, at
):
    def tamper(folder):
        data = bytearray((folder / "saved_model.pb").read_bytes())
        data[len(data) // 2] ^= 1
        (folder / "saved_model.pb").write_bytes(bytes(data))

    if at == "before the pointer":
        monkeypatch.setattr(mlflow_sync, "follow", lambda *_: tamper(paths.serving_dir(LINE) / "2"))
    registered = run(between=tamper if at == "before the Registrar" else lambda folder: None)
    assert "differs in saved_model.pb" in registered.get_string_custom_property("refused")
    assert model_registry.champion(LINE)["version"] == 1
    assert model_registry.numbered(paths.serving_dir(LINE)) == [1]
    assert len(model_registry.history(LINE)) == 1
    assert not (paths.run_dir(RUN) / "release.json").exists()


def test_a_released_run_that_was_cleared_and_trained_another_model_keeps_what_it_released(run, told, tmp_path):
    run()
    champion, card = model_registry.champion(LINE), model_registry.card(LINE, 2)

    def train_again(folder):
        digest = manifest.write_judged(tmp_path / "blessing", model_registry.folder_hashes(published.model("swapped")))
        verdict = fileio.read_json(paths.run_dir(RUN) / "verdict.json")
        fileio.write_json(paths.run_dir(RUN) / "verdict.json", {**verdict, "digest": digest})

    registered = run(between=train_again)
    assert json.loads(registered.value)["state"] == "released"
    assert "trained again is not published" in registered.get_string_custom_property("headline")
    assert (model_registry.champion(LINE), model_registry.card(LINE, 2)) == (champion, card)


def test_another_model_under_a_whole_manifest_is_refused(run, told):
    """The folder and its manifest were changed together, so that they agree."""

    def replace(folder):
        manifest = model_registry.verify(folder)
        shutil.copyfile(published.model("swapped") / "saved_model.pb", folder / "saved_model.pb")
        (folder / "saved_model.pb").write_bytes((folder / "saved_model.pb").read_bytes() + b"\0")
        fileio.write_json(folder / model_registry.MANIFEST, {**manifest, "files": model_registry.folder_hashes(folder)})

    registered = run(between=replace)
    assert "what the model gate judged" in registered.get_string_custom_property("refused")
    assert "saved_model.pb" in registered.get_string_custom_property("refused")
    assert model_registry.champion(LINE)["version"] == 1


def test_a_registrar_that_wakes_up_after_another_run_took_the_line_moves_no_pointer(run, told):
    def lose(folder):
        locks.free_line(LINE, RUN)
        locks.take_line(LINE, "run-3", os.getpid())

    with pytest.raises(locks.LostClaim, match=r"run run-2 lost line 'news'.*run run-3 holds it"):
        run(between=lose)
    assert model_registry.champion(LINE)["version"] == 1
    assert model_registry.numbered(paths.serving_dir(LINE)) == [1]
    assert locks.holder(LINE)["run"] == "run-3"


def test_an_attempt_that_outlived_its_worker_moves_no_pointer_once_a_later_one_has_started(run, told):
    with pytest.raises(
        locks.Superseded, match=r"attempt 0.1 at Registrar of run run-2 published nothing, because attempt 0.2"
    ):
        run(attempt="0.1", between=lambda folder: locks.take_line(LINE, RUN, None, "Registrar", "0.2"))
    assert model_registry.champion(LINE)["version"] == 1
    run(attempt="0.2")
    assert model_registry.champion(LINE)["version"] == 2


def test_while_mlflow_is_down_the_old_champion_serves_on_and_the_retry_succeeds(run, monkeypatch, told):
    def down(*_):
        raise ConnectionError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_sync, "follow", down)
        with pytest.raises(ConnectionError):
            run()
        assert model_registry.champion(LINE)["version"] == 1
    run()
    assert model_registry.champion(LINE)["version"] == 2


def test_while_the_object_store_is_away_the_old_champion_serves_on_and_the_retry_releases(s3, store, run, told):
    s3.away = True
    with pytest.raises(object_store.StoreError, match="must answer"):
        run()
    assert model_registry.champion(LINE)["version"] == 1
    s3.away = False
    run()
    assert runs.outcome_of(RUN)["state"] == "released"
    assert store_publisher.read_pointer(store, LINE)[0]["version"] == model_registry.champion(LINE)["version"] == 2


def test_a_pointer_that_another_desk_moved_in_the_object_store_leaves_the_version_to_a_person(store, run, told):
    (theirs, etag), key = store_publisher.read_pointer(store, LINE), store_publisher.pointer_key(LINE)
    event = {**theirs["event"], "sequence": 2, "from": 1, "to": 1, "who": "somebody"}
    store.replace(key, json.dumps({**theirs, "event": event, "desk": "another"}).encode(), etag)
    run()
    outcome = runs.outcome_of(RUN)
    assert outcome["state"] == "held"
    assert "version 1 (move 1). Received: version 1 (move 2) serves now" in outcome["reasons"][0]
    assert model_registry.champion(LINE)["event"]["who"] == "somebody"
    assert model_registry.folder(LINE, 2).parent.name == "held"


def test_a_crash_after_the_object_store_s_pointer_moved_is_made_good_by_the_retry(store, run, told, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(OSError, match="no space"):
        patched.setattr(model_registry, "write_move", lambda line, pointer: (_ for _ in ()).throw(OSError("no space")))
        run()
    assert model_registry.champion(LINE)["version"] == 1
    run()
    assert runs.outcome_of(RUN)["state"] == "released"
    assert [event["to"] for event in model_registry.recorded(LINE)] == [1, 2]


def test_when_mlflow_fails_after_the_pointer_moved_the_release_stands_and_says_so(run, monkeypatch):
    def once(line, card, aliases):
        if 2 in aliases:
            raise ConnectionError("no answer")

    monkeypatch.setattr(mlflow_sync, "follow", once)
    assert "MLflow is not up to date" in run().get_string_custom_property("headline")
    assert model_registry.champion(LINE)["version"] == 2


@pytest.mark.parametrize("at", ["card", "before the pointer", "after the pointer", "the history"])
def test_a_crash_between_any_two_writes_is_made_good_by_the_retry(run, told, monkeypatch, at):
    """In a child that ends as kill -9 would, before or after the write named."""
    run_pushed = published.push(RUN, "shifted")
    child = os.fork()
    if not child:
        write, append, move = fileio.write_json, fileio.append_json, model_registry.move_champion
        if at == "card":
            fileio.write_json = lambda path, value: (
                os._exit(9) if path.parent.name == "versions" else write(path, value)
            )
        elif at == "before the pointer":
            model_registry.move_champion = lambda *_, **__: os._exit(9)
        elif at == "after the pointer":
            model_registry.move_champion = lambda *more: (move(*more), os._exit(9))
        else:
            fileio.append_json = lambda path, value: (
                os._exit(9) if path.name == "promotions.jsonl" else append(path, value)
            )
        try:
            run()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    model_registry.verify(paths.serving_dir(LINE) / str(model_registry.champion(LINE)["version"]))
    run()
    assert model_registry.champion(LINE)["version"] == run_pushed[0] == 2
    assert model_registry.numbered(paths.serving_dir(LINE)) == [1, 2]
    assert [(e["from"], e["to"]) for e in model_registry.history(LINE)] == [(None, 1), (1, 2)]
    assert model_registry.card(LINE, 2)["run"] == RUN


def test_a_model_that_was_not_pushed_is_not_registered(run, told, tmp_path):
    run()
    for name in ("versions/2.json", "versions/2.profile.json"):
        (paths.registry_dir(LINE) / name).unlink()
    blessing = ModelBlessing()
    blessing.uri = str(tmp_path / "blessing")
    blessing.set_int_custom_property("blessed", 0)
    pushed, quarantine, registered = PushedModel(), Quarantine(), String()
    pushed.set_int_custom_property("pushed", 1)
    quarantine.uri, registered.uri = str(tmp_path / "quarantine"), str(tmp_path / "other")
    with pytest.raises(ValueError, match=r"only a pushed and blessed model"):
        Registrar.test_call(run=RUN, quarantine=quarantine, blessing=blessing, pushed=pushed, registered=registered)
    assert model_registry.card(LINE, 2) is None


_CATALOGUE = """
import json, sys
from components.registry import mlflow_sync as catalogue
from components.registry import mlflow_db as mlflow_database; from components.registry import model_registry as registry
import mlflow, pandas as pd
line, texts = "news", json.loads(sys.argv[1])
cards = registry.versions(line)
numbers = [[catalogue.follow(line, card, registry.aliases(line)) for card in cards] for _ in range(2)]
client = mlflow.MlflowClient(mlflow_database.address(), mlflow_database.address())
mlflow.set_tracking_uri(mlflow_database.address())
model = mlflow.pyfunc.load_model(f"models:/{line}@champion")
answers = model.predict(pd.DataFrame({"text": texts})).to_dict("list")
held = mlflow.pyfunc.load_model(f"models:/{line}/3").predict(pd.DataFrame({"text": texts[:1]}))["label"].tolist()
before = client.get_registered_model(line).aliases
client.set_registered_model_alias(line, "mine", "1")
catalogue.follow(line, cards[0], {1: ["champion"]})
after = client.get_registered_model(line).aliases
second = client.get_model_version(line, 2)
tags, shown = second.tags, client.get_run(second.run_id)
files = mlflow.models.Model.load(second.source)
example = files.load_input_example(second.source)["text"].tolist()
catalogue.note_removed(line, [1])
gone = client.get_model_version(line, 1).tags.get("newsdesk.removed")
print(json.dumps({"metrics": shown.data.metrics, "params": shown.data.params, "example": example, "gone": gone,
                  "signature": files.signature.to_dict(), "runs": len(client.search_runs([shown.info.experiment_id])),
                  "numbers": numbers, "answers": answers, "held": held, "before": before, "after": after, "tags": tags,
                  "versions": len(client.search_model_versions(f"name = '{line}'"))}))
"""


def test_mlflow_follows_once_and_gives_the_same_answers_from_the_same_folder():
    published.release("run-1", "shifted")
    published.release("run-2")
    version, folder = published.push("run-3", "shifted", hold=True)
    published.register(version, folder, "run-3")
    path = paths.registry_dir(LINE) / "versions" / "2.json"
    fileio.write_json(path, {**fileio.read_json(path), "vocabulary": "f00d", "mlmd": "news.run-2"})
    texts = [text.decode() for text in published.articles(600, seed=8)[0]] + ["", "日本 🙂"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", _CATALOGUE, json.dumps(texts)]
    done = subprocess.run(command, cwd=paths.REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["numbers"] == [[1, 2, 3]] * 2
    assert told["versions"] == 3
    assert told["before"] == {"champion": 2, "previous": 1}
    assert told["after"] == {"champion": 1, "mine": 1}
    wanted = {
        "version": "2",
        "data.hash": "da7a",
        "code": "c0de",
        "run": "run-2",
        "vocabulary": "f00d",
        "mlmd": "news.run-2",
    }
    assert wanted.items() <= {name.removeprefix("newsdesk."): value for name, value in told["tags"].items()}.items()
    assert (
        told["metrics"].items()
        >= {"accuracy": 0.9, "accuracy_low": 0.88, "recall.Sports": 0.9, "train_rows": 400}.items()
    )
    assert told["params"]["preset"] == "bag" and told["runs"] == 3
    assert told["example"] == list(pusher.WARM_UP)
    assert "text" in told["signature"]["inputs"] and "probabilities" in told["signature"]["outputs"]
    assert told["gone"]
    direct = published.answers("good", tuple(texts))
    np.testing.assert_allclose(told["answers"]["probabilities"], direct, atol=1e-4)
    assert told["answers"]["label_id"] == direct.argmax(axis=1).tolist()
    assert told["answers"]["label"] == [published.LABELS[i] for i in direct.argmax(axis=1)]
    assert told["held"] == [published.LABELS[published.answers("shifted", tuple(texts[:1]))[0].argmax()]]
    # Loading a version through MLflow leaves it as it was pushed.
    for number in (2, 3):
        model_registry.verify(model_registry.folder(LINE, number))


def test_every_class_has_a_metric_of_its_own_that_mlflow_takes():
    from mlflow.utils.validation import _validate_metric_name

    names = mlflow_sync.named(["Arts & Life", "Health (US)", "Children's", "A+B", "A-B", "A*B", "Sci/Tech", "日本"])
    assert names["Sci/Tech"] == "Sci_Tech" and len(set(names.values())) == 8
    for name in names.values():
        _validate_metric_name(f"recall.{name}")


_SECOND_TRY = """
import json
from components.registry import mlflow_sync as catalogue
from components.registry import model_registry as registry
card = registry.versions("news")[0]
client, real = catalogue._client(), catalogue.metrics
def broken(*_): raise ValueError("not a metric")
catalogue.metrics = broken
try: catalogue.follow("news", card, {})
except ValueError: pass
catalogue.metrics = real
catalogue.follow("news", card, {})
found = client.search_runs([client.get_experiment_by_name("news").experiment_id])
used = client.get_model_version("news", 1).run_id
print(json.dumps({"states": sorted(r.info.status for r in found),
                  "accuracy": client.get_run(used).data.metrics.get("accuracy")}))
"""


def test_after_an_attempt_that_failed_on_the_way_mlflow_shows_a_whole_run_and_none_that_runs_for_ever():
    published.release("run-1")
    command = [sys.executable, "-c", _SECOND_TRY]
    done = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"states": ["FAILED", "FINISHED"], "accuracy": 0.9}


def test_a_version_of_a_search_has_the_chosen_settings_in_its_origin_and_on_its_card(run, told):
    trials = [
        {"trial": 1, "set": {"training.epochs": 2}, "accuracy": 0.90, "seconds": 3.0, "best": False},
        {"trial": 2, "set": {"training.epochs": 4}, "accuracy": 0.91, "seconds": 6.0, "best": True},
    ]
    fileio.write_json(paths.run_dir(RUN) / run_record.TRIALS, {"rows": 300, "trials": trials})
    run()
    origin = fileio.read_json(model_registry.origin_path(LINE, 2))
    assert origin["record"]["config"]["training"] == {"epochs": 4}
    assert {**origin["tuning"], "seconds": 0} == {**trials[1], "seconds": 0, "rows": 300, "trials": 2}
    assert "Chosen by 2 trials on 300 train rows, judged on eval (accuracy 0.9100)" in (
        model_card.write(LINE, 2)["md"].read_text()
    )


@pytest.mark.parametrize("kept", ["card in the origin", "run's verdict", "promotion", "nothing"])
def test_a_damaged_card_is_written_again_from_its_origin(run, told, kept):
    run()
    path, origin = paths.registry_dir(LINE) / "versions" / "2.json", model_registry.origin_path(LINE, 2)
    whole = fileio.read_json(path)
    path.write_text(path.read_text()[:40])
    if kept != "card in the origin":  # an origin of an earlier release
        value = {name: part for name, part in fileio.read_json(origin).items() if name != "card"}
        fileio.write_json(origin, value)
    if kept in ("promotion", "nothing"):
        shutil.rmtree(paths.run_dir(RUN))
    if kept == "nothing":
        moves = [{**event, "evidence": {}} for event in model_registry.history(LINE)]
        fileio.write_text(paths.registry_dir(LINE) / "promotions.jsonl", "".join(json.dumps(m) + "\n" for m in moves))
    assert list(version_card.damaged(LINE)) == [2]
    with pytest.raises(errors.DamagedFile, match=str(path)):
        model_registry.versions(LINE)
    if kept == "nothing":
        with pytest.raises(model_registry.RegistryError, match="neither the verdict"):
            version_card.repair(LINE, 2)
        return
    assert {**version_card.repair(LINE, 2), "created": ""} == {**whole, "created": ""}
    assert version_card.damaged(LINE) == {}
