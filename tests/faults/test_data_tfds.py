"""A prepared TFDS data set is read like any source; a damaged file of it stops the run with file, record and byte."""

import json
from pathlib import Path

import pytest
from data_kit import AS_OF, FORM, articles

from components import ingester
from components.data import sources
from components.data.row_format import BadRow
from components.data.sources import SourceError

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore")]  # warnings are TFDS's own


@pytest.fixture
def prepared(newsdesk_home, monkeypatch):
    """A data set in TFDS's own form under the state folder, with 40 train and 12 test rows; labels from 0."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict(
        {"title": tfds.features.Text(), "description": tfds.features.Text(), "label": tf.int64}
    )

    def rows(count, seed):
        return [{"title": t, "description": d, "label": n - 1} for n, t, d in articles(count, seed)]

    builder = tfds.dataset_builders.store_as_tfds_dataset(
        name="tiny_news", version="1.0.0", features=features, data_dir=newsdesk_home / "tfds",
        split_datasets={
            "train": list(enumerate(rows(40, 1))),
            "test": list(enumerate([*rows(12, 2), {"title": "odd", "description": "label", "label": 9}])),
        },
        disable_shuffling=True,
    )  # fmt: skip
    monkeypatch.setattr(tfds, "builder", lambda name, data_dir: builder)
    return Path(builder.data_dir)


def test_its_labels_count_from_0_and_its_splits_stay(prepared):
    files = [f.to_json() for f in sources.resolve("tfds:tiny_news", "all", AS_OF)[0]]
    assert [f["split"] for f in files] == ["train", "test"]
    train, test = (list(ingester.read_file(f, FORM)) for f in files)
    assert [(r.label, r.title) for r in train] == [(n - 1, t) for n, t, _ in articles(40, 1)]
    assert isinstance(test[-1], BadRow) and (test[-1].line, test[-1].column, test[-1].value) == (13, "label", "9")


@pytest.mark.parametrize(
    "damage, told", [("flip", "record 21 at byte"), ("cut", "record 40 at byte"), ("empty", "is empty")]
)
def test_a_damaged_file_is_refused_with_the_place(prepared, damage, told):
    path = next(prepared.glob("*-train.tfrecord*"))
    content, at = bytearray(path.read_bytes()), 0
    for _ in range(20):
        at += int.from_bytes(content[at : at + 8], "little") + 16
    content[at + 20] ^= 1 if damage == "flip" else 0
    path.write_bytes({"flip": bytes(content), "cut": bytes(content[:-5]), "empty": b""}[damage])
    file = json.loads(json.dumps(sources.resolve("tfds:tiny_news", "all", AS_OF)[0][0].to_json()))
    with pytest.raises(SourceError, match="a record file must be undamaged") as error:
        list(ingester.read_file(file, FORM))
    assert str(path) in str(error.value) and told in str(error.value)
