"""`newsdesk predict` from texts and files: what is read, what is refused, what is written."""

import csv
import io
import json

import published
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data import text_cleaning
from components.data.row_format import form_of
from components.data.sources import SourceError
from pipelines.cli import main, predict

FORM = form_of("news", published.LABELS, labelled=False)

ROWS = [("Goal", "coach praises striker"), ("", 'shares and profit, "merger"\nbank'), ("Treaty", "")]
TEXTS = ["Goal coach praises striker", 'shares and profit, "merger"\nbank', "Treaty"]


def read_texts(path):
    return [text_cleaning.join(row.title, row.description) for row in predict.read_file(path, FORM)[0]]


@pytest.fixture
def served():
    return published.release("run-1")


def write_csv(path, rows=ROWS, header=("title", "description"), encoding="utf-8", **more):
    with open(path, "w", encoding=encoding, newline="") as file:
        csv.writer(file, **more).writerows([header, *rows])
    return path


def write_jsonl(path, rows=ROWS):
    path.write_text("".join(json.dumps({"title": t, "description": d}) + "\n" for t, d in rows))
    return path


def write_parquet(path, rows=ROWS):
    pq.write_table(pa.table({"title": [t for t, _ in rows], "description": [d for _, d in rows]}), path)
    return path


@pytest.mark.parametrize("write", [write_csv, write_jsonl, write_parquet])
def test_csv_jsonl_and_parquet_give_the_same_texts(write, tmp_path):
    assert read_texts(write(tmp_path / f"rows.{write.__name__.removeprefix('write_')}")) == TEXTS


def test_a_csv_may_have_a_bom_other_columns_another_order_and_case_and_crlf(tmp_path):
    rows = [("9", "coach", "Goal"), ("8", "", "Treaty")]
    path = write_csv(tmp_path / "x.csv", rows, ("id", " Description ", "TITLE"), "utf-8-sig", lineterminator="\r\n")
    assert read_texts(path) == ["Goal coach", "Treaty"]


def test_short_rows_nul_bytes_that_are_no_utf8_and_empty_rows_are_kept_out_with_line_and_reason(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"title,description\nGoal,coach\nGoal\nCaf\xe9,coach\na,\x00b\n,\nTreaty,\n")
    good, bad = predict.read_file(path, FORM)
    assert [(row.line, row.title) for row in good] == [(2, "Goal"), (7, "Treaty")]
    assert [(row.line, row.column) for row in bad] == [
        (3, "row"), (4, "title"), (5, "description"), (6, "title, description")
    ]  # fmt: skip
    lines = tmp_path / "x.jsonl"
    lines.write_text('{"title": null, "description": "a\u2028b"}\n\n{"title": 7}\n{"description": "\\ud800"}\n[1]\n')
    assert read_texts(lines) == ["a\u2028b", "7"]


def test_a_stray_quote_costs_its_own_row_alone(served, tmp_path, capsys):
    source, target = tmp_path / "in.csv", tmp_path / "new" / "out.csv"
    rows = [f"goal coach,season {number}" for number in range(103)]
    rows[1] = 'goal,"coach'
    source.write_text("title,description\n" + "\n".join(rows) + "\n")
    assert main.main(["predict", "--file", str(source), "--output", str(target)]) == 0
    with open(target, encoding="utf-8", newline="") as file:
        answers = list(csv.DictReader(file))
    assert [int(row["line"]) for row in answers] == [2, *range(4, 105)]
    message = capsys.readouterr().err
    assert "1 rows of" in message and "line 3, column row" in message
    with open(f"{target}.quarantine.csv", encoding="utf-8", newline="") as file:
        assert [(row["line"], row["value"]) for row in csv.DictReader(file)] == [("3", 'goal,"coach\n')]
    assert main.main(["predict", "--json", "--file", str(source)]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 102


def test_a_cell_of_a_megabyte_is_read(tmp_path):
    path = write_csv(tmp_path / "x.csv", [("goal " * 200_000, "coach")])
    assert len(read_texts(path)[0]) > 1_000_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "x.csv",
            "label,tekst\n1,goal\n",
            r"must have the columns title, description\. Received: .*found: label, tekst",
        ),
        (
            "x.jsonl",
            "[1]\n",
            r"No row of .*x.jsonl can be read. The first is line 1, column title, description: '\[1\]",
        ),
        ("x.jsonl", "[" * 100_000, "x.jsonl can be read. The first is line 1"),
        ("x.parquet", "PAR1 not really", "x|Parquet"),
    ],
)
def test_a_file_that_cannot_be_scored_is_refused_with_file_and_line(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=message):
        read_texts(tmp_path / name)


