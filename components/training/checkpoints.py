"""The latest checkpoint of a training: written under another name, then renamed, so that what exists is complete."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras


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
        shutil.rmtree(final, ignore_errors=True)
        aside.rename(final)
        for other in self._existing():
            if other != final:
                shutil.rmtree(other, ignore_errors=True)

    def restore(self) -> tuple[list[dict], list[np.ndarray]]:
        """(history, best weights) of this training's checkpoint, its state loaded; two empty lists when there is none."""
        for folder in self._existing():
            state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            if state["fingerprint"] != self.fingerprint:
                continue
            self.checkpoint.read(str(folder / "training")).assert_existing_objects_matched()
            with np.load(folder / "best.npz", allow_pickle=False) as saved:
                return state["history"], [saved[name] for name in sorted(saved.files)]
        return [], []

    def _existing(self) -> list[Path]:
        folders = [path for path in self.folder.glob("epoch-*") if path.name[6:].isdigit()]
        return sorted(folders, key=lambda path: int(path.name[6:]), reverse=True)
