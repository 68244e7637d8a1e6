"""A source, a window and a time give one list of finished files inside the source."""

import hashlib
import os
import time
from pathlib import Path

import pytest
from data_kit import AS_OF, articles, as_csv, source, span

from components.core import paths
from components.data import sources
from components.data.sources import SourceError

DAYS = ("2026-11-19", "2026-11-20", "span=2026-11-22", "2026-11-23")


@pytest.fixture
def spans(tmp_path):
    for day in DAYS:
        span(tmp_path / "s", day, articles(4))
    (tmp_path / "s" / "test.csv").write_bytes(as_csv(articles(4, 2)))
    return tmp_path / "s"


def resolved(folder, window="all", as_of=AS_OF):
    files, ignored = sources.resolve(str(folder), window, as_of)
    return [str(Path(f.path).relative_to(folder)) for f in files], ignored


@pytest.mark.parametrize(
    "window, days",
    [
        ("all", DAYS[:3]),
        ("last 3d", DAYS[1:3]),
        ("last 1d", DAYS[2:3]),
        ("2026-11-19", DAYS[:1]),
        ("2026-11-22", DAYS[2:3]),
    ],
)
def test_a_window_chooses_spans_up_to_as_of(spans, window, days):
    files, ignored = resolved(spans, window)
    assert files == ["test.csv", *(f"{day}/train.csv" for day in days)]
    assert "2026-11-23/: later than 2026-11-22" in ignored


def test_each_file_carries_split_size_hash_and_span(spans):
    files, _ = sources.resolve(str(spans), "2026-11-22", AS_OF)
    content = (spans / "span=2026-11-22" / "train.csv").read_bytes()
    assert files[1].to_json() == {
        "path": str(spans / "span=2026-11-22" / "train.csv"), "split": "train", "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(), "span": "2026-11-22", "kind": "file",
    }  # fmt: skip


def test_a_train_file_without_a_date_is_read_with_window_all_only(spans):
    (spans / "train.csv").write_bytes(as_csv(articles(4)))
    assert "train.csv" in resolved(spans)[0]
    files, ignored = resolved(spans, "last 9d")
    assert "train.csv" not in files and "test.csv" in files
    assert "train.csv: has no date, outside window last 9d" in ignored


def test_a_span_without_marker_is_not_read_where_another_has_one(spans):
    (spans / "2026-11-20" / "_SUCCESS").unlink()
    files, ignored = resolved(spans)
    assert "2026-11-20/train.csv" not in files and "2026-11-20/: still being written (no _SUCCESS)" in ignored


def test_without_markers_a_span_is_read_once_it_is_a_minute_old(tmp_path, monkeypatch):
    now = time.time() + 120
    for day, age in (("2026-11-20", 120), ("2026-11-21", 5)):
        path = span(tmp_path, day, articles(4), finished=False) / "train.csv"
        os.utime(path, (now - age,) * 2)
    monkeypatch.setattr(sources.time, "time", lambda: now)
    files, ignored = resolved(tmp_path)
    assert files == ["2026-11-20/train.csv"]
    assert "2026-11-21/: still being written (changed in the last 60 s)" in ignored


def test_a_file_that_was_just_moved_in_keeps_its_folder_open_however_old_it_is(tmp_path):
    folder = span(tmp_path / "s", "2026-11-20", articles(4), finished=False)
    os.utime(folder / "train.csv", (1, 1))
    (folder / "train.csv").rename(tmp_path / "aside.csv")
    (tmp_path / "aside.csv").rename(folder / "train.csv")
    with pytest.raises(SourceError, match=r"2026-11-20/: still being written \(changed in the last 60 s\)"):
        resolved(tmp_path / "s")


