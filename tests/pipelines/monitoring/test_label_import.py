"""`newsdesk label`: a filled-in queue becomes a dated folder that a retraining reads, or is refused by line and column."""

import csv
import dataclasses
import io
import json
import os
import time
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from components.core import fileio, paths
from components.data import demo_corpus, file_reader, sources, text_cleaning
from components.data.row_format import form_of
from pipelines.cli import main
from pipelines.config import run_config
from pipelines.monitoring import label_import, label_queue
from pipelines.monitoring.batch_check import Article

LABELS = run_config.LABELS
TEXTS = [
    ("=SUM(A1)", "goal"),
    ("'tis the season", "-1 for the coach"),
    ('Bank, "profit"\nup', ""),
    ("", "treaty"),
    ("chip", "orbit"),
]
TODAY = datetime.now(timezone.utc).date()


def a_queue(path, answers, texts=TEXTS, encoding="utf-8", delimiter=",", **change):
    """A queue as the monitor writes it, filled in. change: column=new value for the first row."""
    articles = [
        Article("a.csv", i, *each, -1, text_cleaning.row_hash(text_cleaning.join(*each)))
        for i, each in enumerate(texts)
    ]
    asked = [label_queue.Question(i, "unsure") for i in range(len(texts))]
    raw = label_queue.as_csv(asked, articles, np.full((len(texts), 4), 0.25), np.zeros(len(texts)), LABELS)
    rows = list(csv.DictReader(io.StringIO(raw.removeprefix("\ufeff"), newline="")))
    for row, answer in zip(rows, answers, strict=True):
        row["label"] = answer
    rows[0].update(change)
    with open(path, "w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def label(queue, into, *more):
    return main.main(["label", str(queue), "--into", str(into), "--line", "news", *more])


def read(folder):
    (path,) = folder.glob("*.csv")
    return [(row.label, row.title, row.description) for row in file_reader.read(path, form_of("news", LABELS))]


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "span=2026-01-01").mkdir(parents=True)
    (folder / "span=2026-01-01" / "train.csv").write_text('"1","a","b"\n')
    (folder / "span=2026-01-01" / "_SUCCESS").touch()
    return folder


def test_labelled_rows_come_back_as_a_finished_span_with_the_texts_as_they_were(source, tmp_path, capsys):
    queue = a_queue(tmp_path / "q.csv", ["Sports", "2", "", " world ", "Sci/Tech"])
    assert label(queue, source, "--span", "2026-02-01", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["blank"], told["written"]) == (4, 1, True)
    folder = source / "span=2026-02-01"
    assert read(folder) == [(1, *TEXTS[0]), (1, *TEXTS[1]), (0, *TEXTS[3]), (3, *TEXTS[4])]
    files, ignored = sources.resolve(str(source), "2026-02-01", datetime.now(timezone.utc))
    assert [(f.split, f.span) for f in files] == [("train", "2026-02-01")] and ignored == [
        "span=2026-01-01/: outside window 2026-02-01"
    ]
    assert not [path for path in source.iterdir() if path.name.startswith(".")]


def test_the_day_is_today_unless_another_is_given(source, tmp_path):
    assert label(a_queue(tmp_path / "q.csv", ["1"] * 5), source) == 0
    assert (source / f"span={TODAY}").is_dir()


def test_without_a_day_of_its_own_it_goes_into_the_newest_one_that_the_source_lacks(source, tmp_path):
    for name in (f"{TODAY}", f"span={TODAY - timedelta(1)}"):
        (source / name).mkdir()
    assert label(a_queue(tmp_path / "q.csv", ["1"] * 5), source) == 0
    assert (source / f"{TODAY - timedelta(2)}").is_dir()


def test_on_the_demo_line_the_rows_go_into_the_demo_source_and_the_next_run_reads_them(tmp_path):
    demo_corpus.write(paths.home() / "demo", articles=100)
    queue = a_queue(tmp_path / "q.csv", ["1"] * 5)
    assert main.main(["label", str(queue), "--line", "news-demo"]) == 0
    files, _ = sources.resolve("demo", "all", datetime.now(timezone.utc))
    assert [file.span for file in files if "labelled" in file.path] == [str(TODAY)]


