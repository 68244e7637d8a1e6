"""The rows that a released version has learned from, as hashes: what it has seen must not judge it.

`rows.npy`, sorted uint64[rows], one `text_cleaning.row_key` a row of the train and eval splits (eval chose the epoch). The Ingester writes
it beside its account, the Registrar keeps it with the version, ModelGate takes test rows found there out of the comparison.
8 bytes a row: 0.5 MB for 63,000.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from components.core import fileio, paths
from components.data.rows import Rows
from components.data.text_cleaning import row_key

FILE = "rows.npy"


def place(line: str, version: int) -> Path:
    """Where the registry keeps the list of a version."""
    return paths.registry_dir(line) / "versions" / f"{int(version)}.{FILE}"


def save(path: Path, hashes: Iterable[int]) -> None:
    """Writes 64-bit hashes, each once, atomically and durably."""
    with fileio.replacing(path) as file:
        np.save(file, np.unique(np.fromiter(hashes, np.uint64)), allow_pickle=False)


def save_sorted(path: Path, parts: Iterable[np.ndarray], rows: int) -> None:
    """As `save`, of hashes that are sorted and different already, uint64, some at a time. rows: their number."""
    with fileio.replacing(path) as file:
        shape = {"descr": "<u8", "fortran_order": False, "shape": (rows,)}
        np.lib.format.write_array_header_1_0(file, shape)
        for part in parts:
            file.write(part.astype("<u8").tobytes())


def load(path: Path) -> np.ndarray | None:
    """The hashes, uint64[rows], sorted; None where there is no whole list."""
    try:
        hashes = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if hashes.dtype != np.uint64 or hashes.ndim != 1 or not (hashes[1:] > hashes[:-1]).all():
        return None
    return hashes


def keys_of(rows: Rows) -> np.ndarray:
    """uint64[rows]: `text_cleaning.row_key` of each text."""
    return np.fromiter(map(row_key, rows.plain()), np.uint64, len(rows))


def among(keys: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """bool[rows]: which rows, by `text_cleaning.row_key` (uint64[rows]), are in a list; both may be long, the list is sorted."""
    if not len(learned):
        return np.zeros(len(keys), bool)
    return learned[np.minimum(np.searchsorted(learned, keys), len(learned) - 1)] == keys


def fair(keys: np.ndarray, manifests: dict[str, dict]) -> tuple[np.ndarray, dict[str, int], list[str]]:
    """Which test rows no other model learned from: bool[rows], rows taken out by model, and models that keep no list.

    keys: uint64[rows], `text_cleaning.row_key` of the test rows; manifests: of the served models by name.
    """
    kept, taken, unlisted = np.ones(len(keys), bool), {}, []
    for name, manifest in manifests.items():
        known = load(place(manifest["line"], manifest["version"]))
        if known is None:
            # Whoever saw the rows before only looks better for it, so the candidate has the harder test, not the easier one.
            unlisted.append(name)
            continue
        seen = among(keys, known)
        taken[name] = int(seen.sum())
        kept &= ~seen
    return kept, taken, unlisted