def test_an_editor_s_lock_that_points_nowhere_stops_no_run(tmp_path, monkeypatch):
    folder = span(tmp_path, "2026-11-20", articles(4), finished=False)
    (folder / ".#train.csv").symlink_to("somebody@desk.1234")
    (folder / "gone.csv").symlink_to("nowhere.csv")
    later = time.time() + 120
    monkeypatch.setattr(sources.time, "time", lambda: later)
    files, ignored = resolved(tmp_path)
    assert files == ["2026-11-20/train.csv"]
    assert ignored == [
        "2026-11-20/.#train.csv: not a data file (its name begins with .)",
        "2026-11-20/gone.csv: a link to a file that is not there (nowhere.csv)",
    ]


def test_what_is_not_data_is_listed_and_not_read(tmp_path):
    folder = source(tmp_path / "s")
    for name in ("notes.txt", ".train.csv", "_part.csv", "train.csv.part"):
        (folder / name).write_text("x")
    (folder / "old").mkdir()
    (folder / "more.jsonl.gz").write_bytes(b"x")
    files, ignored = resolved(folder)
    assert files == ["test.csv", "more.jsonl.gz", "train.csv"]
    assert sorted(ignored) == [
        ".train.csv: not a data file (its name begins with .)", "_part.csv: not a data file (its name begins with _)",
        "notes.txt: not a data file (csv, tsv, jsonl, parquet)", "old/: not a dated folder (YYYY-MM-DD)",
        "train.csv.part: not a data file (csv, tsv, jsonl, parquet)",
    ]  # fmt: skip


def test_a_name_that_is_not_utf8_is_told_and_a_data_file_with_one_is_refused(tmp_path):
    folder = source(tmp_path / "s")
    (folder / os.fsdecode(b"caf\xe9")).mkdir()
    (folder / os.fsdecode(b"caf\xe9.txt")).touch()
    assert resolved(folder)[1] == [
        "caf\\xe9/: not a dated folder (YYYY-MM-DD)", "caf\\xe9.txt: not a data file (csv, tsv, jsonl, parquet)",
    ]  # fmt: skip
    (folder / os.fsdecode(b"train caf\xe9.csv")).write_bytes(as_csv(articles(4)))
    with pytest.raises(SourceError, match=r"must be UTF-8; rename it. Received: .*/train caf\\xe9.csv"):
        resolved(folder)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_out_of_the_source_is_refused(tmp_path, kind):
    folder, outside = source(tmp_path / "s"), source(tmp_path / "outside")
    if kind == "file":
        (folder / "train2.csv").symlink_to(outside / "train.csv")
    else:
        (folder / "2026-11-20").symlink_to(outside)
        (outside / "_SUCCESS").touch()
    with pytest.raises(
        SourceError, match=rf"a data file must lie inside its source. Received: .* is a link to {outside}"
    ):
        resolved(folder)


@pytest.mark.parametrize(
    "window, told",
    [("last 2d", "a window needs dated folders"), ("2026-11-22", "Received: window='2026-11-22'")],
)
def test_a_window_on_a_folder_without_dates_is_refused(tmp_path, window, told):
    with pytest.raises(SourceError, match=told):
        resolved(source(tmp_path / "s"), window)


def test_a_source_without_train_file_in_the_window_is_refused_with_what_is_there(spans):
    with pytest.raises(SourceError, match=r"at least one train file[\s\S]*2026-11-19/: outside window 2026-11-01"):
        resolved(spans, "2026-11-01")


def test_a_folder_that_does_not_exist_or_open_is_refused(tmp_path, monkeypatch):
    with pytest.raises(SourceError, match="a folder that exists"):
        resolved(tmp_path / "nowhere")
    monkeypatch.setattr(
        sources, "file_hash", lambda path: (_ for _ in ()).throw(PermissionError(13, "Permission denied"))
    )
    with pytest.raises(SourceError, match=r"a source must be readable. Received: .*Permission denied"):
        resolved(source(tmp_path / "s"))


