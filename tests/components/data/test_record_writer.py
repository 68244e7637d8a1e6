"""Record files are what TensorFlow's own writer makes, in shards that are read as one, and a full disk is said."""

import gzip
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data import record_writer
from components.data import tfrecords as records

LABEL = st.one_of(st.integers(0, 300), st.integers(-(2**63), 2**63 - 1))
SPAN = st.one_of(st.none(), st.binary(max_size=12))


def by_tensorflow(text, label, span):
    features = {
        "text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[text])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    if span is not None:
        features["span"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[span]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


@settings(deadline=None)
@given(text=st.one_of(st.binary(max_size=300), st.integers(0, 70_000).map(bytes)), label=LABEL, span=SPAN)
def test_an_example_is_encoded_as_tensorflow_does_it(text, label, span):
    assert record_writer.example(text, label, span) == by_tensorflow(text, label, span)


def test_a_file_holds_the_bytes_that_tensorflow_s_writer_writes(tmp_path):
    rows = [(b"%d " % i * (i % 90), i % 4, None) for i in range(500)] + [(b"x" * 200_000, 3, None)]
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    with tf.io.TFRecordWriter(str(tmp_path / "theirs.gz"), options) as theirs:
        for row in rows:
            theirs.write(by_tensorflow(*row))
    with record_writer.RecordFile(tmp_path / "ours.gz") as ours:
        ours.write([text for text, _, _ in rows], [label for _, label, _ in rows])
    ours, theirs = (gzip.decompress((tmp_path / name).read_bytes()) for name in ("ours.gz", "theirs.gz"))
    assert ours == theirs


def test_a_split_without_rows_has_a_file_that_can_be_read(tmp_path):
    (path,) = record_writer.file_names(str(tmp_path), "eval", 0)
    with record_writer.RecordFile(path):
        pass
    assert len(records.load(str(tmp_path), "eval")[0]) == 0


@pytest.mark.parametrize(("rows", "names"), [(0, 1), (6, 1), (7, 2), (12, 2), (13, 3), (24, 4)])
def test_a_large_split_goes_to_several_files_whose_names_sort_in_order(monkeypatch, rows, names):
    monkeypatch.setattr(record_writer, "SHARD", 6)
    files = record_writer.file_names("x", "train", rows)
    assert [file.name for file in files] == [f"data_tfrecord-{i:05d}-of-{names:05d}.gz" for i in range(names)]


def test_rows_that_cannot_be_written_are_an_error_and_no_silence(tmp_path):
    (tmp_path / "Split-train").write_text("in the way")
    (path,) = record_writer.file_names(str(tmp_path), "train", 1)
    with pytest.raises(OSError, match="Split-train"):
        record_writer.RecordFile(path)


def test_a_full_disk_is_an_error(monkeypatch):
    with pytest.raises(OSError, match="No space"), record_writer.RecordFile(Path("/dev/full")) as file:
        file.write([b"x" * 5_000_000], [1])
