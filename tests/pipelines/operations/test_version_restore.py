"""A damaged champion: what the doctor advises, and the folder made again from the model that its run trained, or from the store."""

import os
import shutil

import published
import pytest

from components.core import fileio, locks, paths
from components.registry import model_registry
from pipelines.client import Client
from pipelines.operations import doctor, doctor_line, version_restore
from pipelines.reports import model_card

LINE = published.LINE
FOLDER = f"champion of {LINE}"


@pytest.fixture
def released(monkeypatch):
    """A line after its first release, with the model that its run trained; returns the served folder."""
    monkeypatch.setattr(doctor_line, "behind", lambda line: "")
    model_card.write(LINE, published.release("run-1"))
    config = {"line": LINE, "labels": published.LABELS, "release": "never"}
    fileio.write_json(model_registry.origin_path(LINE, 1), {"record": {"run": "run-1", "config": config}})
    trained("swapped", 3)
    trained("good", 8)
    return model_registry.served_folder(LINE, 1)


def trained(kind, number):
    folder = paths.artifacts_dir(LINE) / "Trainer" / "model" / str(number) / "Format-Serving"
    shutil.copytree(published.model(kind), folder)
    return folder


def wrong():
    return {what: says for what, ok, says in doctor.findings() if not ok}


def cut(folder):
    (folder / "saved_model.pb").write_bytes(b"cut")


def without_manifest(folder):
    (folder / "manifest.json").unlink()


def test_a_copy_in_staging_has_not_the_age_of_its_source(released, tmp_path, monkeypatch):
    stored = tmp_path / "stored"
    shutil.copytree(released, stored)
    for path in [stored, *stored.rglob("*")]:
        os.utime(path, (0, 0))
    monkeypatch.setattr(version_restore, "_stored", lambda line, version: stored)
    left, verify = [], model_registry.verify
    look = lambda folder: left.extend(model_registry.leftovers(age=locks.LEASE)) or verify(folder)  # noqa: E731
    monkeypatch.setattr(model_registry, "verify", look)
    version_restore.restore(LINE, 1)
    assert left == []


@pytest.mark.parametrize("damage", [cut, without_manifest, shutil.rmtree], ids=lambda damage: damage.__name__)
def test_a_damaged_champion_is_made_again_from_the_model_of_its_run(released, damage):
    before = model_registry.folder_hashes(released)
    damage(released)
    assert "--repair" in wrong()[FOLDER]
    source = paths.artifacts_dir(LINE) / "Trainer" / "model" / "8" / "Format-Serving"
    assert (True, f"restored version 1 of {LINE} from {source}") in list(doctor.repair())
    assert model_registry.verify(released)["digest"] == model_registry.champion(LINE)["digest"]
    assert model_registry.folder_hashes(released) == before
    assert Client(LINE).classify(["goal coach season"])[0]["label"] == "Sports"
    assert wrong() == {}
    assert list(paths.staging_dir().iterdir()) == []


@pytest.mark.parametrize("damage", [cut, shutil.rmtree], ids=lambda damage: damage.__name__)
def test_another_model_is_never_put_in_its_place(released, damage):
    (paths.artifacts_dir(LINE) / "Trainer/model/8/Format-Serving/saved_model.pb").write_bytes(b"other")
    damage(released)
    assert False in [done for done, _ in doctor.repair()]
    assert not released.exists() or (released / "saved_model.pb").read_bytes() == b"cut"
    assert model_registry.removed(LINE) == {}
    assert set(wrong()) == {FOLDER}
    assert "removed by retention" not in str(list(doctor.findings()))


def test_a_damaged_champion_is_fetched_from_the_object_store(released, store):
    model_registry.move_champion(LINE, model_registry.champion(LINE), 1, "promote", "into the store", {})
    shutil.rmtree(paths.artifacts_dir(LINE))
    before = fileio.read_json(released / "manifest.json")
    cut(released)
    assert all(done for done, _ in doctor.repair())
    assert model_registry.verify(released) == before


def test_the_advice_is_a_rollback_only_where_one_would_succeed(released):
    shutil.rmtree(paths.artifacts_dir(LINE))
    published.release("run-2", "shifted")
    cut(model_registry.served_folder(LINE, 2))
    assert f"`newsdesk rollback --line {LINE}` returns to version 1" in wrong()[FOLDER]
    cut(released)
    assert "returns to version" not in wrong()[FOLDER]
    assert "restore its folder from a backup" in wrong()[FOLDER]
