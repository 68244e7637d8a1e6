"""What `newsdesk doctor` finds between the state folder and its object store, and what it mends; each fault is made first."""

import json
import shutil
from datetime import timedelta

import pytest
import store_kit
from published_files import LINE, make, move, pointer

from components.core import fileio, paths
from components.registry import model_registry, store_layout
from pipelines.operations import doctor, doctor_store

POINTER = f"registry/{LINE}/champion.json"


@pytest.fixture
def desk(store):
    """A line with two versions in the store, of which the second serves."""
    for number, content in ((1, "model"), (2, "second")):
        make(number, content)
        fileio.write_json(paths.registry_dir(LINE) / "versions" / f"{number}.profile.json", {"words": number})
        move(number)
    return store


def wrong():
    return [message for _, well, message in doctor_store.check(LINE) if not well]


def mended():
    return list(doctor_store.repair(LINE))


def test_nothing_is_wrong_or_mended_where_both_agree(desk):
    assert wrong() == []
    assert mended() == []
    assert [message for _, _, message in doctor_store.check(LINE)] == [
        "s3://bucket/desk has version 2 (move 2), as this folder, and its files"
    ]


def test_without_a_store_there_is_nothing_to_check(s3):
    make(1)
    move(1)
    assert (list(doctor_store.store()), wrong(), mended()) == ([], [], [])


def test_doctor_asks_the_store(desk, s3):
    assert ("object store", True, "s3://bucket/desk answers and honours conditional writes") in list(doctor.findings())
    s3.away = True
    store_kit.object_store.check_conditional_writes.cache_clear()
    found = {what: message for what, well, message in doctor.findings() if not well}
    assert "the object store must answer" in found["object store"]
    assert "the object store must answer" in found[f"object store of {LINE}"]


def test_doctor_mends_the_store_of_each_line(desk):
    desk.remove([POINTER])
    told = list(doctor.repair())
    assert (True, f"moved the pointer of {LINE} in s3://bucket/desk to version 2 (move 2)") in told


@pytest.mark.parametrize("lost", ["pointer", "everything", "manifest", "file", "move", "config"])
def test_what_the_store_lost_is_sent_again(desk, lost):
    keys = desk.keys("")
    desk.remove(
        {
            "pointer": [POINTER],
            "everything": list(keys),
            "manifest": [f"serving/{LINE}/2/manifest.json"],
            "file": [f"serving/{LINE}/2/saved_model.pb"],
            "move": [f"registry/{LINE}/moves/00000001.json"],
            "config": [f"serving/{LINE}/models.config"],
        }[lost]
    )
    assert bool(wrong()) == (lost not in ("move", "config"))
    assert all(well for well, _ in mended())
    assert wrong() == []
    back = set(desk.keys(""))
    assert back == (
        set(keys) if lost != "everything" else {key for key in keys if "/1/" not in key and "/1." not in key}
    )


def test_moves_made_without_the_store_are_published(desk, monkeypatch):
    monkeypatch.delenv("NEWSDESK_STORE")
    move(1, "rollback")
    monkeypatch.setenv("NEWSDESK_STORE", desk.uri)
    assert "has version 2 (move 2), this folder is at version 1 (move 3); --repair publishes it" in wrong()[0]
    assert all(well for well, _ in mended())
    assert wrong() == []
    assert json.loads(desk.read(POINTER).data)["event"] == pointer()["event"]


def test_an_old_copy_of_a_folder_takes_over_what_came_since(desk, monkeypatch, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(paths.home(), copy)
    make(3, "third")
    fileio.write_json(paths.registry_dir(LINE) / "versions" / "3.profile.json", {"words": 3})
    move(3), move(1, "rollback")
    history = model_registry.recorded(LINE)
    monkeypatch.setenv("NEWSDESK_HOME", str(copy))
    assert (
        "has version 1 (move 4), 2 moves after this folder's version 2 (move 2); --repair takes them over" in wrong()[0]
    )
    assert all(well for well, _ in mended())
    assert wrong() == []
    assert model_registry.recorded(LINE) == history
    assert pointer()["version"] == 1
    assert (paths.serving_dir(LINE) / "3" / "saved_model.pb").read_text() == "third"
    assert (paths.registry_dir(LINE) / "versions" / "3.profile.json").exists()
    move(3, "promote")  # and works on
    assert json.loads(desk.read(POINTER).data)["version"] == 3


def test_a_version_of_the_same_number_and_another_content_is_not_replaced(desk, monkeypatch, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(paths.home(), copy)
    make(3, "third"), move(3)
    monkeypatch.setenv("NEWSDESK_HOME", str(copy))
    make(3, "this desk's own")
    ((well, message),) = mended()
    assert not well
    assert "version 3 of news is another one here than in s3://bucket/desk" in message
    assert pointer()["version"] == 2


def test_two_desks_that_went_apart_are_named_and_nothing_is_changed(desk, monkeypatch, tmp_path):
    before = desk.read(POINTER).data
    monkeypatch.setenv("NEWSDESK_HOME", str(tmp_path / "other"))
    monkeypatch.delenv("NEWSDESK_STORE")
    make(1, "other"), make(2, "another")
    move(1), move(2), move(1, "rollback")
    monkeypatch.setenv("NEWSDESK_STORE", desk.uri)
    assert "of another history than this folder's version 1 (move 3): desk" in wrong()[0]
    ((well, message),) = mended()
    assert not well
    assert "Give each desk a store of its own" in message
    assert desk.read(POINTER).data == before


def test_an_upload_that_broke_off_is_named_and_removed_once_it_is_old(desk, monkeypatch):
    desk.create(f"serving/{LINE}/9/saved_model.pb", b"half")
    assert wrong() == ["an upload of version 9 broke off; --repair removes it after an hour"]
    assert mended() == []
    monkeypatch.setattr(doctor_store, "LEFT", timedelta(seconds=-60))
    assert mended() == [(True, "removed an upload of version 9 of news that broke off")]
    assert wrong() == []
    assert store_layout.manifest_of(desk, LINE, 2)
