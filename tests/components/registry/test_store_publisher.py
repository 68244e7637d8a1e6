"""A registry in an object store: versions whole or absent, one pointer for all desks, and what a crash leaves mended by the next move."""

import json
import shutil
import threading

import pytest
import store_kit
from published_files import LINE, make, move, pointer

from components.core import fileio, paths
from components.registry import model_registry, store_layout, store_publisher
from components.registry.model_registry import PointerMoved
from components.registry.object_store import ObjectStore, StoreError

POINTER = f"registry/{LINE}/champion.json"


def stored(store):
    return json.loads(store.read(POINTER).data) if store.read(POINTER) else None


def another_desk(monkeypatch, tmp_path, name="other"):
    """A second state folder of the same store, from here on."""
    monkeypatch.setenv("NEWSDESK_HOME", str(tmp_path / name))


# --- what a move leaves in the store ---


def test_a_move_leaves_version_pointer_history_records_and_serving_configuration(store):
    make(1)
    fileio.write_json(paths.registry_dir(LINE) / "versions" / "1.profile.json", {"words": 1})
    event = move(1)
    assert set(store.keys("")) == {
        f"serving/{LINE}/1/manifest.json", f"serving/{LINE}/1/saved_model.pb", f"serving/{LINE}/models.config",
        POINTER, f"registry/{LINE}/moves/00000001.json", f"registry/{LINE}/versions/1.profile.json",
    }  # fmt: skip
    there = stored(store)
    assert {name: there[name] for name in ("line", "version", "digest", "event")} == pointer()
    assert store_layout.move_event(store, LINE, 1) == event
    config = store.read(f"serving/{LINE}/models.config").data.decode()
    assert f'base_path: "s3://bucket/desk/serving/{LINE}"' in config
    assert "versions: 1\n" in config


def test_versions_that_never_served_are_not_in_the_store(store):
    make(1), make(2), make(3, held=True)
    move(1)
    assert {key.split("/")[2] for key in store.keys(f"serving/{LINE}")} == {"1", "models.config"}


def test_without_a_store_nothing_is_asked(s3):
    make(1)
    move(1)
    assert all("moto-api" in path or path == f"/{store_kit.BUCKET}" for _, path in s3.asked)


def test_the_files_come_before_the_manifest_and_both_before_the_pointer(s3, store):
    make(1)
    move(1)
    written = [path for method, path in s3.asked if method == "PUT" and "check" not in path]
    order = [f"serving/{LINE}/1/saved_model.pb", f"serving/{LINE}/1/manifest.json", POINTER]
    assert written[1:4] == [f"/bucket/desk/{key}" for key in order]  # the first made the bucket


def test_a_rollback_and_a_held_version_are_moves_like_any_other(store):
    make(1), make(2, "second", held=True)
    move(1), move(2, "promote"), move(1, "rollback")
    assert stored(store)["version"] == 1
    assert [store_layout.move_event(store, LINE, n)["to"] for n in (1, 2, 3)] == [1, 2, 1]
    assert "versions: 1\n" in store.read(f"serving/{LINE}/models.config").data.decode()


def test_a_store_that_is_configured_later_begins_with_the_next_move_and_gets_all_earlier_ones(store, monkeypatch):
    make(1), make(2, "second")
    monkeypatch.delenv("NEWSDESK_STORE")
    move(1)
    monkeypatch.setenv("NEWSDESK_STORE", store.uri)
    move(2)
    monkeypatch.delenv("NEWSDESK_STORE")
    move(1, "rollback"), move(2)  # the store falls behind
    monkeypatch.setenv("NEWSDESK_STORE", store.uri)
    move(1, "rollback")
    assert (stored(store)["version"], stored(store)["event"]["sequence"]) == (1, 5)
    assert len(store.keys(f"registry/{LINE}/moves")) == 5


# --- two desks ---


