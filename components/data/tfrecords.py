"""Reading of `Examples` artifacts: tf.Example records with `text` (bytes) and `label` (int64); `record_writer` writes them.

Beside TFX's three splits there may be `Split-fresh` (`components.data.fresh_rows`), whose records carry the `span` as well; TFX's
nodes do not see it.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from components.data.record_writer import FRESH as FRESH
from components.data.record_writer import SPLITS as SPLITS
from components.tf_support.no_autotune import untuned

_FEATURES = {"text": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}


def files(uri: str, split: str) -> list[str]:
    """The record files of one split, sorted."""
    return sorted(str(path) for path in Path(uri, f"Split-{split}").iterdir() if path.is_file())


def raw_records(name: str, compression: str = "GZIP") -> Iterator[bytes]:
    """The records of one TFRecord file.

    Raises:
        ValueError: the file is empty or damaged; the message names file, record and byte (of the unpacked content).
    """
    if os.path.getsize(name) == 0:
        raise ValueError(f"a record file must be undamaged. Received: {name}, which is empty")
    count = offset = 0
    try:
        for raw in untuned(tf.data.TFRecordDataset(name, compression_type=compression)).as_numpy_iterator():
            yield raw
            count, offset = count + 1, offset + len(raw) + 16  # a record carries its length and two checksums
    except tf.errors.OpError as error:
        where = f"{name}, record {count + 1} at byte {offset}" + (" unpacked" if compression else "")
        raise ValueError(f"a record file must be undamaged. Received: {where} ({error.message[:120]})") from error


def batches(uri: str, split: str, size: int = 4096) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Texts (object array of bytes) and labels (int64) of one split, in order, `size` rows at a time.

    Raises:
        ValueError: a record file is empty or damaged; the message names it and the place.
    """
    names = files(uri, split)
    for name in names:
        if os.path.getsize(name) == 0:
            raise ValueError(f"a record file must be undamaged. Received: {name}, which is empty")
    records = tf.data.TFRecordDataset(names, compression_type="GZIP").batch(size)
    try:
        parsed = records.map(lambda raw: tf.io.parse_example(raw, _FEATURES))
        for batch in untuned(parsed).as_numpy_iterator():
            yield batch["text"], batch["label"]
    except tf.errors.OpError as error:
        for name in names:
            for _ in raw_records(name):  # raises at the damage
                pass
        raise ValueError(f"records must hold text and label. Received: {names} ({error.message[:200]})") from error


def load(uri: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """A whole split: texts (object array of bytes, [rows]) and labels (int64, [rows])."""
    parts = list(batches(uri, split, 1 << 16))
    if not parts:
        return np.array([], dtype=object), np.array([], dtype=np.int64)
    return np.concatenate([texts for texts, _ in parts]), np.concatenate([labels for _, labels in parts])


def fresh_spans(uri: str) -> np.ndarray:
    """Days of the fresh rows, ISO dates, object[rows], in the rows' order; each day is held once. Empty where there are none."""
    days: dict[bytes, str] = {}
    spans = []
    for name in files(uri, FRESH) if Path(uri, f"Split-{FRESH}").is_dir() else ():
        for raw in raw_records(name):
            day = tf.train.Example.FromString(raw).features.feature["span"].bytes_list.value[0]
            spans.append(days.setdefault(day, day.decode()))
    return np.array(spans, object)


def split_names() -> str:
    """The value of an `Examples` artifact's `split_names` property."""
    return json.dumps(SPLITS)
