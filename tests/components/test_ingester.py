"""Every row of the listed files is written, quarantined or a duplicate, and stays in its split for good."""

import csv
import gzip
import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import record_kit
import tensorflow as tf
from data_kit import FORM, Ingested, articles, as_csv, listed, source, span
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components import ingester
from components.core.fileio import file_hash
from components.data import listed_files, row_store, text_cleaning
from components.data import tfrecords as records
from components.data.row_format import Block
from components.data.row_store import PLACES
from components.data.sources import SourceError
from components.data_quality import row_work
from components.data_quality.profile import EDGES, Profile, words_of

SPLITS_OF_FORTY = (
    "tr tr tr te tr tr tr tr tr tr tr tr tr tr tr tr tr tr tr tr "
    "tr ev tr tr tr ev tr tr tr tr tr tr tr tr tr tr tr tr tr tr"
)

QUICK = settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))


def texts(artifact, split):
    return [raw.decode() for raw in records.load(artifact.uri, split)[0]]


def placed(hashes):
    keys = np.array([int(each, 16) for each in hashes], np.uint64)
    return [PLACES[code] for code in ingester.place(keys, 0.1, 0.1)]


def test_rows_in_are_rows_out_and_quarantined_and_duplicates(tmp_path):
    rows = articles(300)
    bad = [(9, "a", "b"), (0, "c", "d"), (1, "", "")]
    done = Ingested(source(tmp_path / "s", [*rows, *bad, *rows[:7]]), tmp_path)
    assert done.account["rows"] == {"in": 410, "out": 400, "quarantined": 3, "duplicates": 7}
    assert done.balanced
    assert [len(records.load(done.examples.uri, split)[0]) for split in records.SPLITS] == [
        sum(done.account["splits"][split].values()) for split in records.SPLITS
    ]


def test_the_quarantine_file_names_source_line_column_value_and_reason(tmp_path):
    done = Ingested(source(tmp_path / "s", [*articles(20), ("=HYPERLINK()", "a", "b" * 300)]), tmp_path)
    (row,) = done.quarantined
    assert row["source"] == str(tmp_path / "s" / "train.csv") and (row["line"], row["column"]) == ("21", "label")
    assert row["value"] == "'=HYPERLINK()" and "expected 1 to 4" in row["reason"]
    assert done.quarantine.rows == 1 and "1 quarantined" in done.quarantine.get_string_custom_property("headline")


def test_a_test_file_stays_the_test_split_row_for_row(tmp_path):
    test = articles(50, seed=2)
    done = Ingested(source(tmp_path / "s", test=[*test, test[0]]), tmp_path)
    assert texts(done.examples, "test") == [text_cleaning.join(t, d) for _, t, d in [*test, test[0]]]


def test_without_a_test_file_a_tenth_is_held_out_by_hash(tmp_path):
    folder = source(tmp_path / "s", articles(1_000))
    (folder / "test.csv").unlink()
    sizes = {s: sum(n.values()) for s, n in Ingested(folder, tmp_path).account["splits"].items()}
    assert 60 <= sizes["test"] <= 140 and 25 <= sizes["eval"] <= 80 and sum(sizes.values()) == 1_000


def test_a_row_keeps_its_split_when_more_data_arrives(tmp_path):
    few, more = articles(300), articles(900)
    folder = tmp_path / "s"
    splits = []
    for name, rows in (("few", few), ("more", more[::-1])):
        folder = source(tmp_path / name, rows)
        (folder / "test.csv").unlink()
        done = Ingested(folder, tmp_path / f"{name}.out")
        splits.append({split: set(texts(done.examples, split)) for split in records.SPLITS})
    assert all(splits[0][split] < splits[1][split] for split in records.SPLITS)


@pytest.mark.parametrize(
    ("row_hash", "split"),
    [
        ("00000000ffffffff", "test"), ("19999999ffffffff", "test"), ("1999999a00000000", "eval"),
        ("3333333300000000", "eval"), ("3333333400000000", "train"), ("ffffffff00000000", "train"),
    ],
)  # fmt: skip
def test_the_place_of_a_hash_never_changes_or_old_train_rows_would_become_test_rows(row_hash, split):
    assert placed([row_hash]) == [split]


def test_the_split_of_an_article_is_the_same_in_every_release():
    found = placed(text_cleaning.row_hash(f"Article {number}") for number in range(40))
    assert " ".join(split[:2] for split in found) == SPLITS_OF_FORTY


