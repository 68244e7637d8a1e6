"""Files of every form become the same rows; what cannot be read is told with line, column and reason."""

import dataclasses
import gzip
import io
import json
from datetime import datetime, timezone

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from data_kit import FORM, LABELS, articles, as_csv
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core import request_log
from components.data import csv_reader, file_reader
from components.data.row_format import MAX_FIELD, BadRow, Block, Form, Row, form_of, parse_label
from components.data.sources import SourceError
from components.data.text_stream import MAX_LINE, detect
from pipelines.config import run_config

ROWS = [(3, "Oil, up", 'a "barrel" of;oil'), (1, "Été", "çà\tet là"), (4, "", "two\nlines"), (2, "Goal", "😀 in time")]
WANTED = [(label - 1, title, description) for label, title, description in ROWS]


def read(path, form=FORM):
    return list(file_reader.read(path, form))


def fields(rows):
    return [(row.label, row.title, row.description) for row in rows]


def write(path, content: bytes):
    path.write_bytes(content)
    return path


def jsonl(rows) -> bytes:
    return "".join(json.dumps(dict(zip(("label", "title", "description"), row))) + "\n" for row in rows).encode()


def parquet(rows, **types) -> bytes:
    out = io.BytesIO()
    names = ("label", "title", "description")
    columns = {name: pa.array([row[i] for row in rows], types.get(name)) for i, name in enumerate(names)}
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


