"""Answers of a model to rows in a stream, in batches of texts of like length."""

from collections.abc import Callable

import numpy as np

from components.data.rows import Rows

BATCH = 512
WINDOW = 1 << 16  # rows that are held and sorted by length at a time


def answers(ask: Callable[[np.ndarray], np.ndarray], rows: Rows, classes: int, batch: int = BATCH) -> np.ndarray:
    """float32[rows, classes]: what `ask` says of object[up to batch] of bytes, in the order of the rows.

    Texts of like length need little padding; answers must not depend on it.
    """
    found, start = np.zeros((len(rows), classes), np.float32), 0
    for texts in rows.texts(WINDOW):
        order = np.argsort([len(text) for text in texts], kind="stable")
        for at in range(0, len(order), batch):
            own = order[at : at + batch]
            found[start + own] = ask(texts[own])
        start += len(texts)
    return found
