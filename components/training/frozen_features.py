"""A frozen encoder's outputs for the rows, computed once and cached by content in a file, so that only a head has to be trained."""

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


def of(body: tf_keras.Model, encoded: batching.Encoded, network: Mapping) -> batching.Features:
    """`features` of encoded rows, from NEWSDESK_HOME/cache/features where they are cached.

    The key is a hash of the body's weights, its precision, its settings and the rows.
    """
    path = paths.home() / "cache" / "features" / f"{_key(body, encoded, network)}.npy"
    if not path.is_file():
        with fileio.replacing(path) as file:
            np.save(file, _computed(body, encoded))
    return batching.Features("features", np.load(path, mmap_mode="r", allow_pickle=False))


def _computed(body: tf_keras.Model, encoded: batching.Encoded) -> np.ndarray:
    """float32[rows, width], in a file without a name."""
    sizes = encoded.sizes
    batches = batching.by_length(sizes, BATCH)
    file = fileio.nameless(paths.home() / "cache" / "features")
    answers = np.memmap(file, np.float32, "w+", shape=(len(sizes), body.output_shape[-1]))
    started, reported, clock = time.monotonic(), 0, progress.Clock()
    for number, (rows, inputs) in enumerate(zip(batches, batching.dataset(encoded, batches), strict=True)):
        answers[rows] = body.predict_on_batch(inputs)
        if number * REPORTS // len(batches) > reported:
            reported = number * REPORTS // len(batches)
            done = number * BATCH
            rate = done / (time.monotonic() - started)
            left = clock.seconds_left(done, len(sizes))
            progress.write(stage="features", done=done, total=len(sizes), rows_per_second=rate, seconds_left=left)
            print(f"features of {done:,} of {len(sizes):,} rows ({rate:,.0f} rows/s)", flush=True)
    return answers


def _key(body: tf_keras.Model, encoded: batching.Encoded, network: Mapping) -> str:
    settings = {name: value for name, value in network.items() if name not in HEAD}
    digest = hashlib.sha256(json.dumps([settings, body.layers[-1].compute_dtype], sort_keys=True).encode())
    for weights in body.get_weights():
        digest.update(np.ascontiguousarray(weights).tobytes())
    for name, numbers in [("sizes", encoded.sizes), *sorted(encoded.numbers.items())]:
        digest.update(f"{name} {numbers.shape} {numbers.dtype}".encode())
        digest.update(numbers)
    return digest.hexdigest()
