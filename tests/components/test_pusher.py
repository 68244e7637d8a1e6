"""What lies in the served folder after a push, which number it gets, and what a crash leaves."""

import json
import os
import shutil
import signal
import time
from functools import partial
from pathlib import Path

import published
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing, PushedModel
from tfx.utils import path_utils

from components import pusher
from components.core import fileio, locks, paths
from components.registry import manifest, model_registry


@pytest.fixture
def pushed():
    """(version, folder) of one push."""
    return published.push("run-1")


def crash_at(point):
    """Ends this process as kill -9 would, when the push passes `point`."""
    return lambda name: os._exit(9) if name == point else None


def in_a_child(work):
    """Runs `work` in a forked process and returns its exit code."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_version_lies_where_tensorflow_serving_looks_for_it(pushed):
    version, folder = pushed
    assert (version, folder) == (1, paths.serving_dir(published.LINE) / "1")
    assert (folder / "saved_model.pb").is_file()
    assert (folder / "variables" / "variables.index").is_file()
    assert {"classify", "serving_default"} <= set(tf.saved_model.load(str(folder)).signatures)


def test_the_warm_up_requests_are_in_tensorflow_serving_s_format(pushed):
    path = pushed[1] / "assets.extra" / "tf_serving_warmup_requests"
    records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    request = prediction_log_pb2.PredictionLog.FromString(records[0]).predict_log.request
    assert len(records) == 1
    assert request.model_spec.signature_name == "classify"
    asked = tf.make_ndarray(request.inputs["text"])
    answer = tf.saved_model.load(str(pushed[1])).signatures["classify"](text=tf.constant(asked))
    assert answer["probabilities"].shape == (2, 4)


def test_the_manifest_holds_the_sha256_of_each_file_and_no_other(pushed):
    _, folder = pushed
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {"manifest.json"}
    assert set(manifest["files"]) == files
    assert manifest["files"]["saved_model.pb"] == fileio.file_hash(folder / "saved_model.pb")
    assert (manifest["run"], manifest["version"], manifest["labels"]) == ("run-1", 1, published.LABELS)
    # What TensorFlow trained, without what the push adds: the digest by which a candidate is known.
    assert manifest["digest"] == model_registry.content_digest(model_registry.folder_hashes(published.model("good")))


def test_versions_rise_whatever_the_clock_says(monkeypatch):
    versions = [published.push("now")[0]]
    real = time.time
    for run, shift in (("yesterday", -86_400), ("in-ten-years", 10 * 365 * 86_400), ("now-again", 0)):
        monkeypatch.setattr(time, "time", lambda shift=shift: real() + shift)
        versions.append(published.push(run)[0])
    assert versions == [1, 2, 3, 4]


def test_two_pushes_in_one_second_get_two_numbers(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    assert [published.push(run)[0] for run in ("a", "b")] == [1, 2]


@pytest.mark.parametrize("lost", ["serving", "counter", "both"])
def test_a_number_is_never_used_again_though_folders_or_the_counter_are_gone(lost):
    held, folder = published.push("a", hold=True)
    published.register(held, folder, "a")
    published.push("b")
    if lost != "counter":
        shutil.rmtree(paths.serving_dir(published.LINE) / "2")
    if lost == "serving":
        assert published.push("c")[0] == 3
        return
    (paths.registry_dir(published.LINE) / "counter").unlink()
    assert published.push("c")[0] == (3 if lost == "counter" else 2)
    assert model_registry.verify(model_registry.held_dir(published.LINE) / "1")["run"] == "a"


def test_pushing_twice_for_one_run_is_pushing_once(pushed):
    before = (pushed[1] / "manifest.json").read_bytes()
    assert published.push("run-1") == pushed
    assert model_registry.numbered(paths.serving_dir(published.LINE)) == [1]
    assert (pushed[1] / "manifest.json").read_bytes() == before


def test_two_attempts_of_one_run_at_once_publish_one_version():
    """The second attempt publishes while the first has copied and not yet numbered."""
    other = []
    first = published.push(
        "run", at=lambda name: other.append(published.push("run")) if name == "copied" and not other else None
    )
    assert [first] == other
    assert model_registry.numbered(paths.serving_dir(published.LINE)) == [1]


def test_a_held_version_lies_where_nothing_serves_it():
    version, folder = published.push("run", hold=True)
    assert folder == paths.registry_dir(published.LINE) / "held" / "1"
    assert not paths.serving_dir(published.LINE).exists()
    assert published.push("run", hold=True) == (version, folder)


def test_a_damaged_version_of_the_same_run_is_not_trusted_because_it_exists(pushed):
    (pushed[1] / "saved_model.pb").write_bytes(b"half")
    version, folder = published.push("run-1")
    assert version == 2
    assert model_registry.verify(folder)["run"] == "run-1"


def test_a_folder_that_is_no_saved_model_is_refused(tmp_path):
    with pytest.raises(model_registry.RegistryError, match=r"must be a SavedModel. Received"):
        pusher.push(tmp_path, published.LINE, "run", published.LABELS, {}, lambda: None)


def test_a_link_out_of_the_model_s_folder_is_refused(tmp_path):
    folder = shutil.copytree(published.model("good"), tmp_path / "model")
    (folder / "assets").mkdir(exist_ok=True)
    (folder / "assets" / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(model_registry.RegistryError, match=r"files, not links"):
        pusher.push(folder, published.LINE, "run", published.LABELS, {}, lambda: None)
    assert not paths.serving_dir(published.LINE).exists()


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", ".hidden", "new\nline", "x" * 300])
def test_names_that_could_leave_their_folder_are_refused(name):
    with pytest.raises(ValueError, match=r"Received: line="):
        published.push("run", line=name)
    with pytest.raises(ValueError, match=r"Received: run id="):
        published.push(name)


@pytest.mark.parametrize("point", pusher.CHECKPOINTS)
def test_a_crash_at_any_point_leaves_nothing_half_made_and_the_next_attempt_succeeds(point):
    published.model("good")
    assert in_a_child(lambda: published.push("run", at=crash_at(point))) == 9
    serving = paths.serving_dir(published.LINE)
    for number in model_registry.numbered(serving):
        model_registry.verify(serving / str(number))
    version, folder = published.push("run")
    assert model_registry.verify(folder)["run"] == "run"
    assert model_registry.numbered(serving) == [version]
    assert list(paths.staging_dir().iterdir()) == []


def test_what_another_crashed_run_left_in_staging_is_found_and_removed():
    published.model("good")
    in_a_child(lambda: published.push("run", at=crash_at("manifest")))
    (left,) = model_registry.leftovers()
    assert left.name.startswith("run.")
    old = time.time() - 2 * locks.LEASE
    for path in [left, *left.rglob("*")]:
        os.utime(path, (old, old))
    published.push("another")
    assert model_registry.leftovers() == []


def test_what_a_living_run_has_in_staging_is_left_alone():
    locks.take_line(published.LINE, "alive", os.getpid())
    (paths.staging_dir() / "alive.1234").mkdir()
    assert model_registry.leftovers() == []


@pytest.mark.parametrize("where", ["copy", "manifest"])
def test_a_full_disk_publishes_nothing_and_the_next_attempt_succeeds(where, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if where == "copy":
            patch.setattr(shutil, "copytree", full)
        else:
            patch.setattr(fileio, "write_json", full)
        with pytest.raises(OSError, match=r"No space left"):
            published.push("run")
    assert model_registry.numbered(paths.serving_dir(published.LINE)) == []
    assert list(paths.staging_dir().iterdir()) == []
    assert model_registry.verify(published.push("run")[1])["run"] == "run"


# --- who may publish, and what ---


def flip(path):
    """Changes one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def open_run(run, champion=None):
    fileio.write_json(paths.run_dir(run) / "run.json", {"run": run, "champion": champion})
    locks.take_line(published.LINE, run, None, "Pusher", "0.1")


