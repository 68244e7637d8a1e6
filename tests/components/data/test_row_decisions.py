"""Which rows stay: DuckDB's answer is the one that going through the rows one by one gives."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.data import duckdb_engine, row_decisions, row_store
from components.data.row_store import DRAWN_TEST, EVAL, FRESH, GIVEN, TRAIN

# Few different keys and labels, so that most rows meet an equal one. (key, label, fresh if its file may hold fresh rows)
FILE = st.tuples(
    st.sampled_from(["train", "labelled"]), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=12)
)
FILES = st.tuples(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=6), st.lists(FILE, max_size=5))
STEP = 2**64 // 10  # keys use all 64 bits


def place_of(key):
    return (TRAIN, TRAIN, EVAL, DRAWN_TEST)[key % 4]


def one_by_one(files):
    """(kept, leaked, conflicts, keys of train and eval)."""
    rows = [(file, kind, *row) for file, (kind, own) in enumerate(files) for row in own]
    fresh = {key: file for file, kind, key, _ in rows if kind == "labelled" and key % 2}
    tested, seen, kept, taken, leaked, conflicts = set(), {}, [], set(), 0, 0
    for n, (file, kind, key, label) in enumerate(rows):
        if kind == "test":
            tested.add(key)
            kept.append((n, GIVEN))
        elif key in tested:
            leaked += 1
        elif key in fresh:
            if fresh[key] == file and key not in taken:
                taken.add(key)
                kept.append((n, FRESH))
        elif label not in seen.get(key, ()):
            conflicts += key in seen
            seen.setdefault(key, set()).add(label)
            kept.append((n, place_of(key)))
    return kept, leaked, conflicts, sorted(STEP * key for key in seen if place_of(key) != DRAWN_TEST)


def stored(path, files):
    with row_store.Store(path) as store:
        for file, (kind, own) in enumerate(files):
            keys = np.array([key for key, _ in own], np.uint64)
            store.add({
                "file": np.full(len(own), file), "key": keys * np.uint64(STEP), "label": np.array([label for _, label in own], int),
                "place": np.array([GIVEN if kind == "test" else place_of(key) for key, _ in own], int),
                "drawn": (keys % 2 == 1) & (kind == "labelled"), "length": np.ones(len(own), int),
                "shouted": np.zeros(len(own), bool), "text": [b"text %d" % key for key, _ in own],
            })  # fmt: skip


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(sources=FILES, part=st.sampled_from([duckdb_engine.DuckDB.together, 5]))
def test_the_rows_that_stay_are_those_of_a_walk_through_all(tmp_path_factory, sources, part):
    folder, files = tmp_path_factory.mktemp("rows"), [("test", sources[0]), *sources[1]]
    stored(folder / "rows.parquet", files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duckdb_engine.DuckDB, "together", part)
        decided = row_decisions.decide(folder / "rows.parquet", folder)
    kept, leaked, conflicts, learned = one_by_one(files)
    parts = list(row_store.Kept(folder / "rows.parquet", decided.kept).read())
    texts = [b"text %d" % key for _, own in files for key, _ in own]
    assert [(text, place) for part in parts for text, place in zip(part["text"].to_pylist(), part["place"])] == [
        (texts[n], place) for n, place in kept
    ]
    assert (decided.leaked, decided.conflicts, decided.learned_rows) == (leaked, conflicts, len(learned))
    assert [key for part in decided.learned() for key in part.tolist()] == learned
    assert sum(decided.by_file.values()) == len(kept)


def test_rows_of_many_batches_stay_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(row_store, "_BATCH", 7)
    monkeypatch.setattr(row_store, "_GROUP", 50)
    own = [(key, 0) for key in range(300)] * 2
    stored(tmp_path / "rows.parquet", [("train", own[i : i + 90]) for i in range(0, 600, 90)])
    decided = row_decisions.decide(tmp_path / "rows.parquet", tmp_path)
    parts = list(row_store.Kept(tmp_path / "rows.parquet", decided.kept).read())
    assert [text for part in parts for text in part["text"].to_pylist()] == [b"text %d" % key for key in range(300)]
    files = np.concatenate([part["file"] for part in parts])
    assert files.tolist() == [n // 90 for n in range(300)]


def test_few_row_numbers_are_held_while_the_last_of_many_rows_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(row_store, "_BATCH", 7)
    monkeypatch.setattr(row_store, "_GROUP", 50)
    stored(
        tmp_path / "rows.parquet", [("train", [(key, 0) for key in range(at, at + 50)]) for at in range(0, 1000, 50)]
    )
    kept = row_store.Kept(tmp_path / "rows.parquet", tmp_path / "kept.parquet")
    pq.write_table(pa.table({"n": range(1000), "place": [TRAIN] * 1000}), kept.decided)
    held, concatenate = [0], np.concatenate
    monkeypatch.setattr(np, "concatenate", lambda parts: held.append(sum(map(len, parts))) or concatenate(parts))
    texts = [text for part in kept.read("train", 990) for text in part["text"].to_pylist()]
    assert texts == [b"text %d" % key for key in range(990, 1000)]
    assert max(held) <= 2 * 7
