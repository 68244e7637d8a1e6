"""TensorBoard's events of a training, read back as TensorBoard reads them."""

from pathlib import Path

import pytest
import tensorflow as tf

from components.training import tensorboard

HISTORY = [
    {"epoch": 1, "loss": 1.25, "accuracy": 0.5, "val_loss": 1.5, "val_accuracy": 0.625, "learning_rate": 0.002, "seconds": 9.0},
    {"epoch": 2, "loss": 0.75, "accuracy": 0.75, "val_loss": 1.0, "val_accuracy": 0.875, "learning_rate": 0.0, "seconds": 8.0},
]  # fmt: skip


def read(folder) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of each scalar of the one event file in a folder, by name."""
    (path,) = Path(folder).iterdir()
    series: dict[str, list[tuple[int, float]]] = {}
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        event = tf.compat.v1.Event.FromString(record)
        for value in event.summary.value:
            series.setdefault(value.tag, []).append((event.step, float(tf.make_ndarray(value.tensor))))
    return series


def test_each_epoch_s_scalars_are_read_back_at_its_step(tmp_path):
    tensorboard.write(HISTORY, tmp_path / "tensorboard")
    series = read(tmp_path / "tensorboard")
    assert sorted(series) == sorted(["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"])
    for name, points in series.items():
        assert points == [(row["epoch"], pytest.approx(row[name])) for row in HISTORY]
