"""The pointer, its history, and the lock that lets one run at a time work on a line. Plain files, no TensorFlow."""

import json
import os
import subprocess
import sys
import time

import pytest
from published_files import LINE, make, move

from components.core import fileio, locks, paths
from components.registry import model_registry


def digest(number):
    return model_registry.verify(paths.serving_dir(LINE) / str(number))["digest"]


def path(name):
    return paths.registry_dir(LINE) / name


# --- the pointer ---


def test_the_pointer_names_version_digest_and_who_moved_it_why():
    make(1)
    move(1)
    pointer = model_registry.champion(LINE)
    assert pointer["version"] == 1
    assert pointer["digest"] == model_registry.verify(paths.serving_dir(LINE) / "1")["digest"]
    assert pointer["event"]["reason"] == "because"
    assert pointer["event"]["who"]
    assert model_registry.history(LINE) == [pointer["event"]]


def test_a_decision_made_against_another_champion_does_not_move_the_pointer():
    for number in (1, 2, 3):
        make(number, f"model {number}")
    move(1)
    seen = model_registry.champion(LINE)
    move(2)
    with pytest.raises(
        model_registry.PointerMoved, match=r"version 1 .move 1.*Received: version 2 .move 2. serves now"
    ):
        model_registry.move_champion(LINE, seen, 3, "release", "too late", {})
    assert model_registry.champion(LINE)["version"] == 2


def test_a_decision_made_against_other_content_under_the_same_number_does_not_move_the_pointer():
    make(1)
    make(2, "model 2")
    move(1)
    seen = {**model_registry.champion(LINE), "digest": "0" * 64}
    with pytest.raises(model_registry.PointerMoved):
        model_registry.move_champion(LINE, seen, 2, "release", "against another model", {})
    assert model_registry.champion(LINE)["version"] == 1


def test_a_held_version_stays_held_when_the_decision_comes_too_late():
    make(1)
    make(2, "other", held=True)
    move(1)
    with pytest.raises(model_registry.PointerMoved):
        model_registry.move_champion(LINE, None, 2, "promote", "too late", {})
    assert model_registry.numbered(paths.serving_dir(LINE)) == [1]


@pytest.mark.parametrize("damage", ["changed", "missing", "added", "no manifest", "half a manifest", "link"])
def test_a_damaged_version_never_becomes_champion(damage):
    folder = make(1)
    if damage == "changed":
        (folder / "saved_model.pb").write_text("modeL")
    elif damage == "missing":
        (folder / "saved_model.pb").unlink()
    elif damage == "added":
        (folder / "nested").mkdir()
        (folder / "nested" / model_registry.MANIFEST).write_text("{}")
    elif damage == "no manifest":
        (folder / model_registry.MANIFEST).unlink()
    elif damage == "half a manifest":
        (folder / model_registry.MANIFEST).write_text('{"files": {"saved')
    else:
        (folder / "variables").symlink_to("/etc")
    with pytest.raises(model_registry.RegistryError, match=r"Received: "):
        move(1)
    assert model_registry.champion(LINE) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1}', '{"version": "x", "digest": "d", "event": {"sequence": 1}}']
)
def test_a_damaged_pointer_is_reported_and_restored_from_the_history(text):
    make(1)
    move(1)
    whole = path("champion.json").read_text()
    path("champion.json").write_text(text)
    with pytest.raises(model_registry.RegistryError, match=r"pointer must be complete.*--repair"):
        model_registry.champion(LINE)
    assert model_registry.restore_champion(LINE) == 1
    assert path("champion.json").read_text() == whole


def test_a_lost_pointer_is_not_taken_for_a_line_without_champion():
    make(1)
    move(1)
    path("champion.json").unlink()
    with pytest.raises(model_registry.RegistryError, match=r"missing although there is a history"):
        model_registry.champion(LINE)


# --- the history ---


