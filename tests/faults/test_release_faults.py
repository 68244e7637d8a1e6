"""What breaks while a version is released, and what must hold afterwards whatever broke.

The champion's files match their manifest; no run has two versions; numbers rise and no version changes; a reader never
meets an error or a mixed model; the same work again succeeds without a hand's help.
"""

import os
import threading
from datetime import datetime, timedelta, timezone

import published
import pytest

from components import pusher
from components.core import fileio, locks, paths
from components.registry import model_registry
from components.registry.manifest import pointed
from pipelines import client
from pipelines.cli import release
from pipelines.config import run_config
from pipelines.operations import disk_cleanup as disk
from pipelines.operations import retention
from pipelines.runner import runs

pytestmark = pytest.mark.faults
LINE = published.LINE
TEXTS = tuple(text.decode() for text in published.articles(24, seed=6)[0])


def sound(before=None):
    """Checks what must always hold; returns each version's manifest, to be handed in the next time."""
    pointer = model_registry.champion(LINE)
    if pointer:
        assert model_registry.verify(paths.serving_dir(LINE) / str(pointer["version"]))["digest"] == pointer["digest"]
    found = {
        n: model_registry.verify(model_registry.folder(LINE, n))
        for n in model_registry.numbered(paths.serving_dir(LINE))
    }
    made_by = [manifest["run"] for manifest in found.values()]
    assert len(made_by) == len(set(made_by))
    for number, manifest in (before or {}).items():
        assert found[number] == manifest
    assert all(number > max(before or {0: 0}) for number in set(found) - set(before or ()))
    assert [event["sequence"] for event in model_registry.history(LINE)] == list(
        range(1, len(model_registry.history(LINE)) + 1)
    )
    return found