def test_checksums_beside_the_files_are_held_to(tmp_path):
    folder = source(tmp_path / "s")
    sums = folder / "SHA256SUMS"
    lines = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("train.csv", "test.csv")}
    sums.write_text("".join(f"{value} *{name}\n" for name, value in lines.items()))
    assert resolved(folder)[0] == ["test.csv", "train.csv"]
    sums.write_text(f"{'0' * 64}  train.csv\n")
    with pytest.raises(SourceError, match=r"must have the sha256 of SHA256SUMS, 000000000000. Received: .*train.csv"):
        resolved(folder)
    sums.write_text(f"{'0' * 64}  train-2.csv\n")
    with pytest.raises(SourceError, match=r"must be there. Received: .* without train-2.csv"):
        resolved(folder)
    sums.write_text("oops\n")
    with pytest.raises(SourceError, match="must hold lines of sha256 and file name"):
        resolved(folder)


def test_checksums_of_files_in_dated_folders_are_held_to_also_outside_the_window(spans):
    names = [f"{day}/train.csv" for day in DAYS]
    lines = {name: hashlib.sha256((spans / name).read_bytes()).hexdigest() for name in names}
    sums = spans / "SHA256SUMS"
    sums.write_text("".join(f"{value}  {name}\n" for name, value in lines.items()))
    assert "2026-11-20/train.csv" in resolved(spans)[0]
    for day in ("2026-11-20", "2026-11-19"):  # the second is not read
        wrong = {**lines, f"{day}/train.csv": "0" * 64}
        sums.write_text("".join(f"{value}  {name}\n" for name, value in wrong.items()))
        with pytest.raises(SourceError, match=rf"must have the sha256 of SHA256SUMS, 0000.*{day}/train.csv"):
            resolved(spans, "last 3d")


@pytest.mark.parametrize("name", ["../2026-11-20/train.csv", "{top}/other.csv", "_link"])
def test_checksums_of_files_outside_their_folder_are_refused(spans, name):
    (spans.parent / "other.csv").write_text("other")
    folder = spans / "2026-11-19"
    (folder / "_link").symlink_to(spans.parent / "other.csv")  # by its name no data file
    name = name.format(top=spans.parent)
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(b'other').hexdigest()}  {name}\n")
    with pytest.raises(SourceError, match="SHA256SUMS must name files below its own folder"):
        resolved(spans)


def test_an_earlier_list_of_checksums_may_be_in_its_own_list(tmp_path):
    folder = source(tmp_path / "s")
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(b'').hexdigest()}  SHA256SUMS\n")
    assert resolved(folder)[0] == ["test.csv", "train.csv"]


@pytest.mark.parametrize(
    "name, day",
    [("2026-11-20", "2026-11-20"), ("span=2026-11-20", "2026-11-20"), ("2026-11-20-old", ""), ("day=2026-11-20", "")],
)
def test_the_day_of_a_dated_folder_is_in_its_name(name, day):
    assert sources.day_of(name) == day


def test_the_demo_is_a_source_of_spans(newsdesk_home, monkeypatch, small_demo):
    monkeypatch.setattr("components.data.demo_corpus.write", lambda folder: small_demo)
    files, _ = sources.resolve("demo", "all", AS_OF)
    assert [f.split for f in files] == ["test"] + ["train"] * 5 and files[1].span == "2026-01-27"


def test_a_tfds_source_that_cannot_be_prepared_is_refused_and_leaves_nothing(newsdesk_home, monkeypatch):
    import tensorflow_datasets as tfds

    with pytest.raises(SourceError, match="its window must be 'all'"):
        sources.resolve("tfds", "last 3d", AS_OF)

    def broken(name, data_dir):
        raise ConnectionError("checksum differs")

    monkeypatch.setattr(tfds, "builder", broken)
    with pytest.raises(
        SourceError, match=r"must be able to prepare 'ag_news_subset' .*ConnectionError: checksum differs"
    ):
        sources.resolve("tfds", "all", AS_OF)
    with pytest.raises(SourceError, match="Received: ValueError: tfds data set must be"):
        sources.resolve("tfds:../etc", "all", AS_OF)
    assert not (paths.home() / "tfds").exists()
