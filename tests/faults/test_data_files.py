"""Files that are damaged, half there or not what they say: the run stops in its first node with file, line and column, and
nothing is published. Record files that go bad between two nodes: file and place are named.
"""

import gzip
import hashlib
import json
import os
from pathlib import Path

import pytest
import record_kit
import tensorflow as tf
from data_kit import articles, as_csv, source, span

from components import data_gate
from components.core import fileio, locks, paths
from components.data import tfrecords as records
from components.registry import model_registry
from pipelines import run_node
from pipelines.runner import runs

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore")]  # warnings are TFX's and Beam's own


@pytest.fixture
def champion(newsdesk_home):
    """A line with version 1 as its champion."""
    folder = paths.serving_dir("news") / "1"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"model")
    hashes = model_registry.folder_hashes(folder)
    fileio.write_json(
        folder / model_registry.MANIFEST, {"files": hashes, "digest": model_registry.content_digest(hashes)}
    )
    model_registry.move_champion("news", None, 1, "promote", "first", {})
    return model_registry.champion("news")


def door(capsys, node: str, folder: Path | str = "", **request) -> tuple[int, dict]:
    asked = json.dumps({"source": str(folder), **request})
    code = run_node.execute(run_node.parse(["--node", node, "--run-id", "r1", "--config", asked]))
    return code, json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def nothing_published(champion, capsys) -> bool:
    """The pointer has not moved and resolves to a whole version, no version came, and the line is free once closed."""
    door(capsys, "close")
    folder = paths.serving_dir("news")
    whole = model_registry.verify(folder / "1")["digest"] == model_registry.champion("news")["digest"]
    alone = [path.name for path in folder.iterdir() if path.is_dir()] == ["1"] and len(
        model_registry.history("news")
    ) == 1
    return whole and alone and model_registry.champion("news") == champion and locks.holder("news") is None


def missing_column(folder):
    (folder / "train.csv").write_bytes(b"label,title\n1,a\n")


def renamed_column(folder):
    (folder / "train.csv").write_bytes(as_csv([("label", "title", "inhoud"), *articles(9)]))


def two_columns(folder):
    (folder / "train.csv").write_bytes(b'"1","a"\n"2","b"\n')


def empty(folder):
    (folder / "train.csv").write_bytes(b"")


def header_only(folder):
    (folder / "train.csv").write_bytes(b"label,title,description\n")


def html_page(folder):
    (folder / "train.csv").write_bytes(b"<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>")


def truncated(folder):
    (folder / "train.csv").write_bytes(as_csv(articles(50))[:-9])


def truncated_gz(folder):
    (folder / "train.csv").unlink()
    (folder / "train.csv.gz").write_bytes(gzip.compress(as_csv(articles(50)))[:-9])


def wrong_checksum(folder):
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(b'other').hexdigest()}  train.csv\n")


def out_of_the_root(folder):
    (folder / "extra.csv").symlink_to("/etc/hosts")


def no_train_file(folder):
    (folder / "train.csv").rename(folder / "train.xlsx")


@pytest.mark.parametrize(
    "damage, told",
    [
        (missing_column, "train.csv, line 1: column description is missing (found: label, title)"),
        (renamed_column, "train.csv, line 1: column description is missing (found: label, title, inhoud)"),
        (two_columns, "a file without a header must have 3 columns (label, title, description)"),
        (empty, "a data file must hold rows. Received: "),
        (header_only, "train.csv, which has none"),
        (html_page, "train.csv, line 1: an HTML page (a failed download?)"),
        (truncated, "train.csv, line 50: cut off within the row"),
        (truncated_gz, "a data file must be readable to its end. Received: "),
        (wrong_checksum, "a file must have the sha256 of SHA256SUMS"),
        (out_of_the_root, "a data file must lie inside its source"),
        (no_train_file, "not read: train.xlsx: not a data file"),
    ],
)
def test_a_file_that_is_not_whole_stops_the_run_in_its_first_node(tmp_path, capsys, champion, damage, told):
    folder = source(tmp_path / "s", articles(40), articles(20, 2))
    damage(folder)
    code, result = door(capsys, "Ingester", folder)
    assert (code, result["state"]) == (3, "stopped")
    assert told in result["reasons"][0] and str(folder) in result["reasons"][0]
    assert nothing_published(champion, capsys)
    assert fileio.read_json(paths.run_dir("r1") / "outcome.json") is None or not list(
        paths.artifacts_dir("news").glob("Ingester/examples/*/Split-train/*")
    ), "a stopped Ingester leaves no Examples behind"


def test_everything_that_is_wrong_with_a_source_is_told_at_once(tmp_path, capsys, champion):
    folder = source(tmp_path / "s", [*articles(40), ("9", "a", "b")], articles(20, 2))
    (folder / "train2.csv").write_bytes(b"label,title\n1,a\n")
    (folder / "train3.jsonl").write_bytes(b"<html>404")
    code, result = door(capsys, "Ingester", folder)
    told = result["reasons"][0]
    assert code == 3 and "train2.csv, line 1: column description is missing" in told
    assert "train3.jsonl, line 1: an HTML page" in told and "train.csv, line 41, column label: '9' is outside" in told
    assert nothing_published(champion, capsys)


