"""The Ingester's work on many rows: several processes make, byte for byte, what one makes."""

import gzip
import hashlib
import os
import signal
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_kit import Ingested, articles, as_csv, source, span
from hypothesis import given, settings
from hypothesis import strategies as st

from components import ingester
from components.data import record_writer, text_cleaning
from components.data import tfrecords as records
from components.data.row_store import EVAL, GIVEN, TRAIN, Kept, Store
from components.data.workers import WorkerLost, Workers
from components.data_quality import row_work
from components.data_quality.profile import counted_words, words_of


@pytest.fixture
def crews(monkeypatch):
    """The workers of each Ingester, which wait for work before its first row is read."""
    entered = []

    def enter(crew: Workers) -> Workers:
        entered.append(crew)
        if crew.number > 1:
            crew.wait()
        return crew

    monkeypatch.setattr(Workers, "__enter__", enter)
    monkeypatch.setattr(ingester, "_ALONE", 0)
    return entered


def untidy(folder):
    """A source with bad rows, reprints, entities, other scripts, labelled days and rows of several lines."""
    rows = articles(5000)
    rows[10:4000:100] = [
        (label, title, f"{text} #39;s \n &lt;b&gt; ünï 新聞 {title}") for label, title, text in rows[10:4000:100]
    ]
    source(folder, [*rows, (9, "a", "b"), *rows[:50], (1, "", ""), *rows[7:9]])
    for day in ("2026-11-20", "2026-11-21"):
        (span(folder, day, rows[200:400]) / "train-labelled-1.csv").write_bytes(as_csv(articles(200, 5), header=True))
    return folder


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_several_processes_make_what_one_makes(tmp_path, monkeypatch, crews):
    monkeypatch.setattr(record_writer, "SHARD", 1000)
    folder = untidy(tmp_path / "s")
    for number in (1, 3):
        monkeypatch.setattr(ingester, "cores", lambda number=number: number)
        done = Ingested(folder, tmp_path / str(number))
        assert done.balanced and done.account["rows"]["quarantined"] == 2
    assert [len(crew.processes) for crew in crews] == [0, 3]
    assert content(tmp_path / "1") == content(tmp_path / "3")
    files = [path.rpartition("/")[0] for path in content(tmp_path / "1" / "examples")]
    assert Counter(files) == {"Split-train": 5, "Split-eval": 1, "Split-test": 1, "Split-fresh": 1}


def test_a_killed_worker_ends_the_ingester_with_an_error(tmp_path, monkeypatch, crews):
    monkeypatch.setattr(ingester, "cores", lambda: 2)

    def add(store, own):
        for process in crews[0].processes.values():
            os.kill(process.pid, signal.SIGKILL)

    monkeypatch.setattr(Store, "add", add)
    with pytest.raises(WorkerLost, match="killed by SIGKILL"):
        Ingested(source(tmp_path / "s", articles(5000)), tmp_path)
    assert not (tmp_path / "quarantine" / "report.json").exists()


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_each_record_file_has_its_rows_and_no_others(tmp_path, monkeypatch, size):
    monkeypatch.setattr(record_writer, "SHARD", size)
    places = np.array(([TRAIN] * 5 + [EVAL]) * 6 + [GIVEN] * 2, np.int8)
    n = len(places)
    with Store(tmp_path / "rows.parquet") as store:
        for part in np.array_split(np.arange(n), 4):
            zeros = np.zeros(len(part), int)
            own = dict.fromkeys(("file", "key", "label", "place", "length"), zeros)
            store.add({**own, "drawn": zeros > 0, "shouted": zeros > 0, "text": [b"row %d" % i for i in part]})
    stay = np.flatnonzero(np.arange(n) % 4)
    decided = pa.table({"n": stay, "place": places[stay]})
    pq.write_table(decided, tmp_path / "kept.parquet", row_group_size=9)
    by_file = Counter((0, int(place)) for place in places[stay])
    files = [{"split": "train", "span": ""}]
    for task in row_work.writing(
        Kept(tmp_path / "rows.parquet", tmp_path / "kept.parquet"), str(tmp_path), files, by_file
    ):
        task()
    for split, place in (("train", TRAIN), ("eval", EVAL), ("test", GIVEN)):
        expected = [b"row %d" % i for i in stay if places[i] == place]
        assert records.load(str(tmp_path), split)[0].tolist() == expected
        assert len(records.files(str(tmp_path), split)) == -(-len(expected) // size)
    assert all(gzip.decompress((tmp_path / name).read_bytes()) for name in content(tmp_path) if name.endswith(".gz"))


TEXT = st.text(st.sampled_from("aZ9 _;<>&#b\\\0\n.quotl'\ttäK新"), max_size=30)


@settings(deadline=None)
@given(st.lists(TEXT, max_size=8))
def test_keys_of_many_texts_are_those_of_each(texts):
    hashes = [hashlib.sha256(text_cleaning.normalise(text).encode()).digest()[:8] for text in texts]
    assert text_cleaning.row_keys(texts) == b"".join(hashes)


@settings(deadline=None)
@given(st.one_of(st.text(st.characters(max_codepoint=127)), st.text(), TEXT))
def test_words_are_counted_as_one_by_one_and_in_their_order(text):
    assert list(counted_words(text.encode()).items()) == list(Counter(words_of(text)).items())