def test_train_rows_that_are_test_rows_are_left_out_however_they_are_printed(tmp_path):
    test = articles(60, seed=2)
    copies = [
        (n, t.upper(), d.replace(" ", "  ")) if i % 2 else (n, t, d.replace("'", " #39;"))
        for i, (n, t, d) in enumerate(test)
    ]
    done = Ingested(source(tmp_path / "s", [*articles(200), *copies[:40]], test), tmp_path)
    assert done.account["leaked"] == 40 and done.balanced
    held = {text_cleaning.row_hash(row) for row in texts(done.examples, "test")}
    assert not held & {
        text_cleaning.row_hash(row) for split in ("train", "eval") for row in texts(done.examples, split)
    }


def test_the_same_text_with_two_labels_is_kept_once_a_label_and_counted(tmp_path):
    rows = articles(100)
    other = (rows[0][0] % 4 + 1, *rows[0][1:])
    done = Ingested(source(tmp_path / "s", [*rows, other, other, rows[0]]), tmp_path)
    assert (done.account["conflicts"], done.account["rows"]["duplicates"]) == (1, 2)


def test_a_file_that_changed_since_it_was_listed_is_refused(tmp_path):
    folder = source(tmp_path / "s")
    files = listed(folder)
    (folder / "train.csv").write_bytes(as_csv(articles(601)))
    with pytest.raises(
        SourceError, match=r"a listed file must not change during a run. Received: .*train.csv had sha256"
    ):
        listed_files.read(next(f for f in files if f["split"] == "train"), FORM)
    (folder / "train.csv").unlink()
    with pytest.raises(SourceError, match="now no such file"):
        listed_files.read(next(f for f in files if f["split"] == "train"), FORM)


def test_a_file_that_is_written_to_while_it_is_read_is_refused(tmp_path):
    folder = source(tmp_path / "s")
    rows = listed_files.read(next(f for f in listed(folder) if f["split"] == "train"), FORM)
    next(rows)
    with open(folder / "train.csv", "a", encoding="utf-8") as file:
        file.write('"1","late","row"\n')
    with pytest.raises(SourceError, match=r"train.csv was written to while it was read"):
        list(rows)


@pytest.mark.parametrize(
    "numbers, first, shifted", [((1, 2, 3, 4), 1, False), ((0, 1, 2, 3), 1, True), ((0, 1, 2, 3, 4), 1, False),
                                ((0, 1, 2, 3), 0, False), ((1, 2, 3, 4), 0, True), ((1, 2), 1, False)]
)  # fmt: skip
def test_a_file_whose_labels_begin_with_the_other_number_is_marked(tmp_path, numbers, first, shifted):
    rows = [(numbers[i % len(numbers)], t, d) for i, (_, t, d) in enumerate(articles(60))]
    test = [(n - 1 + first, t, d) for n, t, d in articles(20, 2)]
    done = Ingested(source(tmp_path / "s", rows, test), tmp_path, first_label=first)
    assert {f["split"]: f["off_by_one"] for f in done.account["files"]} == {"train": shifted, "test": False}


def test_the_profile_counts_train_rows_by_label_length_word_and_span(tmp_path):
    span(tmp_path / "s", "2026-11-20", [(1, "Gold rush", "gold gold"), (2, "A CUP FINAL", "won")])
    span(tmp_path / "s", "2026-11-21", [(2, "Late goal", "won it")])
    done = Ingested(tmp_path / "s", tmp_path, test_fraction=0.0001, eval_fraction=0.0001)
    train = done.profile["train"]
    assert train["labels"] == {"World": 1, "Sports": 2, "Business": 0, "Sci/Tech": 0}
    assert train["words"]["gold"] == [3, 0, 0, 0] and train["words"]["won"] == [0, 2, 0, 0]
    assert (
        train["upper"] == 1
        and sum(train["lengths"]) == train["rows"] == 3
        and train["lengths"][0] == 3
        and EDGES[1] == 5
    )
    assert {day: p["rows"] for day, p in done.profile["spans"].items()} == {"2026-11-20": 2, "2026-11-21": 1}


def test_a_profile_of_many_words_stays_small(monkeypatch):
    monkeypatch.setattr("components.data_quality.profile._HELD", 100)
    profile = Profile(["a"])
    for i in range(500):
        words = ["often", f"rare{chr(97 + i % 26)}{chr(97 + i // 26)}"]
        profile.add("", " ".join(words), words, 0)
    assert len(profile.words[0]) <= 100 and profile.to_json()["words"]["often"] == [500]