def test_a_push_that_was_stopped_while_another_run_took_the_line_publishes_nothing_when_it_wakes_up():
    published.model("good")
    open_run("run-1")
    allowed = partial(pusher.may_publish, published.LINE, "run-1", "0.1")
    child = os.fork()
    if not child:
        try:
            published.push(
                "run-1", allowed=allowed, at=lambda name: name == "copied" and os.kill(os.getpid(), signal.SIGSTOP)
            )
            os._exit(0)
        except locks.LostClaim:
            os._exit(7)
        finally:
            os._exit(1)
    assert os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])
    lock, long_ago = paths.registry_dir(published.LINE) / "run.lock", time.time() - 2 * locks.PATIENCE
    os.utime(lock, (long_ago, long_ago))
    locks.take_line(published.LINE, "run-2")
    assert published.release("run-2", "shifted") == 1
    os.kill(child, signal.SIGCONT)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert model_registry.numbered(paths.serving_dir(published.LINE)) == [1]
    assert model_registry.champion(published.LINE)["version"] == 1
    assert locks.holder(published.LINE)["run"] == "run-2"


def test_a_task_that_outlived_its_worker_publishes_nothing_once_the_next_attempt_has_started():
    open_run("run-1")
    locks.take_line(published.LINE, "run-1", None, "Pusher", "0.2")
    with pytest.raises(locks.Superseded, match=r"attempt 0.1 at Pusher.*attempt 0.2 has started"):
        published.push("run-1", allowed=partial(pusher.may_publish, published.LINE, "run-1", "0.1"))
    assert not paths.serving_dir(published.LINE).exists()
    assert published.push("run-1", allowed=partial(pusher.may_publish, published.LINE, "run-1", "0.2"))[0] == 1