@pytest.mark.parametrize("left", ["", '{"sequence": 2, "ki'])
def test_an_event_that_a_crash_kept_out_of_the_history_counts_and_is_written_with_the_next(left):
    for number in (1, 2, 3):
        make(number, f"model {number}")
    move(1)
    first = path("promotions.jsonl").read_text()
    move(2)
    path("promotions.jsonl").write_text(first + left)
    assert [e["to"] for e in model_registry.history(LINE)] == [1, 2]
    move(3)
    lines = path("promotions.jsonl").read_text().splitlines()
    assert [(json.loads(line)["sequence"], json.loads(line)["to"]) for line in lines] == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize(
    ("moves", "before"),
    [
        ([], None),
        ([("release", 1)], None),
        ([("release", 1), ("release", 2)], 1),
        ([("release", 1), ("release", 2), ("release", 3), ("rollback", 2)], 1),
        ([("release", 1), ("release", 2), ("rollback", 1)], None),
        ([("release", 1), ("release", 2), ("rollback", 1), ("release", 3)], 1),
        ([("release", 1), ("release", 2), ("promote", 1)], 2),
    ],
)
def test_a_rollback_returns_to_what_served_before_and_never_to_what_was_left(moves, before):
    for number in (1, 2, 3):
        make(number, f"model {number}")
    for kind, number in moves:
        move(number, kind)
    assert model_registry.rollback_target(LINE) == before
    previous = [v for v, names in model_registry.aliases(LINE).items() if "previous" in names]
    assert previous == ([before] if before else [])


def test_a_promoted_held_version_moves_to_where_it_is_served_and_its_first_address_stays_good():
    folder = make(1, held=True)
    fileio.write_json(
        path("versions") / "1.json",
        {"version": 1, "folder": str(folder), "digest": model_registry.verify(folder)["digest"]},
    )
    move(1, "promote")
    assert model_registry.folder(LINE, 1) == paths.serving_dir(LINE) / "1"
    assert model_registry.verify(folder)["version"] == 1


def test_the_best_version_is_the_most_accurate_that_served_was_not_rolled_back_and_is_still_kept():
    for number, accuracy in ((1, 0.90), (2, 0.93), (3, 0.92), (4, 0.99)):
        folder = make(number, f"model {number}")
        metrics = {"accuracy": accuracy}
        fileio.write_json(
            path("versions") / f"{number}.json",
            {"version": number, "digest": digest(number), "folder": str(folder), "metrics": metrics},
        )
    assert model_registry.best_released(LINE) is None
    for kind, number in (("release", 1), ("release", 2), ("release", 3)):
        move(number, kind)
    assert model_registry.best_released(LINE) == {
        "version": 2,
        "digest": digest(2),
        "folder": str(paths.serving_dir(LINE) / "2"),
    }
    move(4)
    move(3, "rollback")
    assert model_registry.best_released(LINE)["version"] == 2
    (paths.serving_dir(LINE) / "2").rename(paths.home() / "gone")
    assert model_registry.best_released(LINE)["version"] == 3


def test_the_best_version_is_one_of_the_same_classes_whatever_their_order():
    made = ((1, 0.99, ["a", "b", "c"]), (2, 0.91, ["a", "b"]), (3, 0.95, ["b", "a"]), (4, 0.9, ["a", "b"]))
    for number, accuracy, labels in made:
        folder = make(number, f"model {number}", labels=labels)
        card = {"version": number, "digest": digest(number), "folder": str(folder), "metrics": {"accuracy": accuracy}}
        fileio.write_json(path("versions") / f"{number}.json", card)
        move(number)
    assert model_registry.labels_of(LINE, 3) == ["b", "a"]
    assert model_registry.best_released(LINE)["version"] == 3, "of the classes that the champion has"
    assert model_registry.best_released(LINE, labels=["c", "b", "a"])["version"] == 1
    assert model_registry.best_released(LINE, labels=["a", "b", "d"]) is None


# --- one run at a time ---


def child():
    """A process that lives until it is told otherwise."""
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


