"""Two versions side by side: on rows that neither learned from, with what differs, as text, JSON, page and file."""

import json

import numpy as np
import published
import pytest
import record_kit

from components.core import fileio, paths, run_record
from components.data.text_cleaning import row_hash
from components.evaluation import seen_rows
from components.registry import model_registry
from pipelines.cli import main
from pipelines.operations import compare

LINE = published.LINE


@pytest.fixture
def versions():
    """Version 1 answers well and version 2 gives each class's probability to the next; the run of the second has the test rows."""
    for run, kind in (("run-1", "good"), ("run-2", "shifted")):
        published.release(run, kind)
    folder = paths.home() / "examples"
    texts, ids = published.articles(80, seed=4)
    with record_kit.Writer(folder) as writer:
        for text, label in zip(texts, ids):
            writer.write("test", text.decode(), int(label))
    run_record.add_event("run-2", "Ingester", "done", artifacts={"examples": str(folder)})
    for version, width in ((1, 8), (2, 16)):
        origin = {
            "record": {"config": {"family": "bag", "network": {"width": width, "length": 8}}},
            "training": {"seconds": 2.0, "epochs": 3}, "bytes": 2_000_000,
            "cost": {"Trainer": {"state": "done", "seconds": 2.5, "cpu_seconds": 3.5, "peak_mb": 900.0}},
        }  # fmt: skip
        fileio.write_json(model_registry.origin_path(LINE, version), origin)
    return texts, ids


def test_the_same_rows_are_answered_by_both_and_rows_won_and_lost_are_counted(versions):
    texts, ids = versions
    compared = compare.collect(LINE, 1, 2)
    right = [published.answers(kind, tuple(texts)).argmax(axis=1) == ids for kind in ("good", "shifted")]
    assert (compared["comparison"]["won"], compared["comparison"]["lost"]) == (
        (right[0] & ~right[1]).sum(), (right[1] & ~right[0]).sum(),
    )  # fmt: skip
    assert [own["accuracy"] for own in compared["accuracy"]] == [pytest.approx(right.mean()) for right in right]
    assert compared["rows"] == 80 and compared["comparison"]["better"]
    other = compare.collect(LINE, 2, 1)
    assert other["comparison"]["difference"] == -compared["comparison"]["difference"]


def test_only_what_differs_is_listed(versions):
    compared = compare.collect(LINE, 1, 2)
    assert compared["settings"] == [("network.width", 8, 16)] and compared["data"] == []
    assert compared["versions"][0]["cost"]["size on disk, MB"] == 2.0
    cost = compared["versions"][1]["cost"]
    assert cost["training, processor s"] == 3.5 and cost["peak memory, MB"] == 900


def test_rows_that_one_of_them_learned_from_are_left_out(versions):
    texts, _ = versions
    hashes = sorted({int(row_hash(text.decode()), 16) for text in texts[:20]})
    seen_rows.save(seen_rows.place(LINE, 1), hashes)
    known = np.isin([int(row_hash(text.decode()), 16) for text in texts], hashes)
    compared = compare.collect(LINE, 1, 2)
    assert compared["taken_out"] == {"1": known.sum()} and compared["rows"] == 80 - known.sum() > 0


def test_text_json_page_and_file_come_from_one_command(versions, capsys):
    assert main.main(["compare", "1", "2", "--line", LINE]) == 0
    shown = capsys.readouterr().out
    assert "version 1 against version 2 on 80 test rows" in shown and "network.width" in shown
    folder = compare.place(LINE, 1, 2)
    page = (folder / "comparison.html").read_text()
    assert (
        "Settings that differ" in page and "The same data" in page and "Version 1 has it right, version 2 wrong" in page
    )
    assert "<script" not in page and 'href="rows.csv"' in page
    assert (folder / "rows.csv").read_text().startswith("kind,true,version 1,probability,version 2,text")
    assert main.main(["compare", "1", "2", "--line", LINE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 80


def test_classes_in_another_order_are_compared_by_name_and_other_classes_not_at_all(versions):
    for run, kind in (("run-3", "reordered"), ("run-4", "wider")):
        published.release(run, kind)
    good, reordered = (compare.collect(LINE, version, 2) for version in (1, 3))
    assert reordered["differing"] == good["differing"] and reordered["comparison"] == good["comparison"]
    places = [published.LABELS_OF["reordered"].index(label) for label in published.LABELS]
    with record_kit.Writer(paths.home() / "reordered") as writer:
        for text, label in zip(*versions):
            writer.write("test", text.decode(), places[label])
    run_record.add_event("run-3", "Ingester", "done", artifacts={"examples": str(paths.home() / "reordered")})
    compared = compare.collect(LINE, 3, 1)
    assert [own["accuracy"] for own in compared["accuracy"]] == [1.0, 1.0], (
        "the rows are numbered as the run's own labels"
    )
    with pytest.raises(compare.NotComparable, match=r"versions 1 and 4 have other labels: .*Weather"):
        compare.collect(LINE, 1, 4)


def test_a_version_that_does_not_exist_and_missing_rows_are_reported(versions, capsys):
    assert main.main(["compare", "1", "9", "--line", LINE]) == 1
    assert f"version 9 of line {LINE} does not exist" in capsys.readouterr().err
    (paths.home() / "examples").rename(paths.home() / "elsewhere")
    with pytest.raises(compare.NotComparable, match="test rows of both runs are gone"):
        compare.collect(LINE, 1, 2)
