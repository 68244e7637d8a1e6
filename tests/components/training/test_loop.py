"""Training, batches, checkpoints and curves, whatever the family."""

import record_kit

import components  # noqa: F401, it sets what TensorFlow reads at its own import

# isort: split
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.data import rows
from components.models import family
from components.training import batching, checkpoints, export, loop
from pipelines.config.presets import TRAINING
from pipelines.reports import learning_curves

NETWORK = {
    "vocabulary": 30,
    "length": 6,
    "width": 4,
    "buckets": 16,
    "pair_width": 4,
    "dropout": 0.2,
    "word_dropout": 0.1,
}
QUICK = {**TRAINING, "epochs": 2, "batch_size": 8, "learning_rate": 0.05, "patience": 9}
TEXTS = np.array([b"goal coach", b"shares profit", b"goal season", b"oil shares bank"] * 8, dtype=object)
IDS = np.array([0, 1, 0, 1] * 8, dtype=np.int64)


def fit(workdir, settings=None, report=lambda *_: None, train=(TEXTS, IDS), seed=3):
    bag = family("bag")
    tokens = bag.build_vocabulary(tf.data.Dataset.from_tensors(TEXTS), NETWORK)
    eval_rows = (TEXTS[:4], IDS[:4])
    return loop.fit(bag, tokens, NETWORK, {**QUICK, **(settings or {})}, seed, train, eval_rows, 2, workdir, report)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """(model, tokenizer, history, reports, work folder) of one training."""
    folder, calls = tmp_path_factory.mktemp("fitted"), []
    return *fit(folder, report=lambda *call: calls.append(call)), calls, folder


def test_ids_are_stored_compactly_and_padded_to_the_longest_row():
    bag = family("bag")
    tokenizer = bag.build_tokenizer(["", "[UNK]", "goal", "coach"], NETWORK)
    encoded = batching.encode(tokenizer, np.array([b"goal", b"Coach, coach! nobody", b""], dtype=object))
    assert encoded.numbers["ids"].dtype == np.uint16 and encoded.numbers["ids"].tolist() == [2, 3, 3, 1, 0]
    assert encoded.sizes.tolist() == [1, 3, 1]
    assert encoded.batch(np.array([1, 0, 2]))["ids"].tolist() == [[3, 3, 1], [2, 0, 0], [0, 0, 0]]
    assert encoded.batch(np.array([2, 0]))["ids"].tolist() == [[0], [2]]


def test_ids_that_do_not_fit_are_stored_wider_those_before_them_too(tmp_path, monkeypatch):
    monkeypatch.setattr(batching, "TEXTS_PER_CALL", 2)
    monkeypatch.setattr(batching, "_COPIED", 3)
    ids_of = [[65_535, 3], [4, 0], [70_000, 1], [2, 65_536]]

    def tokenizer(texts):
        ids = tf.gather(tf.constant(ids_of), tf.strings.to_number(texts, tf.int32))
        return {"ids": ids, "small": tf.minimum(ids, 9)}

    encoded = batching.encode(tokenizer, np.array([b"0", b"1", b"2", b"3"], object), tmp_path)
    assert (encoded.numbers["ids"].dtype, encoded.numbers["small"].dtype) == (np.int32, np.uint16)
    batch = encoded.batch(np.arange(4))
    assert batch["ids"].tolist() == ids_of and batch["small"].tolist() == [[9, 3], [4, 0], [9, 1], [2, 9]]
    assert isinstance(encoded.numbers["ids"], np.memmap) and not list(tmp_path.iterdir())