def test_words_are_of_two_letters_or_more_in_any_script():
    assert words_of("A 3rd ÉTÉ, it's 新聞社 x2") == ["rd", "été", "it", "新聞社"]


@settings(deadline=None)
@given(text=st.one_of(st.text(st.characters(max_codepoint=127)), st.text()))
def test_words_of_ascii_are_found_like_those_of_any_text(text):
    assert words_of(text) == re.findall(r"[^\W\d_]{2,}", text.lower())


def test_equal_rows_give_equal_artifacts(tmp_path):
    folder = source(tmp_path / "s", articles(80))
    first, second = (Ingested(folder, tmp_path / name) for name in "ab")
    assert first.account == second.account and first.profile == second.profile
    assert texts(first.examples, "train") == texts(second.examples, "train")


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
ANY_ROW = st.tuples(st.integers(1, 4), ANY_TEXT, ANY_TEXT).filter(lambda row: (row[1] + row[2]).strip())


def written(rows, kind: str) -> bytes:
    names = ("label", "title", "description")
    if kind == "parquet":
        out = io.BytesIO()
        pq.write_table(pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)}), out)
        return out.getvalue()
    if kind == "jsonl":
        return gzip.compress("".join(json.dumps(dict(zip(names, row))) + "\n" for row in rows).encode())
    out = io.StringIO()
    csv.writer(out, delimiter="\t" if kind == "tsv" else ",", quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [names, *rows]
    )
    return out.getvalue().encode()


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@QUICK
@given(rows=st.lists(ANY_ROW, min_size=1, max_size=5))
def test_any_text_survives_every_format_into_examples_unchanged(tmp_path_factory, kind, rows):
    folder = tmp_path_factory.mktemp("any")
    path = folder / {"jsonl": "test.jsonl.gz"}.get(kind, f"test.{kind}")
    path.write_bytes(written(rows, kind))
    listing = {"path": str(path), "split": "test", "sha256": file_hash(path), "span": "", "kind": "file"}
    account, _ = ingester.ingest([listing], FORM, 0.05, 0.1, str(folder / "examples"), folder / "quarantine")
    found, labels = records.load(str(folder / "examples"), "test")
    assert [raw.decode() for raw in found] == [text_cleaning.join(title, description) for _, title, description in rows]
    assert labels.tolist() == [label - 1 for label, _, _ in rows] and account["rows"]["out"] == len(rows)


@QUICK
@given(content=st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(
    [b'1,a,b\n', b'"2","c","d"\n', b'2,"c\n', b'",', b"\n", b"9,x,y\n", b"3,e\n", b"1,a,b\r\n", b'4,"q""q",r\n', b"\xff", b"\0"]
), max_size=20).map(b"".join)))  # fmt: skip
def test_the_account_adds_up_or_the_file_is_refused_whatever_its_bytes(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "train.csv").write_bytes(content)
    try:
        done = Ingested(folder, folder / "out")
    except SourceError as error:
        assert str(folder / "train.csv") in str(error)
    else:
        assert done.balanced


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        with record_kit.Writer(tmp_path / name) as writer:
            for number in range(50):
                writer.write("train", f"row {number}", number % 4)
    first, second = (Path(records.files(str(tmp_path / name), "train")[0]) for name in ("a", "b"))
    assert gzip.decompress(first.read_bytes()) == gzip.decompress(second.read_bytes())
    raw = next(iter(tf.data.TFRecordDataset(str(first), compression_type="GZIP"))).numpy()
    assert raw.index(b"label") < raw.index(b"text")  # a map's order is chance unless it is asked for


def test_a_label_of_many_is_stored_as_it_is():
    block = Block([1, 2], [199, 30_000], ["a", "b"], ["", ""])
    assert pa.array(row_work.columns(block)["label"], row_store.SCHEMA.field("label").type).to_pylist() == [199, 30_000]


