"""What lies in the served folder after a push, which number it gets, and what a crash leaves."""

import json
import os
import shutil
import time

import published
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from components import pusher
from components.core import fileio, locks, paths
from components.registry import model_registry


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
        pusher.push(tmp_path, published.LINE, "run", published.LABELS)


def test_a_link_out_of_the_model_s_folder_is_refused(tmp_path):
    folder = shutil.copytree(published.model("good"), tmp_path / "model")
    (folder / "assets").mkdir(exist_ok=True)
    (folder / "assets" / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(model_registry.RegistryError, match=r"files, not links"):
        pusher.push(folder, published.LINE, "run", published.LABELS)
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
    os.utime(left, (old, old))
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