FORMS = {
    "headerless.csv": as_csv(ROWS),
    "header.csv": as_csv(ROWS, header=True),
    "reordered.csv": as_csv([("description", "Title", "id", "Class_Index")] + [(d, t, 7, n) for n, t, d in ROWS]),
    "semicolon.csv": as_csv(ROWS, delimiter=";"),
    "pipe.csv": as_csv(ROWS, delimiter="|", header=True),
    "tab.csv": as_csv(ROWS, delimiter="\t"),
    "rows.tsv": as_csv(ROWS, delimiter="\t"),
    "bom.csv": b"\xef\xbb\xbf" + as_csv(ROWS, header=True),
    "utf16.csv": as_csv(ROWS, header=True).decode().encode("utf-16"),
    "utf16le.csv": as_csv(articles(4)).decode().encode("utf-16-le"),
    "utf32.csv": as_csv(ROWS).decode().encode("utf-32"),
    "rows.csv.gz": gzip.compress(as_csv(ROWS)),
    "rows.csv.zst": zstandard.compress(as_csv(ROWS)),
    "frames.csv.zst": zstandard.compress(as_csv(ROWS[:2])) + zstandard.compress(as_csv(ROWS[2:])),
    "rows.jsonl": jsonl(ROWS),
    "rows.jsonl.gz": gzip.compress(jsonl(ROWS)),
    "rows.parquet": parquet(ROWS),
    "rows.parquet.zst": zstandard.compress(parquet(ROWS)),
    "binary.parquet": parquet([(n, t.encode(), d.encode()) for n, t, d in ROWS]),
    "large.parquet": parquet(ROWS, title=pa.large_string()),
    "floats.parquet": parquet(ROWS, label=pa.float64()),
    "NAMES.CSV": as_csv([(LABELS[n - 1], t, d) for n, t, d in ROWS]),
    "blank_lines.csv": as_csv(ROWS).replace(b"\n", b"\n\n", 1) + b"\n  \n",
    "no_last_end.csv": as_csv(ROWS)[:-1],
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_rows(tmp_path, name):
    wanted = [(n - 1, t, d) for n, t, d in articles(4)] if name == "utf16le.csv" else WANTED
    assert fields(read(write(tmp_path / name, FORMS[name]))) == wanted


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_other_systems_are_line_ends(tmp_path, end):
    rows = articles(5)
    assert fields(read(write(tmp_path / "a.csv", as_csv(rows, lineterminator=end)))) == [
        (n - 1, t, d) for n, t, d in rows
    ]


def test_lines_count_from_1_and_a_quoted_newline_counts(tmp_path):
    path = write(tmp_path / "a.csv", b'1,a,b\n2,"c\nd",e\n\n3,f,g\n')
    assert [row.line for row in read(path)] == [1, 2, 5]


def test_a_headerless_first_row_is_a_row(tmp_path):
    assert len(read(write(tmp_path / "a.csv", as_csv(articles(7_600))))) == 7_600


@pytest.mark.parametrize(
    "text, label",
    [("1", 0), (" 3", 2), ("3.0", 2), ("4", 3), ("Sports", 1), (" sci/tech ", 3),
     ("0", None), ("5", None), ("", None), ("3.5", None), ("-1", None), ("٣", None), ("1e0", None), ("Sport", None)],
)  # fmt: skip
def test_a_label_is_a_number_from_1_or_a_name(text, label):
    assert parse_label(text, LABELS) == label


def test_labels_count_from_0_only_where_configured():
    assert [parse_label(text, LABELS, first=0) for text in ("0", "3", "4")] == [0, 3, None]


BAD = [
    (b"0,a,b", "label", "'0' is outside the labels (expected 1 to 4 or one of World, Sports, Business, Sci/Tech)"),
    (b"5,a,b", "label", "'5' is outside the labels"),
    (b",a,b", "label", "'' is outside the labels"),
    (b"1,a", "row", "has 2 columns, expected 3 (label, title, description)"),
    (b"1,a,b,c", "row", "has 4 columns, expected 3"),
    (b"1,caf\xe9,b", "title", "holds bytes that are not of the file's encoding"),
    (b"1,a,b\x00c", "description", "holds a NUL character"),
    (b"1,,", "title, description", "both are empty"),
    (b"1, ,\t", "title, description", "both are empty"),
    (
        b'1,"foo "bar",baz',
        "row",
        "is not readable as CSV (',' expected after '\"'; a field that begins with a quote must",
    ),
    (b'1,"never closed,baz', "row", "is not readable as CSV"),
    (b"1,a," + b"x" * MAX_FIELD, "description", f"is longer than {MAX_FIELD} characters"),
    (b"1,a," + b"x" * (MAX_FIELD + 1), "row", "is not readable as CSV (field larger than field limit"),
]


@pytest.mark.parametrize("line, column, reason", BAD, ids=lambda value: str(value)[:20])
def test_a_bad_row_is_reported_and_the_rows_around_it_are_read(tmp_path, line, column, reason):
    path = write(tmp_path / "a.csv", b'"1","before","it"\n' + line + b'\n"2","after","it"\n"3","and","on"\n')
    rows = read(path)
    assert [type(row) for row in rows] == [Row, BadRow, Row, Row]
    bad = rows[1]
    assert (bad.line, bad.column) == (2, column)
    assert reason in f"{bad.value!r} {bad.reason}"
    assert [row.line for row in rows] == [1, 2, 3, 4]


def test_a_bad_first_row_does_not_fail_its_file(tmp_path):
    rows = read(write(tmp_path / "a.csv", b"only one cell\n" + as_csv(ROWS)))
    assert isinstance(rows[0], BadRow) and fields(rows[1:]) == WANTED


def test_a_line_longer_than_memory_likes_is_one_bad_row(tmp_path):
    path = write(tmp_path / "a.csv", b"1,a,b\n1,big," + b"x" * (2 * MAX_LINE + 10) + b"\n2,c,d\n")
    rows = read(path)
    assert [row.line for row in rows] == [1, 2, 3]
    assert "the line is too long" in rows[1].reason and len(rows[1].value) == 200


@pytest.mark.parametrize(
    "line, column, reason",
    [('{"label": 1, "title": "a"}', "description", "is missing"),
     ("[1, 2]", "label, title, description", "is missing"),
     ("{broken", "row", "is not JSON"),
     ("[" * 100_000, "row", "is not JSON"),
     ('{"label": 1, "title": ["a"], "description": "b"}', "title", "is not text"),
     ('{"label": true, "title": "a", "description": "b"}', "label", "is not text"),
     ('{"label": 1, "title": "\\ud800", "description": "b"}', "title", "holds bytes that are not"),
     ('{"label": 1, "title": "\\u0000", "description": "b"}', "title", "holds a NUL"),
     ('{"label": NaN, "title": "a", "description": "b"}', "label", "is outside the labels")],
    ids=lambda value: value[:20],
)  # fmt: skip
def test_a_bad_json_line_is_reported_and_the_next_is_read(tmp_path, line, column, reason):
    rows = read(write(tmp_path / "a.jsonl", (line + "\n").encode() + jsonl(ROWS)))
    assert (rows[0].line, rows[0].column) == (1, column) and reason in rows[0].reason
    assert fields(rows[1:]) == WANTED


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("name", ["answer", "label"])
def test_the_answer_in_a_row_of_a_request_log_is_never_a_label(tmp_path, name, labelled):
    """Older logs named the answer `label`."""
    logged = [
        {**{key: value for key, value in row.items() if key != "answer"}, name: row["answer"]}
        for row in request_log.rows(
            "r", datetime(2026, 3, 1, tzinfo=timezone.utc), 3, "d", [("goal coach", "Sports", 0.9)]
        )
    ]
    path = write(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in logged).encode())
    form = dataclasses.replace(FORM, labelled=labelled, columns={"label": ["answer"]})
    (row,) = read(path, form)
    assert isinstance(row, BadRow) and row.reason == "is missing" if labelled else row.label == -1


