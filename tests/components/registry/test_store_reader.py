"""A line read from an object store: downloaded once, compared, kept, and answered from while the store is away."""

import threading
from pathlib import Path

import pytest
from published_files import LINE, make, move

from components.registry import manifest, store_layout
from components.registry.object_store import StoreError
from components.registry.store_reader import KEPT, StoreReader

MODEL = f"serving/{LINE}/1/saved_model.pb"


@pytest.fixture
def reader(store, tmp_path):
    """Reads a line whose version 1 serves, and has read nothing yet."""
    make(1)
    move(1)
    return StoreReader(store.uri, LINE, tmp_path / "cache")


def read(reader):
    """What serves, as its file says."""
    return (reader.folder(reader.champion()["version"]) / "saved_model.pb").read_text()


def downloads(s3, key=MODEL):
    return sum(method == "GET" and path.endswith(key) for method, path in s3.asked)


def test_a_line_without_a_champion_has_none(store, tmp_path):
    reader = StoreReader(store.uri, LINE, tmp_path / "cache")
    assert reader.champion() is None
    assert reader.folder(1) is None


def test_a_version_is_downloaded_once_for_all_readers_and_equals_the_desk_s(s3, reader, tmp_path):
    assert read(reader) == read(reader) == read(StoreReader(reader.store.uri, LINE, tmp_path / "cache")) == "model"
    assert downloads(s3) == 1
    folder = reader.folder(1)
    assert manifest.verify(folder)["run"] == "run-1"
    assert [path.name for path in reader.cache.iterdir() if path.name.startswith(".")] == []


def test_the_pointer_is_followed_and_not_sent_again_while_it_stays(s3, reader):
    assert read(reader) == "model"
    kept = (reader.cache / "champion.json").stat().st_ino
    make(2, "second")
    assert read(reader) == "model"
    assert (reader.cache / "champion.json").stat().st_ino == kept
    move(2)
    assert read(reader) == "second"
    move(1, "rollback")
    assert read(reader) == "model"
    assert downloads(s3) == 1


def test_while_the_store_is_away_the_last_champion_answers_in_a_new_process_too(s3, reader, tmp_path, caplog):
    assert read(reader) == "model"
    s3.away = True
    assert read(reader) == "model"
    assert "the object store must answer" in reader.trouble
    assert "version 1 goes on answering" in caplog.text
    assert read(StoreReader(reader.store.uri, LINE, tmp_path / "cache")) == "model"
    with pytest.raises(StoreError):
        reader.folder(2)
    with pytest.raises(StoreError):
        StoreReader(reader.store.uri, LINE, tmp_path / "empty").champion()
    s3.away = False
    assert read(reader) == "model"
    assert reader.trouble == ""


def test_a_version_without_a_manifest_is_no_version(reader):
    reader.store.create(f"serving/{LINE}/2/saved_model.pb", b"half")
    assert reader.folder(2) is None


@pytest.mark.parametrize("damage", ["changed", "gone", "another model"])
def test_what_is_not_as_the_manifest_or_the_pointer_says_is_refused_and_leaves_nothing(reader, damage):
    if damage == "changed":
        reader.store.write(MODEL, b"other")
    elif damage == "gone":
        reader.store.remove([MODEL])
    else:
        key = f"serving/{LINE}/1/manifest.json"
        reader.store.write(key, reader.store.read(key).data.replace(b'"digest": "', b'"digest": "0'))
    reader.champion()
    with pytest.raises(manifest.RegistryError, match=r"s3://bucket/desk/serving/news/1"):
        reader.folder(1)
    assert [path.name for path in reader.cache.iterdir()] == ["champion.json"]


@pytest.mark.parametrize("name", ["../../out", "/out", "a/../../out", ""])
def test_a_manifest_that_leads_out_of_its_folder_is_refused(reader, tmp_path, name):
    key = f"serving/{LINE}/1/manifest.json"
    held = store_layout.manifest_of(reader.store, LINE, 1)
    reader.store.write(key, store_publisher_json({**held, "files": {name: "0" * 64}}))
    with pytest.raises(manifest.RegistryError, match="must name files of its folder"):
        reader.folder(1)
    assert not list(tmp_path.rglob("out"))


def test_a_damaged_copy_is_downloaded_again(s3, reader):
    (reader.folder(1) / "saved_model.pb").write_text("flipped")
    assert read(reader) == "model"
    (reader.cache / "champion.json").write_text("{")
    assert read(reader) == "model"
    assert downloads(s3) == 2


def test_a_download_that_breaks_off_leaves_nothing_and_the_next_one_ends_it(s3, reader):
    reader.champion()
    s3.before = lambda method, path: s3.die() if path.endswith(MODEL) else None
    with pytest.raises(StoreError):
        reader.folder(1)
    assert [path.name for path in reader.cache.iterdir()] == ["champion.json"]
    s3.reset()
    assert read(reader) == "model"


def test_readers_at_once_end_with_one_whole_version(reader, tmp_path):
    ready, texts = threading.Barrier(6), []

    def fetch():
        mine = StoreReader(reader.store.uri, LINE, tmp_path / "cache")
        ready.wait()
        texts.append(read(mine))

    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == ["model"] * 6
    assert len(list(reader.cache.glob("1-*"))) == 1


def test_a_cache_keeps_the_versions_that_were_used_last(reader):
    for number in range(2, KEPT + 3):
        make(number, f"model {number}")
        move(number)
        assert read(reader) == f"model {number}"
    assert len(list(reader.cache.glob("[0-9]*-*"))) == KEPT


def test_a_version_that_another_process_removes_meanwhile_fails_no_download(reader, monkeypatch):
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: [*glob(folder, pattern), folder / "1-gone"])
    assert read(reader) == "model"


def store_publisher_json(value):
    from components.registry.store_publisher import _json

    return _json(value)
