"""A frozen encoder's outputs for the rows, computed once and cached by content, so that only a head has to be trained."""

import hashlib
import json
import time
from collections.abc import Mapping

import numpy as np
import tf_keras

from components.core import fileio, paths, progress
from components.training import batching

# A family's settings that do not change its body: heads with other values use the same features.
HEAD = ("hidden", "dropout", "word_dropout", "encoder_dropout")
BATCH = 64
REPORTS = 20


def frozen(model: tf_keras.Model) -> tuple[tf_keras.Model, tf_keras.Model] | None:
    """(body, head) of a model that consists of these two and whose body has no trainable weights, else None."""
    parts = {layer.name: layer for layer in model.layers}
    if not {"body", "head"} <= set(parts) or parts["body"].trainable_weights:
        return None
    return parts["body"], parts["head"]


def of(body: tf_keras.Model, arrays: Mapping[str, np.ndarray], network: Mapping) -> dict[str, np.ndarray]:
    """`{"features": float32[rows, width]}` of encoded rows, from NEWSDESK_HOME/cache/features where they are cached.

    The key is a hash of the body's weights, its precision, its settings and the rows.
    """
    path = paths.home() / "cache" / "features" / f"{_key(body, arrays, network)}.npy"
    if path.is_file():
        return {"features": np.load(path, allow_pickle=False)}
    sizes = batching.lengths(arrays)
    batches = batching.by_length(sizes, BATCH)
    answers = np.empty((len(sizes), body.output_shape[-1]), np.float32)
    started, reported, clock = time.monotonic(), 0, progress.Clock()
    for number, (rows, inputs) in enumerate(zip(batches, batching.dataset(arrays, sizes, batches, None), strict=True)):
        answers[rows] = body.predict_on_batch(inputs)
        if number * REPORTS // len(batches) > reported:
            reported = number * REPORTS // len(batches)
            done = number * BATCH
            rate = done / (time.monotonic() - started)
            left = clock.seconds_left(done, len(sizes))
            progress.write(stage="features", done=done, total=len(sizes), rows_per_second=rate, seconds_left=left)
            print(f"features of {done:,} of {len(sizes):,} rows ({rate:,.0f} rows/s)", flush=True)
    with fileio.replacing(path) as file:
        np.save(file, answers)
    return {"features": answers}


def _key(body: tf_keras.Model, arrays: Mapping[str, np.ndarray], network: Mapping) -> str:
    settings = {name: value for name, value in network.items() if name not in HEAD}
    digest = hashlib.sha256(json.dumps([settings, body.layers[-1].compute_dtype], sort_keys=True).encode())
    for weights in body.get_weights():
        digest.update(np.ascontiguousarray(weights).tobytes())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].shape} {arrays[name].dtype}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