def test_text_in_parquet_that_is_not_utf8_fails_its_row_alone(tmp_path):
    column = pa.array([b"good", b"caf\xe9"]).cast(pa.binary())
    text = pa.StringArray.from_buffers(2, column.buffers()[1], column.buffers()[2])
    pq.write_table(pa.table({"label": [1, 2], "title": text, "description": ["a", "b"]}), tmp_path / "a.parquet")
    good, bad = read(tmp_path / "a.parquet")
    assert good.title == "good" and (bad.line, bad.column) == (2, "title")


REFUSED = {
    "empty.csv": (b"", "is empty"),
    "header_only.csv": (b"label,title,description\n", "which has none"),
    "blank.jsonl": (b"\n\n", "which has none"),
    "missing.csv": (b"label,title\n1,a\n", "line 1: column description is missing (found: label, title)"),
    "renamed.csv": (b"label,title,content\n1,a,b\n", "line 1: column description is missing"),
    "twice.csv": (b"label,title,title,description\n1,a,b,c\n", "a header must name each column once"),
    "two.csv": (b'"1","a"\n"2","b"\n', "line 1: 2 column(s)"),
    "page.csv": (b"<!DOCTYPE html><html>404</html>", "line 1: an HTML page"),
    "page.csv.gz": (b"\n<html><body>404", "an HTML page"),
    "inside.csv.gz": (gzip.compress(b"<html>"), "an HTML page"),
    "page.parquet": (b"<!doctype html>", "an HTML page"),
    "not.csv.gz": (b"1,a,b\n", "Not a gzipped file"),
    "short.csv.gz": (gzip.compress(as_csv(articles(50)))[:-20], "readable to its end"),
    "flipped.csv.gz": (gzip.compress(as_csv(articles(50)))[:400] + b"\0" * 40, "readable to its end"),
    "short.csv.zst": (zstandard.compress(as_csv(articles(50)))[:-20], "the zstd stream is cut off"),
    "not.csv.zst": (b"1,a,b\n", "readable to its end"),
    "short.parquet": (FORMS["rows.parquet"][:-10], "readable to its end"),
    "short.csv": (as_csv(ROWS)[:-8], "line 5: cut off within the row"),
    "short.jsonl": (jsonl(ROWS)[:-8], "line 4: cut off"),
    "columns.parquet": (
        (lambda out: (pq.write_table(pa.table({"label": [1], "title": ["a"]}), out), out.getvalue())[1])(io.BytesIO()),
        "column description is missing (found: label, title)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_not_whole_is_refused_by_name_and_place(tmp_path, name):
    content, message = REFUSED[name]
    path = write(tmp_path / name, content)
    with pytest.raises(SourceError) as error:
        read(path)
    assert message in str(error.value) and str(path) in str(error.value)


def test_encoding_and_delimiter_can_be_given(tmp_path):
    path = write(tmp_path / "a.csv", "1^café^là\n".encode("latin-1"))
    assert fields(read(path, Form(LABELS, encoding="latin-1", delimiter="^"))) == [(0, "café", "là")]
    with pytest.raises(SourceError, match="encoding must be one that Python knows"):
        read(path, Form(LABELS, encoding="klingon"))


def test_a_line_names_its_own_columns(tmp_path):
    form = Form(LABELS, columns={"label": ["Desk"], "title": ["kop_regel"], "description": ["tekst"]})
    assert fields(read(write(tmp_path / "a.csv", b"tekst,Kop Regel,desk\nb,a,Sports\n"), form)) == [(1, "a", "b")]
    assert fields(read(write(tmp_path / "a.jsonl", b'{"desk": 2, "kop regel": "a", "tekst": null}\n'), form)) == [
        (1, "a", "")
    ]


TWICE = dict(
    zip(("label", "title", "description", "summary", "other", "Other"), ("3", "Oil", "the article", "", "x", "y"))
)
TWICE_FILES = {
    "a.csv": as_csv([tuple(TWICE), tuple(TWICE.values())]),
    "a.jsonl": (json.dumps(TWICE) + "\n" + json.dumps(dict(reversed(TWICE.items()))) + "\n").encode(),
    "a.parquet": (lambda out: (pq.write_table(pa.table({n: [v] for n, v in TWICE.items()}), out), out.getvalue())[1])(
        io.BytesIO()
    ),
}


@pytest.mark.parametrize("name", TWICE_FILES)
def test_two_columns_of_one_meaning_are_refused_in_every_form(tmp_path, name):
    path = write(tmp_path / name, TWICE_FILES[name])
    form = Form(LABELS, columns={"description": ["summary"]})
    said = "must name each column once"
    if name == "a.jsonl":
        assert [said in row.reason and "description" in row.reason for row in read(path, form)] == [True, True]
    else:
        with pytest.raises(SourceError, match=f"{said}.*description and summary mean the same: description"):
            read(path, form)
    assert fields(read(path, Form(LABELS))) == [(2, "Oil", "the article")] * (2 if name == "a.jsonl" else 1)


def test_an_encoding_is_found_by_its_mark_or_its_zeros():
    heads = [b"\xef\xbb\xbfa", b"\xff\xfea\0", b"\xff\xfe\0\0", "abcdefgh".encode("utf-16-be"), b"abcdefgh"]
    assert [detect(head) for head in heads] == ["utf-8-sig", "utf-16", "utf-32", "utf-16-be", "utf-8"]


def test_every_line_has_its_own_class_names_and_columns():
    for line in (run_config.REAL_LINE, run_config.DEMO_LINE):
        form = form_of(line, run_config.labels_of(line))
        assert (
            tuple(form.labels) == LABELS and form.name_of("Class_Index") == "label" and form.name_of("other") == "other"
        )
    assert run_config.labels_of("a-line-without-folder") == run_config.LABELS


# --- rows parsed many at a time are those that the careful loop reads ---

PIECES = st.sampled_from([
    b'1,a,b\n', b'"2","c","d"\n', b'3,"two\nlines",x\r\n', b'World,a,b\n', b' 4.0 ,a,b\r', b'2,"c\n', b'",', b"\n", b"  \n", b"9,x,y\n", b"3,e\n",
    b"1,a,b,c\n", b'4,"q""q",r\n', b'1,a"b,c\n', b'1,"a" ,b\n', b"\xff", b"\0", b"1,,\n", b"1, ,\t\n", "2,é ﬁ,x\n".encode(), b"1,\xed\xa0\x80,x\n",
    b"1," + b"x" * MAX_FIELD + b",y\n", b'1,"' + b"\n" * 999 + b'",y\n', b'1,"' + b"\n" * 1000 + b'",y\n', b"1,a,b\n" * 40,
])  # fmt: skip


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    content=st.lists(PIECES, min_size=1, max_size=30).map(b"".join),
    header=st.sampled_from([b"", b"label,title,description\n", b"title,label,extra,description\n"]),
    labelled=st.booleans(),
)
def test_rows_parsed_many_at_a_time_are_those_of_the_careful_loop(tmp_path_factory, content, header, labelled):
    path = tmp_path_factory.mktemp("both") / "train.csv"
    path.write_bytes(header + content)
    form = dataclasses.replace(FORM, labelled=labelled)

    def outcome():
        rows = []
        try:
            rows.extend(file_reader.read(path, form))  # keeps what came before an error
        except SourceError as error:
            return rows, str(error)
        return rows, ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_reader, "_clean", lambda *rest: (Block(), False))
        careful = outcome()
    fast = outcome()
    assert fast[1] == careful[1]
    assert (
        fast[0] == careful[0]
        if not careful[1]
        else [row for row in fast[0] if isinstance(row, BadRow)]
        == [row for row in careful[0] if isinstance(row, BadRow)]
    )