def killed(work):
    """Does `work` in a forked process and returns how that ended: 9 where it was killed on the way."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at(point):
    return lambda name: os.kill(os.getpid(), 9) if name == point else None


@pytest.mark.parametrize("point", pusher.CHECKPOINTS)
def test_killed_at_any_point_of_a_push_the_champion_serves_on_and_the_retry_is_released(point):
    published.release("run-1")
    published.model("shifted")
    before = sound()
    assert killed(lambda: published.push("run-2", "shifted", at=kill_at(point))) == -9
    sound(before)
    assert client.Client(LINE).version == 1
    version = published.release("run-2", "shifted")
    assert client.Client(LINE).version == version
    sound(before)
    assert model_registry.leftovers() == []


def test_what_a_killed_push_left_in_staging_is_replaced_and_never_trusted():
    aside = paths.staging_dir() / "run-1.0123456789abcdef"
    (aside / "variables").mkdir(parents=True)
    (aside / "saved_model.pb").write_bytes(b"half")
    fileio.write_json(aside / model_registry.MANIFEST, {"run": "run-1", "version": 1, "files": {}})
    published.release("run-1")
    sound()
    assert not aside.exists()


def test_pushes_of_two_runs_at_once_take_turns_and_each_gets_its_version():
    published.model("good")
    barrier, ended = os.pipe()
    children = []
    for run in ("run-1", "run-2", "run-3"):
        child = os.fork()
        if not child:
            try:
                os.read(barrier, 1)
                published.push(run)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    os.write(ended, b"go!")
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    assert {manifest["run"] for manifest in sound().values()} == {"run-1", "run-2", "run-3"}


def test_a_second_run_on_the_line_is_locked_and_named_until_the_first_one_closes(small_demo):
    ask = run_config.Request(source=str(small_demo))
    record = runs.open_run("run-1", ask, os.getpid())
    with pytest.raises(locks.Locked, match=r"locked by run run-1"):
        runs.open_run("run-2", ask, os.getpid())
    runs.close_run("run-1")
    assert runs.open_run("run-2", ask, os.getpid())["config"]["line"] == record["config"]["line"]


def test_the_lock_of_a_killed_run_is_taken_over(small_demo):
    ask = run_config.Request(source=str(small_demo))
    assert killed(lambda: (runs.open_run("run-1", ask, os.getpid()), os.kill(os.getpid(), 9))) == -9
    assert runs.open_run("run-2", ask, os.getpid())["run"] == "run-2"


# Between numbering and renaming, the push holds the line's files: a rollback waits for the end of it.
@pytest.mark.parametrize("point", ["copied", "renamed"])
def test_a_rollback_during_a_push_stands_and_the_run_that_pushed_is_told(point):
    published.release("run-1")
    published.release("run-2", "shifted")
    seen = model_registry.champion(LINE)
    version, folder = published.push(
        "run-3", "swapped", at=lambda name: release.rollback(LINE, "bad") if name == point else None
    )
    published.register(version, folder, "run-3")
    with pytest.raises(model_registry.PointerMoved):
        model_registry.move_champion(LINE, seen, version, "release", "it passed", {})
    assert model_registry.champion(LINE)["version"] == 1
    sound()


def clean(**policy):
    """Removes all that the policy lets go, as if a day had passed."""
    later = datetime.now(timezone.utc) + timedelta(days=1)
    return retention.apply(LINE, retention.RetentionSettings(**{"keep": 0, "runs": 0, **policy}), later)


def test_a_reader_meets_no_error_and_no_mixed_answer_while_versions_change_twenty_times_and_old_ones_are_removed():
    """Odd versions are the good model, even ones another: an answer fits its version or is mixed.

    The reader polls without any pause; what retention removes was the champion a moment ago.
    """
    published.release("run-1")
    kinds = {1: "good", 0: "shifted"}
    truth = {odd: published.answers(kind, TEXTS) for odd, kind in kinds.items()}
    reader, changed, stop, errors, seen = client.Client(LINE), threading.Event(), threading.Event(), [], set()

    def read():
        try:
            while not stop.is_set():
                reader.refresh()
                for row, answer in enumerate(reader.classify(TEXTS)):
                    expected = truth[answer["model_version"] % 2][row]
                    assert answer["probabilities"] == pytest.approx(expected.tolist(), abs=1e-5), answer
                    seen.add(answer["model_version"])
                changed.set()
        except BaseException as error:
            errors.append(error)
            changed.set()

    def ask():
        while not stop.is_set():
            found = reader.classify(TEXTS)
            if len({answer["model_version"] for answer in found}) != 1:
                errors.append(AssertionError(f"two versions in one answer: {found}"))

    threads = [threading.Thread(target=work) for work in (read, ask)]
    for thread in threads:
        thread.start()
    for number in range(2, 22):
        assert published.release(f"run-{number}", kinds[number % 2]) == number
        clean()
        changed.clear()
        changed.wait(30)
        if errors:
            break
    release.rollback(LINE, "back")
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(seen) > 10
    assert len(model_registry.numbered(paths.serving_dir(LINE))) <= 3
    assert len(model_registry.history(LINE)) == 22
    sound()


def test_a_rollback_during_which_old_versions_are_removed_finds_the_one_it_returns_to(monkeypatch):
    for run, kind in (("run-1", "good"), ("run-2", "shifted"), ("run-3", "swapped")):
        published.release(run, kind)
    ask = model_registry.rollback_target

    def before(line):
        """The rollback has chosen its version and not yet taken the lock."""
        monkeypatch.setattr(model_registry, "rollback_target", ask)
        chosen = ask(line)
        assert [item.name for item in clean().remove] == ["1"]
        return chosen

    monkeypatch.setattr(model_registry, "rollback_target", before)
    release.rollback(LINE, "bad")
    assert model_registry.champion(LINE)["version"] == 2
    sound()


def test_a_promotion_whose_version_is_removed_before_it_gets_the_lock_changes_nothing(monkeypatch):
    for run, kind in (("run-1", "good"), ("run-2", "shifted"), ("run-3", "swapped")):
        published.release(run, kind)
    ask = model_registry.champion

    def champion(line):
        monkeypatch.setattr(model_registry, "champion", ask)
        found = ask(line)
        clean()
        return found

    monkeypatch.setattr(model_registry, "champion", champion)
    with pytest.raises(model_registry.RegistryError, match=r"must exist to be promoted.*version 1"):
        release.promote(LINE, 1, "try")
    assert model_registry.champion(LINE)["version"] == 3
    sound()


def test_thirty_releases_in_a_row_leave_a_bounded_number_of_versions_runs_and_bytes():
    sizes = []
    for number in range(1, 31):
        published.release(f"run-{number}", ("good", "shifted")[number % 2])
        fileio.write_json(
            paths.run_dir(f"run-{number}") / "run.json",
            {"run": f"run-{number}", "created": f"2026-11-{number:02}", "config": {"line": LINE}},
        )
        clean(keep=2, runs=2)
        sizes.append(disk.size(paths.home()))
    assert len(model_registry.numbered(paths.serving_dir(LINE))) <= 5
    assert len(list((paths.home() / "runs").iterdir())) <= 7
    assert sizes[-1] < sizes[9] * 1.2
    assert len(model_registry.versions(LINE)) == 30
    sound()


def test_without_space_for_the_pointer_the_old_champion_serves_on(monkeypatch):
    published.release("run-1")
    version, _ = published.push("run-2", "shifted")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"No space left"):
            model_registry.move_champion(LINE, model_registry.champion(LINE), version, "release", "it passed", {})
    sound()
    assert model_registry.champion(LINE)["version"] == 1
    model_registry.move_champion(LINE, model_registry.champion(LINE), version, "release", "it passed", {})
    assert model_registry.champion(LINE)["version"] == 2
    sound()


def test_a_history_line_that_a_full_disk_cut_short_is_made_whole_by_the_next_move(monkeypatch):
    for run, kind in (("run-1", "good"), ("run-2", "shifted")):
        published.release(run, kind)
    path = paths.registry_dir(LINE) / "promotions.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert [event["to"] for event in model_registry.history(LINE)] == [1, 2]
    published.release("run-3", "swapped")
    assert [event["to"] for event in model_registry.recorded(LINE)] == [1, 2, 3]


def test_a_missing_or_corrupt_champion_is_reported_and_who_has_it_loaded_goes_on():
    published.release("run-1")
    reader = client.Client(LINE)
    (paths.serving_dir(LINE) / "1" / "saved_model.pb").write_bytes(b"flipped")
    with pytest.raises(model_registry.RegistryError, match=r"must match its manifest"):
        client.Client(LINE)
    with pytest.raises(model_registry.RegistryError):
        pointed(paths.serving_dir(LINE) / "1", model_registry.champion(LINE)["digest"])
    assert reader.refresh() is False
    assert reader.classify(["goal coach"])[0]["label"] == "Sports"
