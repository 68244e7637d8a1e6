"""The answers of a model on given rows, scored once and kept by content."""

import contextlib
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.core import fileio, paths
from components.data import rows as streams
from components.data.rows import Rows
from components.training import export


class ScoredModel(NamedTuple):
    """A model that is asked. places: of the labels that the answers are compared by among its own, as `manifest.label_places`
    gives them; None where it has the same ones in the same order."""

    folder: Path
    digest: str
    places: Sequence[int] | None = None

    def answers(self, texts: Rows | np.ndarray) -> np.ndarray:
        """As `predictions`, the classes in the order of those labels."""
        found = predictions(self.folder, self.digest, texts)
        return found if self.places is None else found[:, self.places]


def predictions(model_dir: Path, digest: str, texts: Rows | np.ndarray) -> np.ndarray:
    """Probabilities float32[rows, classes], scored once for each pair of model content and test rows.

    texts: `Rows`, read in a stream, or object[rows] of bytes.

    What an earlier attempt left behind counts only if it is whole: a zip file checks its own sums.
    """
    rows = streams.of(texts)
    kept = paths.home() / "predictions" / f"{digest[:32]}-{rows.digest[:32]}.npz"
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        with np.load(kept, allow_pickle=False) as file:
            answers = file["probabilities"]
        if answers.shape[0] == len(rows):
            return answers
    answers = export.predict(model_dir, rows)
    with fileio.replacing(kept) as file:
        np.savez(file, probabilities=answers)
    return answers