def test_a_clean_file_is_read_in_blocks_and_a_bad_row_costs_no_more_than_its_neighbours(tmp_path, monkeypatch):
    one_by_one, original = [], file_reader._row
    monkeypatch.setattr(file_reader, "_row", lambda *row: one_by_one.append(row) or original(*row))
    lines = [b'1,"title %d",text\n' % n for n in range(5_000)]
    (tmp_path / "clean.csv").write_bytes(b"".join(lines))
    assert sum(map(len, file_reader.blocks(tmp_path / "clean.csv", FORM))) == 5_000 and not one_by_one
    lines[2_500] = b"1,a,b\xff\n"
    (tmp_path / "damaged.csv").write_bytes(b"".join(lines))
    rows = list(file_reader.read(tmp_path / "damaged.csv", FORM))
    assert [row.line for row in rows if isinstance(row, BadRow)] == [2_501] and len(rows) == 5_000
    assert len(one_by_one) <= 40


def test_a_quote_that_is_never_closed_does_not_bring_the_file_into_memory(tmp_path, monkeypatch):
    most, original = [], csv_reader._Feed.put_back
    monkeypatch.setattr(
        csv_reader._Feed, "put_back", lambda feed, lines: most.append(len(lines)) or original(feed, lines)
    )
    (tmp_path / "train.csv").write_bytes(b"1,a,b\n" * 3_000 + b'1,"a,b\n' + b"1,a,b\n" * 9_000)
    rows = file_reader.read(tmp_path / "train.csv", FORM)
    assert sum(isinstance(row, BadRow) for row in rows) == 1 and max(most) < 4_000