def test_a_second_run_is_told_which_one_holds_the_line():
    locks.take_line(LINE, "first", os.getpid())
    with pytest.raises(locks.Locked, match=r"locked by run first since") as caught:
        locks.take_line(LINE, "second", os.getpid())
    assert caught.value.holder == "first"
    locks.take_line("news-demo", "second", os.getpid())


def test_a_line_given_back_can_be_taken_and_only_its_holder_gives_it_back():
    locks.take_line(LINE, "first", os.getpid())
    locks.free_line(LINE, "second")
    assert locks.holder(LINE)["run"] == "first"
    locks.free_line(LINE, "first")
    locks.take_line(LINE, "second", os.getpid())
    assert locks.holder(LINE)["run"] == "second"


def test_the_lock_of_a_dead_process_is_taken_over_even_as_a_zombie():
    owner = child()
    locks.take_line(LINE, "first", owner.pid)
    assert locks.holder(LINE)["lives"]
    owner.kill()
    os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOWAIT)
    assert not locks.holder(LINE)["lives"]
    owner.communicate()
    locks.take_line(LINE, "second", os.getpid())
    assert locks.holder(LINE)["run"] == "second"


def test_a_process_with_the_pid_of_a_dead_owner_is_not_taken_for_it():
    locks.take_line(LINE, "first", os.getpid())
    value = fileio.read_json(path("run.lock"))
    fileio.write_json(path("run.lock"), {**value, "started": "1"})
    assert not locks.holder(LINE)["lives"]


def test_a_run_that_goes_on_in_another_process_keeps_its_line():
    dead = child()
    locks.take_line(LINE, "first", dead.pid)
    dead.communicate(b"\n")
    locks.take_line(LINE, "first", os.getpid())
    with pytest.raises(locks.Locked):
        locks.take_line(LINE, "second", os.getpid())


@pytest.mark.parametrize("shift", [locks.LEASE + 1, -locks.LEASE - 1, 86_400])
def test_without_an_owner_a_claim_ends_with_its_lease_whichever_way_the_clock_went(shift):
    locks.take_line(LINE, "first")
    with pytest.raises(locks.Locked):
        locks.take_line(LINE, "second")
    then = time.time() - shift
    os.utime(path("run.lock"), (then, then))
    locks.take_line(LINE, "second")
    assert locks.holder(LINE)["run"] == "second"


def test_a_sign_of_life_renews_the_lease():
    locks.take_line(LINE, "first")
    os.utime(path("run.lock"), (0, 0))
    assert locks.keep_line(LINE, "first")
    assert locks.holder(LINE)["lives"]


def test_a_process_that_was_stopped_gives_no_sign_of_life_for_the_run_that_took_the_line_meanwhile():
    locks.take_line(LINE, "first")
    os.utime(path("run.lock"), (0, 0))
    locks.take_line(LINE, "second")
    os.utime(path("run.lock"), (0, 0))
    assert not locks.keep_line(LINE, "first")
    assert not locks.holder(LINE)["lives"]
    assert locks.keep_line(LINE, "second")


@pytest.mark.parametrize("now", ["another run", "nobody", "unreadable"])
def test_a_run_that_lost_its_line_may_not_publish(now):
    locks.take_line(LINE, "first")
    locks.check(LINE, "first")
    locks.free_line(LINE, "first")
    if now == "another run":
        locks.take_line(LINE, "second")
    elif now == "unreadable":
        path("run.lock").write_text("{")
    with pytest.raises(locks.LostClaim, match=r"run first lost line 'news' .*published nothing"):
        locks.check(LINE, "first")


def test_only_the_latest_attempt_at_a_node_may_publish():
    locks.take_line(LINE, "first", node="Pusher", attempt="0.1")
    locks.take_line(LINE, "first", node="Trainer", attempt="0.2")
    locks.check(LINE, "first", "Pusher", "0.1")
    locks.take_line(LINE, "first", node="Pusher", attempt="0.2")
    with pytest.raises(
        locks.Superseded, match=r"attempt 0.1 at Pusher of run first published nothing, because attempt 0.2"
    ):
        locks.check(LINE, "first", "Pusher", "0.1")
    locks.check(LINE, "first", "Pusher", "0.2")


