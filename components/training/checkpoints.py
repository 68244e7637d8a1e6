"""The latest checkpoint of a training: written under another name, then renamed, so that what exists is complete."""

import json
import os
import shutil
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras

from components.core import fileio

# What the readers of a damaged checkpoint raise. Not Exception: a signal that ends the node must not remove a good one.
_DAMAGE = (
    OSError, EOFError, ValueError, LookupError, TypeError, AssertionError, zipfile.BadZipFile, zlib.error, tf.errors.OpError,
)  # fmt: skip


class Store:
    """Keeps the latest epoch of the training that `fingerprint` names; another training's checkpoint is replaced.

    A checkpoint is a folder `epoch-<n>`: TensorFlow's checkpoint of model and optimizer, the best weights so far, and
    `state.json` with the history.
    """

    def __init__(
        self,
        folder: str | Path,
        fingerprint: str,
        model: tf_keras.Model,
        optimizer: tf_keras.optimizers.Optimizer,
    ):
        self.folder, self.fingerprint = Path(folder), fingerprint
        self.model, self.optimizer = model, optimizer
        self.checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)

    def save(self, history: list[dict], best: list[np.ndarray]) -> None:
        """Writes the state after `len(history)` epochs and removes older ones."""
        self.folder.mkdir(parents=True, exist_ok=True)
        final = self.folder / f"epoch-{len(history)}"
        aside = self.folder / f"writing-{os.getpid()}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        self.checkpoint.write(str(aside / "training"))
        np.savez(aside / "best.npz", **{f"w{number:04d}": weights for number, weights in enumerate(best)})
        state = {"fingerprint": self.fingerprint, "history": history}
        (aside / "state.json").write_text(json.dumps(state), encoding="utf-8")
        for path in (*aside.iterdir(), aside):
            fileio.sync(path)
        shutil.rmtree(final, ignore_errors=True)
        aside.rename(final)
        fileio.sync(self.folder)
        for other in self._existing():
            if other != final:
                shutil.rmtree(other, ignore_errors=True)

    def restore(self) -> tuple[list[dict], list[np.ndarray]]:
        """(history, best weights) of this training's checkpoint, its state loaded; two empty lists when there is none.

        A damaged checkpoint is removed, and leaves model and optimizer as they were.
        """
        variables = [*self.model.variables, *self.optimizer.variables]
        for folder in self._existing():
            before = [variable.numpy() for variable in variables]
            try:
                state = fileio.read_json(folder / "state.json")
                if state["fingerprint"] != self.fingerprint:
                    continue
                with np.load(folder / "best.npz", allow_pickle=False) as saved:
                    history, best = state["history"], [saved[name] for name in sorted(saved.files)]
                self.checkpoint.read(str(folder / "training")).assert_existing_objects_matched()
                return history, best
            except _DAMAGE as error:
                print(
                    f"the checkpoint {folder} cannot be read and is removed; the training starts again without it: "
                    f"{type(error).__name__}: {str(error)[:300]}",
                    file=sys.stderr,
                )
                for variable, value in zip(variables, before):
                    variable.assign(value)
                shutil.rmtree(folder, ignore_errors=True)
        return [], []

    def _existing(self) -> list[Path]:
        folders = [path for path in self.folder.glob("epoch-*") if path.name[6:].isdigit()]
        return sorted(folders, key=lambda path: int(path.name[6:]), reverse=True)
