"""Baseline and Tokenizer take the train rows in a stream: from several files, and never the whole split at once."""

import json
from pathlib import Path

import numpy as np
import pytest
import record_kit
from tfx.types.standard_artifacts import Examples, Model
from tfx.utils import path_utils

from components import baseline, tokenizer
from components.artifacts import Vocabulary
from components.data import tfrecords as records
from components.training import export, run_fn, vocabulary
from pipelines.config.presets import PRESETS
from pipelines.config.run_config import LABELS

WORDS = ("war treaty", "goal match", "bank profit", "chip orbit")


@pytest.fixture
def examples(tmp_path, monkeypatch):
    """80 train and 8 eval rows; whoever asks for a whole split fails."""
    found = Examples()
    found.uri = str(tmp_path / "examples")
    with record_kit.Writer(found.uri) as writer:
        for at in range(88):
            writer.write("train" if at < 80 else "eval", f"{WORDS[at % 4]} {at % 7}", at % 4)

    def refuse(uri, split):
        raise AssertionError(f"the split {split} was read as a whole")

    monkeypatch.setattr(records, "load", refuse)
    return found


def test_the_baseline_learns_its_rows_without_holding_a_split(examples, tmp_path):
    model, preset = Model(), PRESETS["linear"]
    model.uri = str(tmp_path / "model")
    baseline.Baseline.test_call(
        family="linear", network=json.dumps(dict(preset.network)), training=json.dumps(dict(preset.training)),
        labels=json.dumps(LABELS), seed=1, code="", examples=examples, model=model,
    )  # fmt: skip
    answers = export.predict(path_utils.serving_model_dir(model.uri), [words.encode() for words in WORDS])
    assert answers.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert model.get_string_custom_property("headline").startswith("80 rows, 1 epochs, validation accuracy 1.0000")
    assert not Path(model.uri, "checkpoints").exists()


def test_the_vocabulary_is_counted_without_holding_a_split(examples, tmp_path):
    made = Vocabulary()
    made.uri = str(tmp_path / "vocabulary")
    Path(made.uri).mkdir()
    tokenizer.Tokenizer.test_call(
        family="bag", network=json.dumps(dict(PRESETS["bag"].network)), policy="rebuild", before="null", code="",
        examples=examples, vocabulary=made,
    )  # fmt: skip
    assert {"war", "treaty", "orbit"} <= set(vocabulary.load(made.uri))


def test_a_model_fitted_on_a_sample_says_so():
    epoch = {"epoch": 1, "val_accuracy": 0.5, "val_loss": 1.0, "sampled": 200_000}
    history = {"epochs": [epoch], "rows": 6_000_000, "seconds": 9.0, "start": ""}
    assert run_fn.headline(history).startswith("6,000,000 rows (fitted on a sample of 200,000), 1 epochs")
    assert "sample" not in run_fn.headline({**history, "epochs": [{k: v for k, v in epoch.items() if k != "sampled"}]})


def test_a_damaged_train_file_is_named_before_anything_is_learned(examples):
    (file,) = records.files(examples.uri, "train")
    Path(file).write_bytes(np.random.default_rng(0).bytes(100))
    with pytest.raises(ValueError, match=r"undamaged.*data_tfrecord"):
        run_fn.train("linear", [], {}, {}, 1, list(LABELS), examples.uri, Path(""), Path(""))
