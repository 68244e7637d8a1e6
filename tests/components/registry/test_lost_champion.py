"""A champion that nothing restores: recorded by a person, never where it is whole or a rollback would do; the line goes on from there."""

import shutil

import pytest
from published_files import LINE, make, move, pointer

from components.core import paths
from components.registry import lost_champion, model_registry, serving_history
from components.registry.manifest import RegistryError


def damage(number):
    (model_registry.served_folder(LINE, number) / "saved_model.pb").write_text("cut")


def lose():
    return lost_champion.record(LINE, pointer(), "the disk failed")


def test_it_is_a_move_of_the_history_with_its_reason_and_the_pointer_stays():
    make(1)
    move(1)
    before = pointer()
    damage(1)
    event = lose()
    assert (event["sequence"], event["kind"], event["from"], event["to"]) == (2, "lost", 1, 1)
    assert model_registry.history(LINE)[-1]["reason"] == "the disk failed"
    assert pointer() == {**before, "event": event}
    assert lost_champion.is_lost(pointer())
    assert not lost_champion.is_lost(before)
    assert serving_history.terms(model_registry.history(LINE))[-1]["until"] == event["time"]


def test_a_whole_champion_and_one_with_a_version_to_return_to_are_not_recorded():
    make(1), make(2, "other")
    move(1)
    with pytest.raises(RegistryError, match="is whole"):
        lose()
    move(2)
    damage(2)
    with pytest.raises(RegistryError, match=r"`newsdesk rollback` returns to version 1"):
        lose()
    damage(1)
    assert lose()["to"] == 2


def test_it_is_recorded_once_and_only_of_a_line_with_a_champion():
    with pytest.raises(RegistryError, match="has none"):
        lost_champion.record(LINE, None, "nothing there")
    make(1)
    move(1)
    damage(1)
    lose()
    with pytest.raises(RegistryError, match="has none"):
        lose()


def test_a_champion_that_moved_meanwhile_is_not_recorded():
    make(1), make(2, "other")
    move(1)
    decided = pointer()
    move(2)
    with pytest.raises(model_registry.PointerMoved):
        lost_champion.record(LINE, decided, "too late")


def test_the_next_release_follows_and_no_rollback_returns_to_the_lost_version():
    make(1)
    move(1)
    damage(1)
    lose()
    make(2, "other")
    assert move(2)["sequence"] == 3
    assert model_registry.rollback_target(LINE) is None
    assert model_registry.aliases(LINE) == {2: ["champion"]}


def test_a_lost_version_that_came_back_from_a_backup_can_serve_again():
    folder = make(1)
    shutil.copytree(folder, paths.home() / "backup")
    move(1)
    shutil.rmtree(folder)
    lose()
    (paths.home() / "backup").rename(folder)
    move(1, "promote")
    assert not lost_champion.is_lost(pointer())
    make(2, "other")
    move(2)
    assert model_registry.rollback_target(LINE) == 1