@pytest.fixture
def work(tmp_path):
    """Runs the Pusher's executor on a copy of the good model; returns what it made and the model's folder."""
    artifacts = {"model": Model(), "model_blessing": ModelBlessing(), "infra_blessing": InfraBlessing()}
    for name, artifact in artifacts.items():
        artifact.uri = str(tmp_path / name)
    folder = Path(path_utils.serving_model_dir(artifacts["model"].uri))
    shutil.copytree(published.model("good"), folder)
    Path(artifacts["model_blessing"].uri).mkdir()
    digest = manifest.write_judged(Path(artifacts["model_blessing"].uri), model_registry.folder_hashes(folder))
    for name in ("model_blessing", "infra_blessing"):
        artifacts[name].set_int_custom_property("blessed", 1)
    artifacts["infra_blessing"].set_string_custom_property("digest", digest)

    def do(before=lambda folder: None, asked=digest, run="run-2"):
        artifacts["infra_blessing"].set_string_custom_property("digest", asked)
        open_run(run, model_registry.champion(published.LINE))
        before(folder)
        pushed, config = PushedModel(), {"line": published.LINE, "run": run, "labels": published.LABELS}
        config |= {"release": "auto", "attempt": "0.1"}
        given = {name: [artifact] for name, artifact in artifacts.items()}
        pusher._Executor().Do(given, {"pushed_model": [pushed]}, {"custom_config": json.dumps(config)})
        return pushed

    return do


def test_what_gate_and_canary_let_through_is_pushed(work):
    pushed = work()
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_version") == "1"


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.data-00000-of-00001"])
def test_a_byte_tampered_between_canary_and_push_is_a_refusal_that_names_the_file(work, name):
    pushed = work(lambda folder: flip(folder / name))
    assert pushed.get_int_custom_property("pushed") == 0
    assert f"differs in {name}" in pushed.get_string_custom_property("refused")
    assert not paths.serving_dir(published.LINE).exists()


def test_a_file_that_the_gate_did_not_see_is_a_refusal_that_names_it(work):
    pushed = work(lambda folder: (folder / "assets.extra").mkdir() or (folder / "assets.extra" / "new").write_text("x"))
    assert "differs in assets.extra/new" in pushed.get_string_custom_property("refused")
    assert not paths.serving_dir(published.LINE).exists()


def test_a_model_that_the_canary_did_not_ask_is_refused(work):
    assert "canary must have queried" in work(asked="0" * 64).get_string_custom_property("refused")


def test_a_byte_tampered_in_staging_is_refused_by_name():
    def tamper(name):
        (aside,) = paths.staging_dir().iterdir()
        flip(aside / "saved_model.pb")

    with pytest.raises(model_registry.Differs, match=r"staging.*differs in saved_model.pb"):
        published.push("run", at=lambda name: tamper(name) if name == "copied" else None)
    assert not paths.serving_dir(published.LINE).exists()


def test_a_verdict_on_a_champion_that_no_longer_serves_publishes_nothing_and_is_a_refusal(work):
    published.release("run-1", "shifted")

    def promote(folder):
        version, other = published.push("run-3", "swapped")
        published.register(version, other, "run-3")
        model_registry.move_champion(
            published.LINE, model_registry.champion(published.LINE), version, "promote", "a person", {}
        )

    pushed = work(promote)
    assert "version 2 (move 2) serves now" in pushed.get_string_custom_property("refused")
    assert model_registry.numbered(paths.serving_dir(published.LINE)) == [1, 2]


def test_a_run_that_lost_its_line_pushes_nothing(work):
    with pytest.raises(locks.LostClaim):
        work(lambda folder: locks.free_line(published.LINE, "run-2"))
    assert not paths.serving_dir(published.LINE).exists()