def test_a_training_reads_its_rows_from_record_files_and_leaves_only_its_checkpoint(fitted, tmp_path):
    with record_kit.Writer(tmp_path / "examples") as writer:
        for text, label in zip(TEXTS, IDS, strict=True):
            writer.write("train", text.decode(), int(label))
    streamed, _, history = fit(tmp_path / "work", train=rows.from_split(str(tmp_path / "examples"), "train"))
    assert [row["loss"] for row in history] == [row["loss"] for row in fitted[2]]
    for ours, theirs in zip(streamed.get_weights(), fitted[0].get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["epoch-2"]


def test_the_vocabulary_is_counted_on_cleaned_words_most_frequent_first():
    texts = tf.data.Dataset.from_tensors(
        np.array([b"U.S. u.s. &lt;b&gt;Oil&lt;/b&gt;", b"oil #39;s U.S. $5"], dtype=object)
    )
    assert family("bag").build_vocabulary(texts, {"vocabulary": 4}) == ["", "[UNK]", "us", "oil"]


def test_an_epoch_takes_every_row_once_in_an_order_its_seed_decides():
    sizes = np.random.default_rng(0).integers(1, 50, 1003)
    first, again, other = (batching.shuffled(sizes, 10, seed) for seed in (1, 1, 2))
    assert sorted(np.concatenate(first)) == list(range(1003))
    assert len(first) == 101
    assert [rows.tolist() for rows in first] == [rows.tolist() for rows in again]
    assert [rows.tolist() for rows in first] != [rows.tolist() for rows in other]


def test_batches_hold_rows_of_alike_length():
    sizes = np.random.default_rng(0).integers(1, 50, 3200)
    spread = [sizes[rows].max() - sizes[rows].min() for rows in batching.shuffled(sizes, 100, 1)]
    assert np.mean(spread) < 5


def test_progress_is_reported_within_and_after_each_epoch(fitted):
    _, _, history, calls, _ = fitted
    assert [call[0] for call in calls] == [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    assert all(call[1] == 2 and call[3] > 0 and np.isfinite(call[2]["loss"]) for call in calls)
    assert [call[2]["val_accuracy"] for call in calls if call[0] in (1, 2)] == [row["val_accuracy"] for row in history]


def test_the_rate_warms_up_peaks_and_ends_at_zero_counted_in_real_steps():
    optimizer = loop._optimizer({**QUICK, "warmup": 0.25}, steps=8)
    rate = optimizer._learning_rate
    assert [float(rate(step)) for step in (0, 1, 2)] == pytest.approx([0.0, 0.025, 0.05])
    assert float(rate(5)) == pytest.approx(0.025)
    assert float(rate(8)) == pytest.approx(0.0, abs=1e-9)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(fitted, tmp_path):
    first, again, other = fitted[0], fit(tmp_path / "again")[0], fit(tmp_path / "other", seed=4)[0]
    for ours, theirs in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert any(not np.allclose(a, b) for a, b in zip(first.get_weights(), other.get_weights(), strict=True))


def test_bfloat16_trains_and_what_is_returned_computes_in_float32(tmp_path):
    model, tokenizer, history = fit(tmp_path, {"precision": "bfloat16", "epochs": 4})
    assert {layer.compute_dtype for layer in model.layers} <= {"float32", "int32"}
    assert history[-1]["val_accuracy"] == 1.0
    assert loop.scores(loop.logits(model, batching.encode(tokenizer, TEXTS)), IDS)["val_accuracy"] == 1.0


def test_an_unknown_precision_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Received: precision='float8'"):
        fit(tmp_path, {"precision": "float8"})


def test_label_smoothing_raises_the_lowest_loss_there_can_be(fitted, tmp_path):
    *_, history = fit(tmp_path, {"label_smoothing": 0.8})
    # Entropy of the target (0.6, 0.4) in nats.
    assert history[-1]["loss"] >= 0.673 > fitted[2][-1]["loss"]


def test_training_stops_when_validation_no_longer_improves(tmp_path):
    *_, history = fit(tmp_path, {"epochs": 30, "patience": 2, "learning_rate": 0.0})
    # With nothing learned the first epoch stays the best.
    assert len(history) == 3


def test_a_loss_that_is_no_number_ends_the_training_with_a_remedy(tmp_path):
    with pytest.raises(FloatingPointError, match=r"learning_rate.*Received: loss=nan in epoch 1"):
        fit(tmp_path, {"learning_rate": float("nan"), "warmup": 0.0})


def test_labels_out_of_range_and_empty_splits_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"0\.\.1.*Received: train from 0 to 5"):
        fit(tmp_path, train=(TEXTS[:2], np.array([0, 5])))
    with pytest.raises(ValueError, match="Received: train=0"):
        fit(tmp_path, train=(TEXTS[:0], IDS[:0]))


def test_a_finished_training_is_not_repeated(fitted):
    done, _, _, _, folder = fitted
    calls = []
    again, _, history = fit(folder, report=lambda *call: calls.append(call))
    assert calls == [] and len(history) == 2
    for ours, theirs in zip(again.get_weights(), done.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_another_training_s_checkpoint_is_not_resumed_but_replaced(fitted, tmp_path):
    shutil.copytree(fitted[4] / "epoch-2", tmp_path / "epoch-2")
    calls = []
    fit(tmp_path, {"learning_rate": 0.01, "epochs": 1}, report=lambda *call: calls.append(call))
    assert (calls[0][0], calls[-1][0]) == (0.25, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-1"]


def test_a_checkpoint_that_was_not_finished_is_ignored(fitted, tmp_path):
    shutil.copytree(fitted[4] / "epoch-2", tmp_path / "writing-1")
    calls = []
    fit(tmp_path, report=lambda *call: calls.append(call))
    assert calls[0][0] == 0.25


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("name", ["state.json", "best.npz", "training.index", "training.data-00000-of-00001"])
@pytest.mark.parametrize("damage", [truncated, Path.unlink])
def test_a_damaged_checkpoint_is_removed_and_the_training_starts_anew(fitted, tmp_path, capsys, name, damage):
    shutil.copytree(fitted[4] / "epoch-2", tmp_path / "epoch-2")
    damage(tmp_path / "epoch-2" / name)
    calls = []
    model, _, history = fit(tmp_path, report=lambda *call: calls.append(call))
    assert calls[0][0] == 0.25 and len(history) == 2
    for ours, whole in zip(model.get_weights(), fitted[0].get_weights(), strict=True):
        np.testing.assert_array_equal(ours, whole)
    assert f"the checkpoint {tmp_path / 'epoch-2'} cannot be read and is removed" in capsys.readouterr().err


def test_an_earlier_epoch_s_checkpoint_is_used_where_the_latest_is_damaged(fitted, tmp_path):
    shutil.copytree(fitted[4] / "epoch-2", tmp_path / "epoch-2")
    shutil.copytree(fitted[4] / "epoch-2", tmp_path / "epoch-3")
    truncated(tmp_path / "epoch-3" / "best.npz")
    calls = []
    fit(tmp_path, report=lambda *call: calls.append(call))
    assert calls == [] and [path.name for path in tmp_path.iterdir()] == ["epoch-2"]


def test_a_checkpoint_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(checkpoints.fileio, "sync", lambda path: done.append(Path(path).name))
    monkeypatch.setattr(Path, "rename", lambda self, target: (done.append("rename"), os.rename(self, target)))
    fit(tmp_path, {"epochs": 1})
    before = done[: done.index("rename")]
    assert {"state.json", "best.npz", "training.index"} < set(before) and before[-1] == f"writing-{os.getpid()}"
    assert done[-1] == tmp_path.name


def test_the_loss_is_the_cross_entropy_in_nats():
    answers = np.log(np.array([[0.9, 0.1], [0.2, 0.8]], np.float32))
    scores = loop.scores(answers, np.array([0, 0]))
    assert scores["val_loss"] == pytest.approx(-(np.log(0.9) + np.log(0.2)) / 2, rel=1e-6)
    assert scores["val_accuracy"] == 0.5


def test_history_is_json_and_becomes_a_picture_that_marks_the_kept_epoch(fitted):
    history = fitted[2]
    drawn = learning_curves.curves(json.loads(json.dumps(history)))
    assert drawn["kept"] == loop.best_epoch(history)["epoch"] and "<svg" in drawn["loss"]
    assert json.loads(json.dumps(history)) == history


def test_an_export_with_the_wrong_number_of_labels_is_refused(fitted, tmp_path):
    model, tokenizer, *_ = fitted
    with pytest.raises(ValueError, match=r"one label a class \(2\). Received: labels=\['A'\]"):
        export.export(tmp_path / "model", tokenizer, model, ["A"])


def test_an_export_answers_in_a_process_that_has_tensorflow_and_nothing_of_ours(tmp_path):
    model, tokenizer, _ = fit(tmp_path / "work", {"epochs": 10})
    export.export(tmp_path / "model", tokenizer, model, ["Sports", "Business"])
    code = (
        "import sys, tensorflow as tf\n"
        "model = tf.saved_model.load(sys.argv[1])\n"
        "print(model.signatures['classify'](text=tf.constant(['goal', 'oil shares']))['label'].numpy().tolist())\n"
        "assert not any(name.split('.')[0] in ('components', 'pipelines', 'tensorflow_text') for name in sys.modules)\n"
    )
    shown = subprocess.run(
        [sys.executable, "-I", "-c", code, str(tmp_path / "model")],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert shown.stdout.strip() == "[b'Sports', b'Business']"
    assert export.predict(tmp_path / "model", ["goal", "oil shares"]).argmax(axis=1).tolist() == [0, 1]
