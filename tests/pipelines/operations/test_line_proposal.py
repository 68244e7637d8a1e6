"""`newsdesk init`: what it makes of files of different forms, and what it says of folders that are no data."""

import gzip
import json
import random
import shlex

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from ticket_kit import TEAMS, tickets, write_tickets

from components.core import paths
from components.data import file_reader
from components.data.row_format import Form, Row, form_of
from components.data.sources import SourceError
from pipelines.cli import main
from pipelines.config.lines import labels_of, line_file
from pipelines.operations import line_proposal


def init(folder, *more) -> int:
    return main.main(["init", str(folder), *more])


def test_eight_classes_in_a_tab_separated_file_with_three_lines_before_its_rows(tmp_path, capsys):
    assert init(write_tickets(tmp_path / "My tickets")) == 0
    shown = capsys.readouterr().out
    assert "1,200 train rows, separated by tabs, a header after 2 line(s)" in shown
    assert paths.line_dir("My-tickets") == paths.home() / "lines" / "My-tickets"
    assert labels_of("My-tickets") == tuple(sorted(TEAMS))
    read = list(
        file_reader.read(tmp_path / "My tickets" / "export.tsv", form_of("My-tickets", labels_of("My-tickets")))
    )
    assert [(sorted(TEAMS)[row.label], row.description) for row in read] == tickets(1_200)
    assert (read[0].line, read[0].title) == (4, "")


def test_every_file_is_marked_as_a_proposal_and_fits_the_labels(tmp_path):
    assert init(write_tickets(tmp_path / "tickets")) == 0
    folder = paths.line_dir("tickets")
    names = {"line.toml", "schema.pbtxt", "expectations.json", "behaviour.toml", "settings.toml"}
    assert {path.name for path in folder.iterdir()} == names
    for name in names - {"expectations.json"}:
        assert "Read every line, correct it" in (folder / name).read_text()
    suite = json.loads((folder / "expectations.json").read_text())
    assert {"type", "kwargs"} == set(suite[0])
    assert "To be filled in" in line_file("tickets")["provenance"]


@pytest.mark.parametrize(
    ("name", "text", "columns", "labels"),
    [
        ("a.csv", "".join(f'"{at % 2 + 1}","Title number {at} here","And a longer text, number {at}, follows it"\n' for at in range(40)),
         {"label": "column 1", "title": "column 2", "description": "column 3"}, ("class 1", "class 2")),
        ("a.csv", "text;topic\n" + "".join(f"some words number {at};{'ab'[at % 2]}\n" for at in range(40)),
         {"label": "topic", "description": "text"}, ("a", "b")),
        ("a.jsonl", "".join(json.dumps({"kind": "xy"[at % 2], "body": f"a few words {at}"}) + "\n" for at in range(40)),
         {"label": "kind", "description": "body"}, ("x", "y")),
    ],
    ids=["AG News' form", "semicolons, the text first", "JSONL"],
)  # fmt: skip
def test_other_forms(tmp_path, name, text, columns, labels):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / name).write_text(text)
    assert init(tmp_path / "d", "--line", "x") == 0
    proposal = line_proposal.propose([SourceFile(tmp_path / "d" / name)])
    assert (proposal.columns, proposal.labels) == (columns, labels)
    read = list(file_reader.read(tmp_path / "d" / name, form_of("x", labels, proposal.first_label or 0)))
    assert [row.label for row in read] == [0, 1] * 20


TABLE = "label,text\n" + "".join(f"{'xy'[at % 2]},word word {at}\n" for at in range(50))


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("a.csv", (TABLE + "x,Un café noir\n").encode("latin-1"), "a.csv, line 52, character 9: the byte 0xe9 after 'x,Un caf'"),
        ("a.csv", (TABLE + "x,a\0b\n").encode(), "a.csv, line 52, character 4: a NUL character after 'x,a'"),
        ("a.jsonl", b'{"label": "x", "text": "a b"}\n\n{"label": "y", "text": "c \\ud83d"}\n', "line 3, character 3: the character U+D83D"),
    ],
)  # fmt: skip
def test_a_byte_that_is_not_of_the_encoding_is_refused_with_its_place(tmp_path, capsys, name, content, where):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / name).write_bytes(content)
    assert init(tmp_path / "d") == 3
    said = capsys.readouterr().err
    assert where in said and "Save the file as UTF-8, or set encoding" in said


