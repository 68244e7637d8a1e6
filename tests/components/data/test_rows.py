"""Rows in a stream: the same from several files, and a sample that a row's text alone decides."""

import record_kit

import components  # noqa: F401, it sets what TensorFlow reads at its own import

# isort: split
import os

import numpy as np
import pytest

from components.data import rows
from components.data import tfrecords as records

TEXTS = np.array([b"text %d" % at for at in range(1000)], object)


def test_a_split_of_several_files_is_read_in_their_order_as_often_as_asked_for(tmp_path):
    for at, name in enumerate(("data_tfrecord-00000-of-00002.gz", "data_tfrecord-00001-of-00002.gz")):
        with record_kit.Writer(tmp_path / name) as writer:
            for number in range(at * 5, at * 5 + 5):
                writer.write("train", f"row {number}", number)
        folder = tmp_path / "examples" / "Split-train"
        folder.mkdir(parents=True, exist_ok=True)
        (made,) = records.files(str(tmp_path / name), "train")
        os.rename(made, folder / name)
    found = rows.from_split(str(tmp_path / "examples"), "train")
    assert len(found) == 10 and found.labels.tolist() == list(range(10))
    for _ in range(2):
        batches = list(found.texts(4))
        assert [len(batch) for batch in batches] == [4, 4, 2]
        assert [text.decode() for batch in batches for text in batch] == [f"row {number}" for number in range(10)]
    with pytest.raises(ValueError, match="undamaged"):
        (folder / name).write_bytes((folder / name).read_bytes()[:-9])
        rows.from_split(str(tmp_path / "examples"), "train")


def test_a_sample_holds_the_rows_of_the_least_hashes_wherever_they_stand(monkeypatch):
    monkeypatch.setattr(rows, "BATCH", 64)  # several steps, and more than is held at once
    labels, turned = np.arange(1000), np.random.default_rng(0).permutation(1000)
    sample = rows.of((TEXTS, labels)).sample(300)
    assert len(sample) == 300 and sorted(sample.labels) == sample.labels.tolist()
    assert sample.labels.tolist() == np.sort(np.argsort(rows.hashes(TEXTS))[:300]).tolist()
    other = rows.of((TEXTS[turned], labels[turned])).sample(300)
    assert set(other.labels) == set(sample.labels) and other.labels.tolist() != sample.labels.tolist()
    assert [text for part in sample.texts() for text in part] == TEXTS[sample.labels].tolist()
    whole = rows.of((TEXTS, labels))
    assert whole.sample(1000) is whole and rows.highest(whole.texts(), 1000) > rows.hashes(TEXTS).max()


def test_marked_rows_are_read_in_a_stream_and_again():
    kept = np.arange(1000) % 3 == 1
    kept[300:500] = False
    chosen = rows.of((TEXTS, np.arange(1000))).where(kept)
    assert len(chosen) == kept.sum() and chosen.labels.tolist() == np.flatnonzero(kept).tolist()
    for _ in range(2):
        batches = list(chosen.texts(100))
        assert [len(batch) for batch in batches] == [
            kept[at : at + 100].sum() for at in range(0, 1000, 100) if not 300 <= at < 500
        ]
        assert [text for batch in batches for text in batch] == TEXTS[kept].tolist()
    assert rows.of(TEXTS).where(np.zeros(1000, bool)).taken(np.zeros(0, bool)).labels.tolist() == []


def test_texts_are_found_by_their_places_whatever_batch_they_stand_in():
    many = [b"text %d" % at for at in range(2 * rows.BATCH + 10)]
    places = [len(many) - 1, rows.BATCH - 1, rows.BATCH, 0, rows.BATCH]
    assert rows.of(many).at(places) == {place: many[place] for place in places}
    assert rows.of(many).at([]) == {}


def test_a_digest_tells_texts_apart_that_are_cut_otherwise_and_bad_bytes_are_marked():
    assert rows.of([b"ab", b"c"]).digest != rows.of([b"a", b"bc"]).digest
    assert rows.of(TEXTS).digest == rows.of(list(TEXTS)).digest
    assert list(rows.of([b"caf\xe9", b"fine"]).plain()) == ["caf\ufffd", "fine"]


def test_a_change_is_made_batch_by_batch_and_labels_stay():
    changed = rows.of((TEXTS, np.arange(1000))).changed(
        lambda texts: np.array([text.upper() for text in texts], object)
    )
    assert next(changed.texts(3)).tolist() == [b"TEXT 0", b"TEXT 1", b"TEXT 2"]
    assert len(changed) == 1000 and changed.labels[-1] == 999
