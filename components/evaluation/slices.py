"""Parts of the test rows on which a model must hold as well as on the whole: each class, and short, middle and long texts."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from components.data.rows import Rows


class Slice(NamedTuple):
    """kind: "class" or "length", which decides the limit (`gates.class_margin`, `gates.length_margin`). rows: bool[rows]. label: the class's id, -1 of a length."""

    name: str
    kind: str
    rows: np.ndarray
    label: int = -1


def slices(truth: np.ndarray, words: np.ndarray, labels: Sequence[str]) -> list[Slice]:
    """The slices that hold rows. truth: int64[rows]; words: int64[rows], words of each text, split at blanks.

    Lengths are cut at the terciles of these rows, so that each third has rows enough to test, whatever the line's texts are
    like; their bounds stand in the names. Where many texts are of one length there are fewer parts.
    """
    parts = [Slice(label, "class", truth == label_id, label_id) for label_id, label in enumerate(labels)]
    if len(words):
        low, high = (int(cut) for cut in np.quantile(words, (1 / 3, 2 / 3), method="inverted_cdf"))
        parts += [
            Slice(f"up to {low} words", "length", words <= low),
            Slice(f"{low + 1} to {high} words", "length", (words > low) & (words <= high)),
            Slice(f"over {high} words", "length", words > high),
        ]
    return [part for part in parts if part.rows.any()]


def words_in(rows: Rows) -> np.ndarray:
    """int64[rows]: words of each text, split at blanks."""
    return np.fromiter((len(text.split()) for texts in rows.texts() for text in texts), np.int64, len(rows))