@pytest.mark.parametrize(
    "form", [{"encoding": "utf-16"}, {"encoding": "utf-8-sig", "delimiter": ";"}, {"delimiter": "\t"}]
)
def test_what_a_spreadsheet_makes_of_the_file_is_read(source, tmp_path, form):
    assert label(a_queue(tmp_path / "q.csv", ["1"] * 5, **form), source, "--span", "2026-02-01") == 0
    assert read(source / "span=2026-02-01") == [(0, *each) for each in TEXTS]


def test_in_a_file_that_is_no_queue_an_apostrophe_is_part_of_the_text(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("label,title,description\nSports,'Tis the season,'90s music is back\n")
    ((row,), _) = label_import.read(path, form_of("news", LABELS))
    assert (row.title, row.description) == ("'Tis the season", "'90s music is back")


@pytest.mark.parametrize(("optional", "column"), [("title", "description"), ("description", "title")])
def test_a_column_that_the_line_s_files_may_lack_may_be_missing(tmp_path, optional, column):
    path = tmp_path / "mine.csv"
    path.write_text(f"label,{column}\nSports,goal coach\n")
    form = dataclasses.replace(form_of("news", LABELS), optional=(optional,))
    ((row,), blank) = label_import.read(path, form)
    assert (row.label, getattr(row, column), getattr(row, optional), blank) == (1, "goal coach", "", 0)


def test_an_apostrophe_that_a_spreadsheet_ate_does_no_harm(source, tmp_path):
    assert (
        label(a_queue(tmp_path / "q.csv", ["1", "", "", "", ""], title="=SUM(A1)"), source, "--span", "2026-02-01") == 0
    )
    assert read(source / "span=2026-02-01") == [(0, "=SUM(A1)", "goal")]


@pytest.mark.parametrize(
    ("answers", "change", "said"),
    [
        (["Sprots", "0", "5", "", "1"], {}, ["line 2, column label: 'Sprots' is none of World, Sports", "line 3, column label: '0'", "line 4, column label: '5'"]),
        (["=1", "", "", "", ""], {}, ["line 2, column label: '=1'"]),
        (["1", "", "", "", ""], {"title": "another"}, ["line 2, columns title, description: 'another' is not the text"]),
        (["1", "", "", "", ""], {"id": "row-9"}, ["is not the text that was asked about under 'row-9'"]),
        ([""] * 5, {}, ["all 5 rows empty"]),
    ],
)  # fmt: skip
def test_wrong_labels_and_changed_texts_are_refused_by_line_and_column(source, tmp_path, capsys, answers, change, said):
    assert label(a_queue(tmp_path / "q.csv", answers, **change), source, "--span", "2026-02-01") == 3
    shown = capsys.readouterr().err
    assert all(each in shown for each in said), shown
    assert [path.name for path in source.iterdir()] == ["span=2026-01-01"]


def test_one_text_with_two_labels_is_refused_and_with_the_same_twice_kept_once(source, tmp_path, capsys):
    texts = [("goal", "coach"), ("Goal!", "Coach")]
    assert label(a_queue(tmp_path / "q.csv", ["1", "2"], texts), source) == 3
    assert "line 3, column label: Sports, but line 2 has the same text as World" in capsys.readouterr().err
    assert label(a_queue(tmp_path / "q.csv", ["2", "2"], texts), source, "--span", "2026-02-01") == 0
    assert read(source / "span=2026-02-01") == [(1, "goal", "coach")]


def test_bytes_of_another_encoding_and_rows_that_are_no_rows_are_refused(source, tmp_path, capsys):
    queue = tmp_path / "q.csv"
    queue.write_bytes("label,title,description\n1,caf\u00e9,x\n".encode("latin-1"))
    assert label(queue, source) == 3
    assert "line 2: holds bytes that are no UTF-8" in capsys.readouterr().err
    queue.write_text("label,title,description\n1,goal,a\0b\n")
    assert label(queue, source) == 3
    assert "line 2, column description: holds a NUL character" in capsys.readouterr().err
    queue.write_text("label,title,description\n1,goal,x,y\n")
    assert label(queue, source) == 3
    assert "line 2, column row" in capsys.readouterr().err
    queue.write_text("title,description\ngoal,x\n")
    assert label(queue, source) == 3
    assert "column label is missing" in capsys.readouterr().err


def test_the_same_labels_twice_are_written_once_and_a_day_that_is_there_stays(source, tmp_path, capsys):
    queue = a_queue(tmp_path / "q.csv", ["1"] * 5)
    assert label(queue, source, "--span", "2026-02-01") == 0
    before = sorted(source.rglob("*"))
    assert label(queue, source, "--span", "2026-02-02") == 0
    assert "already in" in capsys.readouterr().out and sorted(source.rglob("*")) == before
    assert label(a_queue(tmp_path / "q.csv", ["2"] * 5), source, "--span", "2026-02-01") == 2
    assert "give another --span" in capsys.readouterr().err and sorted(source.rglob("*")) == before


def test_a_source_whose_days_carry_no_marker_gets_none_or_its_other_days_would_count_as_unfinished(
    source, tmp_path, monkeypatch
):
    (source / "span=2026-01-01" / "_SUCCESS").unlink()
    (source / "span=2026-01-01").rename(source / "2026-01-01")
    now = time.time()
    monkeypatch.setattr(sources.time, "time", lambda: now + 120)
    assert label(a_queue(tmp_path / "q.csv", ["1"] * 5), source, "--span", "2026-02-01") == 0
    assert [path.name for path in (source / "2026-02-01").iterdir() if path.suffix != ".csv"] == []
    os.utime(next((source / "2026-02-01").iterdir()), (now + 115,) * 2)
    files, ignored = sources.resolve(str(source), "all", datetime.now(timezone.utc))
    assert [f.span for f in files] == ["2026-01-01"] and "still being written (changed" in ignored[0]


def test_a_write_that_fails_leaves_nothing_in_the_source(source, tmp_path, monkeypatch):
    monkeypatch.setattr(label_import.os, "rename", lambda *a: (_ for _ in ()).throw(OSError("full")))
    assert label(a_queue(tmp_path / "q.csv", ["1"] * 5), source) == 1
    assert [path.name for path in source.iterdir()] == ["span=2026-01-01"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--span", "2026-2-1"], "--span must be a date"),
        (["--span", "../2026-02-01"], "--span must be a date"),
        (["--span", "20260201"], "--span must be a date"),
        (["--span", str(TODAY + timedelta(days=2))], "today or before"),
        (["--into", "/proc/nowhere"], "Folder not found: /proc/nowhere"),
        (["--into", "tfds"], "--into must be a source folder"),
        (["--into", ""], "--into must be a source folder"),
    ],
)
def test_bad_usage_is_two(source, tmp_path, capsys, more, said):
    assert label(a_queue(tmp_path / "q.csv", ["1"] * 5), source, *more) == 2
    assert said in capsys.readouterr().err


def test_a_queue_that_is_not_there_is_one(source, tmp_path, capsys):
    assert label(tmp_path / "absent.csv", source) == 1
    assert f"File not found: {tmp_path / 'absent.csv'}. Check its name" in capsys.readouterr().err
    assert label(tmp_path, source) == 1
    assert f"a file must be given. Received: {tmp_path}, a folder" in capsys.readouterr().err


def test_without_into_the_rows_go_where_the_line_s_schedule_reads(source, tmp_path):
    fileio.write_text(paths.home() / "newsdesk.toml", f'[news.schedule]\nsource = "{source}"\n')
    assert (
        main.main(["label", str(a_queue(tmp_path / "q.csv", ["1"] * 5)), "--line", "news", "--span", "2026-02-01"]) == 0
    )
    assert (source / "span=2026-02-01").is_dir()