def test_after_the_file_is_mended_the_same_source_runs(tmp_path, capsys, champion):
    folder = source(tmp_path / "s", articles(40), articles(20, 2))
    truncated(folder)
    assert door(capsys, "Ingester", folder)[0] == 3
    door(capsys, "close")
    (folder / "train.csv").write_bytes(as_csv(articles(40)))
    asked = ["--node", "Ingester", "--run-id", "r2", "--config", json.dumps({"source": str(folder)})]
    assert run_node.execute(run_node.parse(asked)) == 0
    assert "60 rows read: train" in json.loads(capsys.readouterr().out.strip().splitlines()[-1])["headline"]


def test_a_file_that_changes_between_listing_and_reading_stops_the_run(tmp_path, capsys, champion, monkeypatch):
    folder = source(tmp_path / "s", articles(40), articles(20, 2))
    opened = runs.open_run

    def open_then_change(*arguments):
        record = opened(*arguments)
        stat = (folder / "train.csv").stat()
        content = (folder / "train.csv").read_bytes()
        (folder / "train.csv").write_bytes(content.replace(b"a", b"b", 1))
        os.utime(folder / "train.csv", ns=(stat.st_atime_ns, stat.st_mtime_ns))
        return record

    monkeypatch.setattr(runs, "open_run", open_then_change)
    code, result = door(capsys, "Ingester", folder)
    assert code == 3 and "a listed file must not change during a run" in result["reasons"][0]
    assert nothing_published(champion, capsys)


@pytest.mark.slow
def test_rows_that_are_wrong_stop_the_run_at_the_gate_with_a_verdict_page(tmp_path, capsys, champion):
    rows = [r for r in articles(400) if r[0] != 3]
    folder = source(tmp_path / "s", rows, articles(40, 2))
    for node in ("Ingester", "StatisticsGen", "ImportSchemaGen", "ExampleValidator"):
        assert door(capsys, node, folder)[0] == 0, node
    code, result = door(capsys, "DataGate", folder)
    assert (code, result["state"]) == (3, "stopped")
    assert any(reason.startswith("classes present: no train row of class Business") for reason in result["reasons"])
    assert Path(result["artifacts"]["verdict"], "verdict.html").is_file()
    assert nothing_published(champion, capsys)
    assert fileio.read_json(paths.run_dir("r1") / "outcome.json")["state"] == "stopped"


def test_a_span_that_is_still_being_written_is_read_by_the_next_run_only(tmp_path, capsys, champion):
    span(tmp_path / "s", "2026-11-20", articles(40))
    late = span(tmp_path / "s", "2026-11-21", articles(40, 3), finished=False)
    as_of = "2026-11-22T00:00:00Z"
    assert "40 rows read" in door(capsys, "Ingester", tmp_path / "s", as_of=as_of)[1]["headline"]
    assert fileio.read_json(paths.run_dir("r1") / "run.json")["ignored"] == [
        "2026-11-21/: still being written (no _SUCCESS)"
    ]
    assert nothing_published(champion, capsys)
    (late / "_SUCCESS").touch()
    asked = json.dumps({"source": str(tmp_path / "s"), "as_of": as_of})
    run_node.execute(run_node.parse(["--node", "Ingester", "--run-id", "r2", "--config", asked]))
    assert "80 rows read" in capsys.readouterr().out


# --- record files between two nodes -----------------------------------------------------------------------------------


@pytest.fixture
def record_file(tmp_path):
    with record_kit.Writer(tmp_path / "e") as writer:
        for label, title, description in articles(60):
            writer.write("train", f"{title} {description}", label - 1)
    return Path(records.files(str(tmp_path / "e"), "train")[0])


def flipped(content: bytes) -> bytes:
    """One byte of the 31st record changed, packed again so that only TFRecord's own checksum can tell."""
    plain = bytearray(gzip.decompress(content))
    at = 0
    for _ in range(30):
        at += int.from_bytes(plain[at : at + 8], "little") + 16
    plain[at + 20] ^= 1
    return gzip.compress(bytes(plain))


@pytest.mark.parametrize(
    "damage, told",
    [
        (flipped, "record 31 at byte"),
        (lambda content: gzip.compress(gzip.decompress(content)[:-5]), "record 60 at byte"),
        (lambda content: content[: len(content) // 2], "record "),
        (lambda content: b"", "which is empty"),
        (lambda content: b"not gzip at all", "record 1 at byte 0"),
    ],
    ids=["flipped", "truncated", "truncated packed", "empty", "not packed"],
)
def test_a_damaged_record_file_is_named_with_the_place(tmp_path, record_file, damage, told):
    record_file.write_bytes(damage(record_file.read_bytes()))
    with pytest.raises(ValueError, match=r"a record file must be undamaged") as error:
        data_gate.Scan(str(tmp_path / "e"), 60, tmp_path)
    assert str(record_file) in str(error.value) and told in str(error.value)


def test_the_place_in_a_record_file_is_a_byte_where_a_record_begins(record_file):
    content = gzip.decompress(record_file.read_bytes())
    record_file.write_bytes(flipped(record_file.read_bytes()))
    with pytest.raises(ValueError, match=r"record 31 at byte \d+ unpacked") as error:
        list(records.raw_records(str(record_file)))
    at = int(str(error.value).split("at byte ")[1].split()[0])
    raw = content[at + 12 : at + 12 + int.from_bytes(content[at : at + 8], "little")]
    assert tf.train.Example.FromString(raw).features.feature["label"].int64_list.value[:] == [30 % 4]
