"""Warm start from the champion: its vocabulary and weights, for a candidate of the same family and network.

The exported folder holds both: the weights in the SavedModel, the vocabulary and the settings of the network in `assets.extra/`,
which TensorFlow Serving does not read.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from components.core import fileio
from components.registry.manifest import MANIFEST
from components.training.calibration import FITTED

FOLDER, BUILT = "assets.extra", "newsdesk.json"


def note(model_dir: Path, family: str, network: Mapping) -> Path:
    """Writes family and network settings into an exported model; returns the folder, where its vocabulary belongs as well."""
    folder = Path(model_dir, FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BUILT).write_text(json.dumps({"family": family, "network": dict(network)}, sort_keys=True))
    return folder


def incompatibility_reason(
    model_dir: Path, family: str, network: Mapping, labels: Sequence[str] | None = None
) -> str | None:
    """Why a candidate cannot start from this version; None where it can. labels: of the candidate; None where only words matter."""
    try:
        built = json.loads(Path(model_dir, FOLDER, BUILT).read_text())
    except FileNotFoundError:
        return "the champion's folder does not hold its settings"
    if built["family"] != family:
        return f"the champion is of the family {built['family']}"
    other = sorted(key for key in {*network, *built["network"]} if network.get(key) != built["network"].get(key))
    # The tokens themselves decide a table's size, and dropout has no weights.
    other = [key for key in other if key != "vocabulary" and "dropout" not in key]
    if other:
        return f"the champion's network has another {', '.join(other)}"
    if labels is None:
        return None
    known = (fileio.read_json(Path(model_dir, MANIFEST)) or {}).get("labels") or []
    # Another order would raise no error, and each class would start from the weights of another one.
    return f"the champion has other labels, {', '.join(known) or 'unknown ones'}" if known != list(labels) else None


def weights(model_dir: Path) -> list[np.ndarray]:
    """The model's weights in the network's order, without those that are fitted after each training."""
    loaded = tf.saved_model.load(str(model_dir)).weights
    return [weight.numpy() for weight in loaded if not weight.name.startswith(FITTED)]


def merged(fresh: Sequence[np.ndarray], old: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The champion's weights in the shapes of a new network; rows that it lacks (new tokens) keep the new network's values.

    Raises ValueError when the two are not one network.
    """
    if len(fresh) != len(old):
        raise ValueError(f"A warm start needs as many weights. Received: {len(old)} for {len(fresh)}")
    result = []
    for new, known in zip(fresh, old, strict=True):
        if new.shape[1:] != known.shape[1:] or new.ndim != known.ndim or (new.ndim and len(new) < len(known)):
            raise ValueError(f"A warm start needs weights that fit. Received: {known.shape} for {new.shape}")
        filled = new.copy()
        filled[: len(known) if new.ndim else ...] = known
        result.append(filled)
    return result
