"""For consumers: the champion of a line, loaded, checked and asked. Needs numpy and TensorFlow, nothing else of Newsdesk's.

    from pipelines.client import Client
    Client("news").classify(["Striker signs for United"])
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines import home, registry

BATCH = 512  # rows a call into the graph


class NoModel(Exception):
    """The line has no such version, or no champion yet."""


def find(line: str, version: int | None = None) -> tuple[int, Path]:
    """The version asked for, or the champion: its number and its folder, checked against its manifest.

    Raises:
        NoModel: there is none.
        registry.RegistryError: its files do not match its manifest.
    """
    if version is None:
        pointer = registry.champion(line)
        if not pointer:
            raise NoModel(f"line {line!r} must have a champion. Received: none yet; `make retrain` or `newsdesk retrain` makes one")
        version = pointer["version"]
    folder = home.serving_dir(line) / str(version)
    if not folder.is_dir():
        raise NoModel(f"a version must exist in line {line!r}. Received: version {version}; `newsdesk models` lists what there is")
    registry.verify(folder)
    return version, folder


class Client:
    """Answers with the champion of a line, or with one version of it; `refresh` follows the pointer."""

    def __init__(self, line: str, version: int | None = None):
        self.line, self.pinned = line, version
        self.version, folder = find(line, version)
        self._load(folder)

    def _load(self, folder: Path) -> None:
        import tensorflow as tf

        self.labels = tuple(home.read_json(folder / registry.MANIFEST)["labels"])
        model = tf.saved_model.load(str(folder))
        self._ask = lambda texts: model.signatures["classify"](text=tf.constant(texts))["probabilities"].numpy()

    def refresh(self) -> bool:
        """Loads the champion anew if the pointer moved; returns whether it did. The old one answers until the new one is loaded."""
        version, folder = find(self.line, self.pinned)
        if version == self.version:
            return False
        self._load(folder)
        self.version = version
        return True

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """float32[texts, classes], in the texts' order; rows go in by length, so that a batch is padded little."""
        raw = [text.encode("utf-8", "replace") for text in texts]
        answers = np.zeros((len(raw), len(self.labels)), np.float32)
        order = np.argsort([len(text) for text in raw], kind="stable")
        for start in range(0, len(raw), BATCH):
            rows = order[start : start + BATCH]
            answers[rows] = self._ask([raw[row] for row in rows])
        return answers

    def classify(self, texts: Sequence[str]) -> list[dict]:
        """One dict a text, in order: `label`, `label_id`, `probabilities` (by label order), `model_version`."""
        return [
            {
                "label": self.labels[int(row.argmax())],
                "label_id": int(row.argmax()),
                "probabilities": [round(float(p), 6) for p in row],
                "model_version": self.version,
            }
            for row in self.probabilities(texts)
        ]