def test_of_many_desks_one_moves_the_pointer_and_every_other_is_told_both(store, monkeypatch, tmp_path):
    """The folders are copies of one; each has a pointer of its own to move, and all meet in the store."""
    make(1), move(1)
    expected, ready, won, lost = pointer(), threading.Barrier(8), [], []

    def desk(number: int) -> None:
        event = {**expected["event"], "sequence": 2, "to": 1, "from": 1, "who": f"desk {number}"}
        ready.wait()
        try:
            store_publisher.move(ObjectStore(store.uri), LINE, {**expected, "event": event})
            won.append(number)
        except PointerMoved as error:
            lost.append(str(error))

    threads = [threading.Thread(target=desk, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert stored(store)["event"]["who"] == f"desk {won[0]}"
    assert len(lost) == 7
    for message in lost:
        assert "here it is version 1 (move 1)" in message
        assert f"s3://bucket/desk has version 1 (move 2), moved by desk {won[0]}" in message
        assert "newsdesk doctor" in message


def test_a_desk_that_does_not_know_the_store_s_moves_moves_nothing(store, monkeypatch, tmp_path):
    make(1), make(2, "second")
    move(1), move(2)
    before = stored(store)
    another_desk(monkeypatch, tmp_path)
    make(5, "other"), make(6, "another")
    with pytest.raises(
        PointerMoved, match=r"here it is none\. Received: s3://bucket/desk has version 2 \(move 2\), moved by"
    ):
        move(5)
    assert stored(store) == before
    assert model_registry.champion(LINE) is None
    assert not (paths.registry_dir(LINE) / "promotions.jsonl").exists()


def test_two_desks_with_one_number_for_two_models_never_mix_them(store, monkeypatch, tmp_path):
    make(1), move(1)
    held = store.read(f"serving/{LINE}/1/saved_model.pb").data
    another_desk(monkeypatch, tmp_path)
    make(1, "other model")
    with pytest.raises(PointerMoved, match=r"another desk publishes to this store"):
        move(1)
    assert store.read(f"serving/{LINE}/1/saved_model.pb").data == held


# --- what goes wrong ---


def test_a_store_that_ignores_conditions_gets_nothing_and_the_champion_stays(s3, monkeypatch):
    make(1), move(1), make(2, "second")
    before = pointer()
    with store_kit.heedless() as (address, objects):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setenv("NEWSDESK_STORE", "s3://bucket/desk")
        with pytest.raises(StoreError, match="must answer 412"):
            move(2)
        assert objects == {}
    assert pointer() == before


def test_a_store_that_dies_in_an_upload_leaves_no_version_and_the_next_try_ends_it(s3, store):
    folder = make(1)
    for name in ("a", "b"):
        (folder / name).write_text(name)
    rewrite_manifest(folder)
    s3.before = lambda method, path: s3.die() if path.endswith("/1/b") and method == "PUT" else None
    with pytest.raises(
        StoreError, match=r"the object store must answer\. Received: write s3://bucket/desk/serving/news/1/b"
    ):
        move(1)
    assert model_registry.champion(LINE) is None
    s3.reset()
    assert set(store.keys("serving")) == {f"serving/{LINE}/1/a"}
    assert store_layout.manifest_of(store, LINE, 1) is None
    assert stored(store) is None
    move(1)
    assert store_layout.manifest_of(store, LINE, 1)["files"].keys() == {"a", "b", "saved_model.pb"}
    assert stored(store)["version"] == 1


def test_a_pointer_that_cannot_be_written_stays_everywhere_and_the_next_try_moves_it(s3, store):
    make(1), move(1), make(2, "second")
    before = pointer()
    s3.before = fail_on("PUT", POINTER)
    with pytest.raises(StoreError, match=r"write s3://bucket/desk/registry/news/champion.json"):
        move(2)
    assert pointer() == before == model_registry.champion(LINE)
    s3.reset()
    assert stored(store)["version"] == 1
    move(2)
    assert (stored(store)["version"], pointer()["version"]) == (2, 2)


def test_a_crash_between_the_store_and_the_folder_is_mended_by_the_same_move(store, monkeypatch):
    make(1), move(1), make(2, "second")
    expected = pointer()
    with pytest.raises(OSError, match="no space"):
        crash_after_the_store(monkeypatch, lambda: move(2))
    assert (stored(store)["version"], pointer()["version"]) == (2, 1)
    event = model_registry.move_champion(LINE, expected, 2, "release", "because", {})
    assert stored(store)["event"] == event == pointer()["event"] == model_registry.history(LINE)[-1]
    assert event["sequence"] == 2
    assert len(model_registry.recorded(LINE)) == 2


def test_after_such_a_crash_another_move_is_told_and_then_goes_on_from_the_store_s(store, monkeypatch):
    make(1), move(1), make(2, "second"), make(3, "third")
    expected = pointer()
    with pytest.raises(OSError, match="no space"):
        crash_after_the_store(monkeypatch, lambda: move(2))
    with pytest.raises(PointerMoved, match=r"version 1 \(move 1\)\. Received: version 2 \(move 2\) serves now"):
        model_registry.move_champion(LINE, expected, 3, "release", "because", {})
    move(3)
    assert [event["to"] for event in model_registry.recorded(LINE)] == [1, 2, 3]
    assert stored(store)["version"] == 3


def test_the_next_run_begins_with_the_store_s_champion_after_such_a_crash(s3, store, monkeypatch, capsys):
    make(1), move(1), make(2, "second")
    with pytest.raises(OSError, match="no space"):
        crash_after_the_store(monkeypatch, lambda: move(2))
    s3.away = True
    assert model_registry.catch_up(LINE) is None
    assert "the object store was not asked: the object store must answer" in capsys.readouterr().err
    s3.away = False
    assert model_registry.catch_up(LINE)["to"] == 2
    assert pointer()["version"] == 2
    assert model_registry.catch_up(LINE) is None


def test_an_answer_that_is_lost_is_no_lost_race(s3, store, monkeypatch):
    """The store has written; the client tries again and is refused by its own write."""
    make(1), move(1), make(2, "second")
    app, lost = s3.app, []

    def answer(environ, start):
        if environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"].endswith(POINTER) and not lost:
            lost.append(list(app(environ, lambda *answer: None)))
            start("503 Slow Down", [("Content-Length", "0")])
            return []
        return app(environ, start)

    monkeypatch.setattr(s3, "app", answer)
    move(2)
    assert lost
    assert (stored(store)["version"], pointer()["version"]) == (2, 2)


def test_what_follows_the_pointer_may_fail_and_the_next_move_brings_it(s3, store, capsys):
    make(1), make(2, "second")
    s3.before = fail_on("PUT", f"registry/{LINE}/moves/00000001.json")
    move(1)
    assert "the store is not up to date" in capsys.readouterr().err
    assert stored(store)["version"] == pointer()["version"] == 1
    s3.reset()
    move(2)
    assert set(store.keys(f"registry/{LINE}/moves")) == {f"registry/{LINE}/moves/0000000{n}.json" for n in (1, 2)}


@pytest.mark.parametrize("when", ["before", "while it is sent"])
def test_a_file_that_is_damaged_here_is_never_sent(s3, store, when):
    folder = make(1)
    (folder / "a").write_text("a")
    rewrite_manifest(folder)
    if when == "before":
        (folder / "saved_model.pb").write_text("other")
    else:
        s3.before = lambda method, path: path.endswith("/1/a") and (folder / "saved_model.pb").write_text("other")
    with pytest.raises(model_registry.RegistryError, match=r"saved_model\.pb"):
        move(1)
    assert f"serving/{LINE}/1/saved_model.pb" not in store.keys("serving")
    assert store_layout.manifest_of(store, LINE, 1) is None


@pytest.mark.parametrize("content", [b"no json", b"[]", b'{"version": 1}'])
def test_a_store_s_pointer_that_is_none_is_named_and_not_replaced(store, content):
    make(1)
    store.write(POINTER, content)
    with pytest.raises(StoreError, match=r"s3://bucket/desk/registry/news/champion.json"):
        move(1)
    assert store.read(POINTER).data == content


def test_what_retention_removed_here_leaves_the_store_manifest_first_and_never_the_champion(s3, store, capsys):
    for number in (1, 2, 3):
        make(number, f"model {number}")
        move(number)
    for number in (1, 3):
        shutil.rmtree(paths.serving_dir(LINE) / str(number))
        model_registry.note_removed(LINE, number, "retention")
    s3.before = fail_on("DELETE", f"serving/{LINE}/1/saved_model.pb")
    assert store_publisher.withdraw(LINE) == []
    assert "the store keeps what was removed here" in capsys.readouterr().err
    assert store_layout.manifest_of(store, LINE, 1) is None  # half a version is none
    s3.reset()
    assert store_publisher.withdraw(LINE) == [1]
    assert store_publisher.withdraw(LINE) == []
    assert {key.split("/")[2] for key in store.keys(f"serving/{LINE}")} == {"2", "3", "models.config"}
    assert len(store.keys(f"registry/{LINE}/moves")) == 3


def rewrite_manifest(folder):
    files = model_registry.folder_hashes(folder)
    manifest = {
        **fileio.read_json(folder / "manifest.json"),
        "files": files,
        "digest": model_registry.content_digest(files),
    }
    fileio.write_json(folder / "manifest.json", manifest)


def fail_on(method, key):
    def before(asked, path):
        assert not (asked == method and path.endswith(key))

    return before


def crash_after_the_store(monkeypatch, act):
    def full(line, pointer):
        raise OSError("no space")

    with monkeypatch.context() as patched:
        patched.setattr(model_registry, "write_move", full)
        act()