def test_a_span_of_many_files_is_summed_up_once(tmp_path, monkeypatch):
    made, original = [], Profile.to_json
    monkeypatch.setattr(Profile, "to_json", lambda self, *words: made.append(words) or original(self, *words))
    rows = articles(40)
    for day, own in (("2026-11-20", rows[:20]), ("2026-11-21", rows[20:])):
        folder = span(tmp_path / "s", day, own[:1])
        for number, row in enumerate(own[1:]):
            (folder / f"part-{number}.csv").write_bytes(as_csv([row]))
    done = Ingested(tmp_path / "s", tmp_path, test_fraction=0.0001, eval_fraction=0.0001)
    assert {day: profile["rows"] for day, profile in done.profile["spans"].items()} == {
        "2026-11-20": 20,
        "2026-11-21": 20,
    }
    assert len(made) == 3  # a span each, and the whole


# --- fresh rows: a share of what people labelled judges and never trains ---


def labelled(folder, day, rows, name="train-labelled-1.csv"):
    path = folder / day
    path.mkdir(parents=True, exist_ok=True)
    (path / name).write_bytes(as_csv(rows, header=True))
    (path / "_SUCCESS").touch()


def hashes(artifact, split):
    return {text_cleaning.row_hash(text) for text in texts(artifact, split)}


def test_a_fifth_of_a_labelled_span_is_fresh_and_the_rest_is_as_it_was_without_it(tmp_path):
    own = articles(400, seed=5)
    plain = source(tmp_path / "plain")
    before = Ingested(plain, tmp_path / "before")
    assert "fresh" not in before.account["splits"] and not Path(before.examples.uri, "Split-fresh").exists()
    folder = source(tmp_path / "s")
    labelled(folder, "2026-11-21", own)
    done = Ingested(folder, tmp_path / "after")
    (fresh, labels), spans = records.load(done.examples.uri, records.FRESH), records.fresh_spans(done.examples.uri)
    assert done.balanced and 50 <= len(fresh) <= 110
    assert sum(done.account["splits"]["fresh"].values()) == len(fresh) == len(labels) and set(spans) == {"2026-11-21"}
    truth = {text_cleaning.join(title, description): label - 1 for label, title, description in own}
    assert all(truth[text.decode()] == label for text, label in zip(fresh, labels))
    assert not hashes(done.examples, "fresh") & (hashes(done.examples, "train") | hashes(done.examples, "eval"))
    assert hashes(before.examples, "test") == hashes(done.examples, "test")
    assert hashes(before.examples, "train") <= hashes(done.examples, "train")


def test_a_fresh_row_stays_fresh_and_is_trained_on_from_no_other_file(tmp_path):
    own = articles(200, seed=5)
    folder = source(tmp_path / "s")
    labelled(folder, "2026-11-20", own)
    first = Ingested(folder, tmp_path / "one")
    labelled(folder, "2026-11-21", articles(100, seed=6))
    span(folder, "2026-11-19", own)  # the day's plain file, read before the labelled one
    second = Ingested(folder, tmp_path / "two")
    assert hashes(first.examples, "fresh") < hashes(second.examples, "fresh")
    learned = hashes(second.examples, "train") | hashes(second.examples, "eval")
    assert not hashes(first.examples, "fresh") & learned and second.balanced


def test_the_newest_label_of_a_fresh_text_counts(tmp_path):
    own = articles(60, seed=5)
    folder = source(tmp_path / "s")
    labelled(folder, "2026-11-20", own)
    labelled(folder, "2026-11-21", [(label % 4 + 1, title, text) for label, title, text in own])
    done = Ingested(folder, tmp_path / "out")
    (fresh, labels), spans = records.load(done.examples.uri, records.FRESH), records.fresh_spans(done.examples.uri)
    truth = {text_cleaning.join(title, text): label % 4 for label, title, text in own}
    assert len(fresh) and set(spans) == {"2026-11-21"} and done.balanced
    assert all(truth[text.decode()] == label for text, label in zip(fresh, labels))


def test_dated_folders_count_only_where_a_line_says_so(tmp_path):
    span(source(tmp_path / "s"), "2026-11-20", articles(200, seed=5))
    assert "fresh" not in Ingested(tmp_path / "s", tmp_path / "one").account["splits"]
    done = Ingested(tmp_path / "s", tmp_path / "two", fresh_from="dated")
    assert 20 <= sum(done.account["splits"]["fresh"].values()) <= 60 and done.balanced


def test_a_text_of_the_test_file_stays_a_test_row_and_is_not_fresh(tmp_path):
    rows = articles(200, seed=5)
    labelled(source(tmp_path / "s", test=rows), "2026-11-20", rows)
    done = Ingested(tmp_path / "s", tmp_path)
    assert "fresh" not in done.account["splits"] and len(texts(done.examples, "test")) == 200
