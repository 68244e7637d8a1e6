"""The list of rows that a version has learned from: whole or absent, and the same hash as everywhere."""

from pathlib import Path

import numpy as np
import pytest
from data_kit import Ingested, articles, source

from components.core import paths
from components.data import rows
from components.data import tfrecords as records
from components.data.text_cleaning import row_key
from components.evaluation import seen_rows


def test_a_list_comes_back_sorted_and_without_doubles(tmp_path):
    path = tmp_path / "a" / "rows.npy"
    seen_rows.save(path, [2**64 - 1, 3, 3, 1])
    assert seen_rows.load(path).tolist() == [1, 3, 2**64 - 1]
    assert [p.name for p in path.parent.iterdir()] == ["rows.npy"]


def test_rows_are_found_by_their_hash_whatever_their_case_and_marks(tmp_path):
    seen_rows.save(tmp_path / "rows.npy", [row_key("Oil #39;s up, again")])
    keys = seen_rows.keys_of(rows.of([b"OIL'S UP AGAIN", b"Oil's down again"]))
    assert seen_rows.among(keys, seen_rows.load(tmp_path / "rows.npy")).tolist() == [True, False]
    assert seen_rows.among(keys, np.zeros(0, np.uint64)).tolist() == [False, False]
    some, listed = np.array([0, 1, 2, 7, 9, 2**64 - 1], np.uint64), np.array([1, 7, 8], np.uint64)
    assert seen_rows.among(some, listed).tolist() == [False, True, False, True, False, False]


@pytest.mark.parametrize("damage", [b"", b"no list", "cut", "unsorted", "pickle", "floats"])
def test_what_is_no_whole_list_is_none(tmp_path, damage):
    path = tmp_path / "rows.npy"
    assert seen_rows.load(path) is None
    seen_rows.save(path, range(100))
    if isinstance(damage, bytes):
        path.write_bytes(damage)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-8])
    elif damage == "pickle":
        np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    else:
        np.save(path, np.array([3, 1], np.uint64) if damage == "unsorted" else np.array([1.0, 2.0]))
    assert seen_rows.load(path) is None


def test_a_list_belongs_to_one_version_of_a_line():
    assert seen_rows.place("news", 3) == paths.registry_dir("news") / "versions" / "3.rows.npy"
    with pytest.raises(ValueError, match="line must be"):
        seen_rows.place("../news", 3)


@pytest.mark.parametrize("given_test", [True, False])
def test_a_run_keeps_the_rows_of_train_and_eval_and_none_of_them_is_a_test_row(tmp_path, given_test):
    folder = source(tmp_path / "s", articles(400), articles(60, seed=2) + articles(5))
    if not given_test:
        (folder / "test.csv").unlink()
    done = Ingested(folder, tmp_path)

    def hashes(*splits):
        found = [raw for split in splits for raw in records.load(done.examples.uri, split)[0]]
        return sorted({row_key(raw.decode()) for raw in found})

    known = seen_rows.load(Path(done.quarantine.uri, seen_rows.FILE)).tolist()
    assert known == hashes("train", "eval")
    assert not set(known) & set(hashes("test"))