def test_a_formula_becomes_text_in_the_spreadsheet():
    texts = ["=1+1", " =1+1", "+1", "-1", "@sum", "\t=1", "\r=1", "＝1+1", "plain - text", "1=1"]
    answers = [{"label": "World", "label_id": 0, "probabilities": [1.0], "model_version": 1}] * len(texts)
    cells = [row["text"] for row in csv.DictReader(io.StringIO(predict.as_csv(texts, answers), newline=""))]
    assert cells == [*("'" + text for text in texts[:8]), "plain - text", "1=1"]


def test_a_terminal_shows_what_is_printable_on_one_line():
    answers = [{"label": "World", "label_id": 0, "probabilities": [0.25, 0.75], "model_version": 1}]
    assert predict.table(["a\n\x1b[2Jb\u202e"], answers) == "World     0.750  a ?[2Jb?\n"


def test_texts_are_answered_as_a_list_in_order(served, capsys):
    assert main.main(["predict", "--json", "goal coach", "shares profit", ""]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [a["label"] for a in answers[:2]] == ["Sports", "Business"]
    assert [sorted(a) for a in answers] == [["label", "label_id", "model_version", "probabilities"]] * 3
    assert {a["model_version"] for a in answers} == {served}


def test_below_the_least_confidence_the_label_is_uncertain_in_each_form(served, tmp_path, capsys):
    call = ["predict", "--min-confidence", "1"]
    assert main.main([*call, "goal shares treaty"]) == 0
    assert capsys.readouterr().out.startswith("uncertain ")
    assert main.main([*call, "goal shares treaty", "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["label"] is answer["label_id"] is None and 0 < max(answer["probabilities"]) < 1
    assert main.main([*call, "--file", str(write_csv(tmp_path / "rows.csv", [("goal shares treaty", "")]))]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["label"], row["label_id"]) == ("uncertain", "")


def test_a_file_is_scored_row_by_row_into_a_file(served, tmp_path, capsys):
    source, target = write_csv(tmp_path / "in.csv"), tmp_path / "out.csv"
    assert main.main(["predict", "--file", str(source), "--output", str(target)]) == 0
    with open(target, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["text"], row["label"]) for row in rows] == list(zip(TEXTS, ["Sports", "Business", "World"]))
    assert "3 rows scored by version 1 of news" in capsys.readouterr().err


def test_ten_thousand_rows_give_ten_thousand_answers_with_progress(served, tmp_path, capsys, monkeypatch):
    texts, ids = published.articles(10_000)
    source = write_csv(tmp_path / "in.csv", [("", text.decode()) for text in texts])
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main.main(["predict", "--json", "--file", str(source)]) == 0
    shown = capsys.readouterr()
    assert [a["label_id"] for a in json.loads(shown.out)] == ids.tolist()
    assert "\r8,192 of 10,000 rows\r10,000 of 10,000 rows\n" in shown.err


def test_a_file_without_rows_gives_no_answers(served, tmp_path, capsys):
    assert main.main(["predict", "--json", "--file", str(write_csv(tmp_path / "in.csv", []))]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_an_argument_whose_bytes_are_no_utf8_is_answered_and_printed(served, capsys):
    assert main.main(["predict", "goal \udcff coach"]) == 0
    assert capsys.readouterr().out.startswith("Sports")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "give texts or --file"),
        (["goal", "--file", "x.csv"], 2, "give texts or --file"),
        (["goal", "--version", "latest"], 2, "--version must be @champion or a version number. Received: 'latest'"),
        (["goal", "--version", "²"], 2, "--version must be"),
        (["goal", "--version", "../1"], 2, "--version must be"),
        (["goal", "--version", "-1"], 2, ""),
        (["goal", "--line", "../../etc"], 2, "Received: line='../../etc'"),
        (["goal", "--min-confidence", "1.5"], 2, "--min-confidence must be a number from 0 to 1. Received: 1.5"),
        (["goal", "--min-confidence", "nan"], 2, "Received: nan"),
        (["--file", "x.exe"], 2, "must be one of .csv, .jsonl, .parquet. Received: 'x.exe'"),
        (["--file", "absent.csv"], 1, "File not found: absent.csv. Check its name and the folder"),
        (["goal", "--version", "7"], 1, "Received: version 7"),
        (["goal", "--output", "/proc/nowhere/out"], 1, "/proc/nowhere/out"),
    ],
)
def test_bad_usage_is_two_and_what_fails_is_one_each_with_a_reason(served, arguments, code, message, capsys):
    try:
        got = main.main(["predict", *arguments])
    except SystemExit as error:
        got = error.code
    assert got == code
    assert message in capsys.readouterr().err


def test_a_damaged_champion_does_not_answer(served, capsys):
    from components.core import paths

    (paths.serving_dir(published.LINE) / "1" / "saved_model.pb").write_bytes(b"flipped")
    assert main.main(["predict", "goal"]) == 1
    assert "must match its manifest. Received: " in capsys.readouterr().err
