"""A version made again: refused with what is missing, else compared byte for byte."""

import json

import pytest
from run_kit import BAG

from components.core import fileio, paths
from components.registry import model_registry
from pipelines.cli import main
from pipelines.operations import reproduce
from pipelines.runner import code_version

LINE = "news-demo"


def record(files=(), **code):
    """Version 1 of the line with the record of its run."""
    folder = paths.serving_dir(LINE) / "1"
    fileio.write_text(folder / "saved_model.pb", "model")
    fileio.write_json(folder / model_registry.MANIFEST, {"files": model_registry.folder_hashes(folder)})
    card = {"version": 1, "line": LINE, "run": "r", "digest": "d", "folder": str(folder), "metrics": {"accuracy": 0.9}}
    fileio.write_json(model_registry.card_path(LINE, 1), card)
    fileio.write_json(paths.run_dir("r") / "run.json", {"run": "r", "files": list(files), "source_code": code})


def refused(capsys):
    assert main.main(["reproduce", "1", "--line", LINE]) == 1
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ({}, "did not record one"),
        ({"commit": "", "note": "an installed copy"}, "an installed copy"),
        ({"commit": "0" * 40, "diff": ""}, "commit 000000000000 of version 1 is not in"),
        ({"commit": "HEAD", "left_out": ["components/new.py"]}, "were not kept (new, too large"),
    ],
)  # fmt: skip
def test_a_version_of_unknown_code_is_refused_with_the_reason(capsys, code, words):
    record(**code)
    assert words in refused(capsys)


def test_changed_and_lost_files_are_named(capsys, tmp_path):
    if not code_version.snapshot()["commit"]:
        pytest.skip("no git repository here")
    kept, changed = tmp_path / "kept.csv", tmp_path / "changed.csv"
    for path in (kept, changed):
        path.write_text("1,a,b\n")
    files = [
        {"kind": "file", "path": str(path), "sha256": fileio.file_hash(kept)}
        for path in (kept, changed, tmp_path / "lost.csv")
    ]
    record(files, commit="HEAD", diff="")
    changed.write_text("2,a,b\n")
    text = refused(capsys)
    assert f"{changed} has changed; {tmp_path / 'lost.csv'} is gone" in text and "kept.csv" not in text


def test_a_version_or_a_record_that_is_gone_is_said(capsys):
    record(commit="HEAD")
    (paths.run_dir("r") / "run.json").unlink()
    assert "the record of run r is gone" in refused(capsys)
    model_registry.card_path(LINE, 1).unlink()
    assert "version 1 of line news-demo does not exist" in refused(capsys)


@pytest.mark.slow
def test_a_real_version_is_made_again_with_equal_bytes_and_another_seed_differs_by_file(small_demo, capsys):
    code = code_version.snapshot()
    if not code["commit"] or code["left_out"]:
        pytest.skip(f"needs a git repository without new files: {code['note'] or code['left_out']}")
    overrides = [f"{name}={value}" for name, value in BAG["set"].items()]
    assert (
        main.main(["retrain", "--source", str(small_demo), "--line", LINE, "--preset", "bag", "--set", *overrides]) == 0
    )
    capsys.readouterr()
    assert main.main(["reproduce", "1", "--line", LINE, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    card = model_registry.card(LINE, 1)
    assert result["equal"] and result["again"] == card["digest"] and not result["differing"]
    place = paths.run_dir(card["run"]) / "run.json"
    value = fileio.read_json(place)
    fileio.write_json(place, {**value, "config": {**value["config"], "seed": 7}})
    other = reproduce.reproduce(LINE, 1, lambda text: None)
    assert not other["equal"] and any("variables" in name for name in other["differing"])
    left = code_version.git(paths.REPOSITORY, "worktree", "list")
    assert "newsdesk-code-" not in left
