"""A node's result counts only where code and encoders are still what its run was opened with, and its files what was written."""

from dataclasses import replace
from pathlib import Path

import pytest
from data_kit import articles
from data_kit import source as source_of

from components.data import tfrecords
from pipelines.config import run_config
from pipelines.operations import retention
from pipelines.runner import mlmd_store, runs, tfx_launcher


@pytest.fixture
def record(tmp_path):
    folder = source_of(tmp_path / "source", articles(20, 1), articles(4, 2))
    mlmd_store.ensure()
    return runs.open_run("r1", run_config.Request(source=str(folder)))


def test_a_result_of_other_code_is_neither_published_nor_offered_by_the_cache(record):
    edited = replace(record, run="r0", code_files={**record.code_files, "components/data/row_format.py": "edited"})
    with pytest.raises(runs.Changed, match=r"components/data/row_format\.py"):
        tfx_launcher.launch(edited, "ImportSchemaGen")
    assert tfx_launcher.launch(record, "ImportSchemaGen").state == "done"
    assert tfx_launcher.launch(replace(record, run="r2"), "ImportSchemaGen").state == "cached"


def launched(record, run, node):
    return tfx_launcher.launch(replace(record, run=run), node)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_cached_result_whose_files_were_damaged_is_made_again(record, capsys):
    first = launched(record, "r1", "Ingester")
    damaged = Path(tfrecords.files(first.uris["examples"], "train")[0])
    flip(damaged)
    second = launched(record, "r2", "Ingester")
    assert second.state == "done" and second.uris["examples"] != first.uris["examples"]
    assert f"Ingester: a cached result is withdrawn and made again: {damaged} has changed" in capsys.readouterr().err
    assert len(tfrecords.load(second.uris["examples"], "train")[0])
    third = launched(record, "r3", "Ingester")
    assert third.state == "cached" and third.uris == second.uris


def test_any_file_of_a_cached_result_counts_and_what_was_added_to_it_does_not(record):
    uris = launched(record, "r1", "Ingester").uris
    (Path(uris["quarantine"]) / "page.html").write_text("a page")
    assert launched(record, "r2", "Ingester").state == "cached"
    (Path(uris["quarantine"]) / "report.json").unlink()
    assert launched(record, "r3", "Ingester").state == "done"


def test_every_cached_result_with_damage_is_withdrawn(record):
    """Two runs that each made their own, as with --force."""
    for run in ("r1", "r2"):
        config = replace(record.config, force=True)
        made = tfx_launcher.launch(replace(record, run=run, config=config), "ImportSchemaGen")
        assert made.state == "done"
        flip(Path(made.uris["schema"]) / "schema.pbtxt")
    assert launched(record, "r3", "ImportSchemaGen").state == "done"
    assert launched(record, "r4", "ImportSchemaGen").state == "cached"


def test_a_result_without_a_readable_list_of_its_files(record):
    folder = Path(launched(record, "r1", "ImportSchemaGen").uris["schema"])
    listed = folder.parents[1] / ".system" / "files" / folder.name
    assert listed in [item.path for item in retention._artifacts(record.line)]
    listed.write_text("{")
    assert launched(record, "r2", "ImportSchemaGen").state == "done"
    for path in listed.parent.iterdir():
        path.unlink()  # as an earlier version left it
    assert launched(record, "r3", "ImportSchemaGen").state == "cached"
