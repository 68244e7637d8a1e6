"""Writes a training's history for TensorBoard: `tensorboard --logdir` on any parent folder shows each training as a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

NAMES = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


def write(history: Sequence[Mapping[str, float]], folder: str | Path) -> None:
    """Writes each epoch's `NAMES` as scalars of that step, into one new event file in `folder`."""
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for epoch in history:
            for name in NAMES:
                tf.summary.scalar(name, epoch[name], step=epoch["epoch"])
    writer.close()