def test_an_encoding_that_is_given_is_part_of_the_proposal(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.csv").write_bytes((TABLE + "x,Un café noir\n").encode("latin-1"))
    assert init(tmp_path / "d", "--line", "x", "--encoding", "latin-1") == 0
    read = list(file_reader.read(tmp_path / "d" / "a.csv", form_of("x", labels_of("x"))))
    assert read[-1].description == "Un café noir"


def test_the_next_commands_can_be_pasted_into_a_shell(tmp_path, capsys):
    folder = tmp_path / "my 'data'; ls"
    assert init(write_tickets(folder), "--line", "x") == 0
    shown = capsys.readouterr().out.splitlines()
    assert [shlex.split(line) for line in shown[-2:]] == [
        ["newsdesk", "data", "check", str(folder), "--line", "x"],
        ["newsdesk", "retrain", "--source", str(folder), "--line", "x", "--preset", "linear"],
    ]


def test_values_that_the_reader_of_a_run_refuses_make_no_column(tmp_path):
    rows = [
        {"team": {"name": "ab"[at % 2]}, "vip": at % 2 == 0, "kind": "xy"[at % 2], "body": f"some words {at}"}
        for at in range(40)
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(
        pa.table({**{name: [row[name] for row in rows] for name in rows[0]}, "kind": [b"x", b"y"] * 20}),
        tmp_path / "a.parquet",
    )
    for name in ("a.jsonl", "a.parquet"):
        file = SourceFile(tmp_path / name)
        assert line_proposal.propose([file]).columns == {"label": "kind", "description": "body"}
        with pytest.raises(
            SourceError, match=r"'team', .*; left out: team \(line 1: \{'name': 'a'\} is not text\), vip"
        ):
            line_proposal.propose([file], label="team")


def test_a_stray_quote_in_a_large_file_costs_its_row_as_in_a_run(tmp_path):
    lines = [f"{'xy'[at % 2]},some words that are written here, number {at}" for at in range(4_000)]
    lines[100] = 'x,"some words'
    path = tmp_path / "a.csv"
    path.write_text("label,text,number\n" + "\n".join(lines) + "\n")
    proposal = line_proposal.propose([SourceFile(path)], texts=["text"])
    good = [row for row in file_reader.read(path, form_of_tickets(proposal)) if isinstance(row, Row)]
    assert sum(proposal.counts.values()) == len(good) == 3_999


def form_of_tickets(proposal) -> Form:
    return Form(
        proposal.labels, columns={name: [theirs] for name, theirs in proposal.columns.items()}, optional=("title",)
    )


@pytest.mark.parametrize(("end", "packed"), [(".gz", gzip.compress), (".zst", zstandard.compress)])
def test_packed_parquet_is_read_up_to_the_sample_and_no_further(tmp_path, monkeypatch, end, packed):
    monkeypatch.setattr(line_proposal, "SAMPLE_ROWS", 10_000)
    texts = [f"some words {at}" for at in range(30_000)]
    pq.write_table(pa.table({"kind": ["x", "y"] * 15_000, "body": texts}), tmp_path / "a.parquet")
    path = tmp_path / f"a.parquet{end}"
    path.write_bytes(packed((tmp_path / "a.parquet").read_bytes()))
    table = line_proposal.read_table(path)
    assert (table.names, len(table.rows), table.rows[-1]) == (("kind", "body"), 10_000, ("y", "some words 9999"))


@pytest.mark.parametrize("name", ["a.csv.gz", "a.parquet.gz", "a.parquet"])
def test_a_damaged_file_is_refused_by_name(tmp_path, name):
    content = bytearray(
        gzip.compress(random.Random(1).randbytes(5_000)) if name.endswith(".gz") else b"PAR1" + bytes(100)
    )
    content[12:60] = b"\xff" * 48
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=f"must be readable.*{name}"):
        line_proposal.read_table(tmp_path / name)


class SourceFile:
    def __init__(self, path):
        self.path, self.split = str(path), "train"


@pytest.mark.parametrize(
    ("files", "more", "code", "message"),
    [
        (None, [], 2, "Folder not found"),
        ({}, [], 3, "at least one train file"),
        ({"photo.jpg": "x"}, [], 3, "not a data file"),
        ({"a.csv": "just a letter\nto somebody\n"}, [], 3, "must be a table of two columns or more"),
        ({"a.csv": "name,age\n" + "".join(f"person{at},{at}\n" for at in range(50))}, [], 3, "one column must be the label, and none repeats"),
        ({"a.csv": "a,b,text\n" + "".join(f"{'xy'[at % 2]},{'uvw'[at % 3]},word word {at}\n" for at in range(50))}, [], 3, "several could; name it with --label"),
        ({"a.csv": "label,text\n" + "".join(f"{'xy'[at % 2]},{at}\n" for at in range(50))}, [], 3, "texts of two words or more"),
        ({"a.csv": "label,text\n" + "".join(f"{at % 2 * 7},word word {at}\n" for at in range(50))}, [], 3, "class numbers must count from 0 or 1"),
        ({"a.csv": "label,text\n" + "".join(f"{'xX'[at % 2]},word word {at}\n" for at in range(50))}, [], 3, "written in one way"),
        ({"a.csv": "label,text\nx,word word\ny,two words\n"}, ["--label", "team"], 3, "must be one of label, text"),
        ({"a.csv": "label,description,body\n" + "".join(f"{'xy'[at % 2]},a word {at},word word {at}\n" for at in range(50))}, ["--text", "body"],
         3, "description and body mean the same: description"),
        ({"a.jsonl": "[1]\n[2]\n"}, [], 3, "two JSON objects"),
        ({"a.csv": "label,text\nx,word word\n"}, ["--line", "news"], 2, "line 'news' exists already"),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_data_is_refused_with_what_was_seen(tmp_path, capsys, files, more, code, message):
    if files is not None:
        (tmp_path / "d").mkdir()
        for name, text in files.items():
            (tmp_path / "d" / name).write_text(text)
    assert init(tmp_path / "d", *more) == code
    assert message in capsys.readouterr().err
    assert not (paths.home() / "lines").exists() or not list((paths.home() / "lines").iterdir())