def test_an_open_run_that_waits_for_its_scheduler_keeps_its_line_for_a_day_and_is_told_to_be_silent():
    fileio.write_json(paths.run_dir("first") / "run.json", {"run": "first"})
    locks.take_line(LINE, "first")
    assert not locks.holder(LINE)["silent"]
    for silence, lives in ((locks.LEASE + 1, True), (locks.PATIENCE - 60, True), (locks.PATIENCE + 1, False)):
        then = time.time() - silence
        os.utime(path("run.lock"), (then, then))
        assert (locks.holder(LINE)["lives"], locks.holder(LINE)["silent"]) == (lives, lives)
        if lives:
            with pytest.raises(locks.Locked, match="run first"):
                locks.take_line(LINE, "second")
    locks.take_line(LINE, "second")


def test_a_run_of_one_process_does_not_wait_and_its_line_is_free_as_soon_as_the_process_is_gone():
    fileio.write_json(paths.run_dir("first") / "run.json", {"run": "first"})
    owner = child()
    locks.take_line(LINE, "first", owner.pid)
    owner.kill()
    owner.communicate()
    assert not locks.holder(LINE)["lives"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run": "first"}', '"text"'])
def test_an_unreadable_claim_is_a_dead_one(text):
    locks.take_line(LINE, "first", os.getpid())
    path("run.lock").write_text(text)
    held = locks.holder(LINE)
    assert (held["lives"], held["run"]) == (False, locks.UNREADABLE)
    locks.free_line(LINE, held["run"])
    assert locks.holder(LINE) is None
    path("run.lock").write_text(text)
    locks.take_line(LINE, "second", os.getpid())
    assert locks.holder(LINE)["run"] == "second"


def test_an_owner_that_was_gone_when_it_claimed_does_not_hold_the_line_for_ever():
    gone = child()
    gone.communicate(b"\n")
    locks.take_line(LINE, "first", gone.pid)
    os.utime(path("run.lock"), (0, 0))
    assert not locks.holder(LINE)["lives"]


def test_the_digest_is_part_of_what_a_decision_was_made_against():
    make(1)
    make(2, "other")
    move(1)
    seen = model_registry.champion(LINE)
    with pytest.raises(model_registry.PointerMoved):
        model_registry.move_champion(LINE, {**seen, "digest": "another"}, 2, "release", "because", {})
    model_registry.move_champion(LINE, seen, 2, "release", "because", {})


def test_a_served_folder_that_is_a_link_to_a_whole_copy_elsewhere_is_refused(tmp_path):
    folder = make(1)
    folder.rename(tmp_path / "copy")
    folder.symlink_to(tmp_path / "copy", target_is_directory=True)
    with pytest.raises(model_registry.RegistryError, match=r"a folder, not a link.*serving/news/1"):
        move(1)
    assert model_registry.champion(LINE) is None


def test_of_two_processes_that_promote_at_once_one_wins_and_the_other_is_told():
    for number in (1, 2, 3):
        make(number, f"model {number}")
    move(1)
    code = (
        "import sys; from components.registry import model_registry as registry; seen = registry.champion('news'); print('ready', flush=True); input()\n"
        "try: registry.move_champion('news', seen, int(sys.argv[1]), 'promote', 'race', {}); print('won')\n"
        "except registry.PointerMoved: print('lost')"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": paths.REPOSITORY}
    racers = [subprocess.Popen([sys.executable, "-c", code, str(n)], **pipes) for n in (2, 3)]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    answers = [racer.communicate()[0].strip() for racer in racers]
    assert sorted(answers) == ["lost", "won"]
    assert model_registry.champion(LINE)["version"] == (2, 3)[answers.index("won")]
    assert len(model_registry.history(LINE)) == 2
