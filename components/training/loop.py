"""The training loop of all families: batches, loss, optimizer, schedule, stopping, checkpoints. Families define the network."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import tensorflow as tf
import tf_keras
from scipy.special import softmax

from components.data import rows as streams
from components.data.rows import Rows
from components.tf_support.autograph_patch import exclude_keras_from_autograph
from components.training import batching, calibration, checkpoints, frozen_features, scoring, warm_start

Report = Callable[[float, int, Mapping[str, float], float], None]

REPORTS_PER_EPOCH = 10


def fit(
    family: ModuleType,
    tokens: Sequence[str],
    network: Mapping,
    training: Mapping,
    seed: int,
    train: Rows,
    eval: Rows,
    classes: int,
    workdir: str | Path,
    report: Report = lambda epoch, epochs, metrics, rows_per_second: None,
    start: Sequence[np.ndarray] = (),
) -> tuple[tf_keras.Model, Callable, list[dict[str, float]]]:
    """Trains a family's model and returns (model, tokenizer, history): by the family's own `fit` where it has one, else by
    `descend`; then calibrated on eval as `training["calibrate"]` says (`components.training.calibration`).

    train, eval: `Rows` with label ids below `classes`, or (object[rows] of bytes, int64[rows]); eval chooses the epoch and calibrates.
    training: see `pipelines.config.presets`. workdir: holds a checkpoint after each epoch; a call with the same arguments resumes
    from it, with the same result as without the interruption. report(epochs done, epochs, metrics so far, rows a second): about ten
    times an epoch with `loss` and `accuracy`, at its end (an integer) also with `val_loss`, `val_accuracy`.
    start: a model's weights to start from (`components.training.warm_start`); without them the network is initialised anew.
    history: one dict an epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds, rows_per_second. The epoch
    whose weights are kept also has `final_loss`, `final_accuracy`, the finished model's on eval, and `final_calibration_error`.

    Raises ValueError for no rows or labels out of range, FloatingPointError when the loss is no number.
    """
    train, eval = streams.of(train), streams.of(eval)
    _check(train, eval, classes)
    exclude_keras_from_autograph()
    tf_keras.utils.set_random_seed(seed)
    own = getattr(family, "fit", None) or partial(descend, family)
    model, tokenizer, history = own(tokens, network, training, seed, train, eval, classes, workdir, report, start)
    eval_logits = answers(model, tokenizer, eval)
    # Records of earlier versions do not have this setting.
    mode = training.get("calibrate", "none")
    model, eval_logits = calibration.with_mode(model, eval_logits, eval.labels, mode)
    finished = scores(eval_logits, eval.labels)
    best_epoch(history).update(
        final_loss=finished["val_loss"],
        final_accuracy=finished["val_accuracy"],
        final_calibration_error=calibration.expected_error(softmax(eval_logits, axis=1), eval.labels),
    )
    return model, tokenizer, history


def descend(
    family: ModuleType,
    tokens: Sequence[str],
    network: Mapping,
    training: Mapping,
    seed: int,
    train: Rows,
    eval: Rows,
    classes: int,
    workdir: str | Path,
    report: Report,
    start: Sequence[np.ndarray],
) -> tuple[tf_keras.Model, Callable, list[dict[str, float]]]:
    """Trains by gradient steps; arguments and answer as `fit`, not calibrated. The model has its best epoch's weights, float32.

    A network of `body` and `head` whose body is frozen has its features computed once (`components.training.frozen_features`).
    """
    tokenizer = family.build_tokenizer(tokens, network)
    encoded, checked = (batching.encode(tokenizer, rows, workdir) for rows in (train, eval))
    epochs, batch_size = int(training["epochs"]), int(training["batch_size"])
    steps = math.ceil(len(train) / batch_size)

    with building(training["precision"]):
        model = family.build_network(tokens, network, classes)
    if start:
        model.set_weights(warm_start.merged(model.get_weights(), start))
    parts = frozen_features.frozen(model)
    if parts:
        body, model = parts
        encoded, checked = frozen_features.of(body, encoded, network), frozen_features.of(body, checked, network)
    optimizer = _optimizer(training, steps * epochs)
    loss = tf_keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=float(training["label_smoothing"]))
    model.compile(optimizer, loss, metrics=[tf_keras.metrics.CategoricalAccuracy(name="accuracy")])
    optimizer.build(model.trainable_variables)
    store = checkpoints.Store(
        workdir, _fingerprint(family, tokens, network, training, seed, train, eval, start), model, optimizer
    )
    history, weights = store.restore()

    while len(history) < epochs and not _patience_spent(history, int(training["patience"])):
        epoch = len(history)
        _reseed(model, seed * 1_000_003 + epoch)
        progress = _Progress(epoch, epochs, steps, batch_size, report)
        batches = batching.shuffled(encoded.sizes, batch_size, seed=seed * 1_000_003 + epoch)
        data = batching.dataset(encoded, batches, train.labels, classes)
        started = time.monotonic()
        fitted = model.fit(data, epochs=1, verbose=0, callbacks=[progress]).history
        seconds = time.monotonic() - started
        row = {
            "epoch": epoch + 1,
            "loss": float(fitted["loss"][0]),
            "accuracy": float(fitted["accuracy"][0]),
            **scores(logits(model, checked), eval.labels),
            "learning_rate": float(tf_keras.backend.get_value(optimizer.learning_rate)),
            "seconds": seconds,
            "rows_per_second": len(train) / seconds,
        }
        history.append(row)
        if best_epoch(history) == row:
            weights = model.get_weights()
        store.save(history, weights)
        report(epoch + 1, epochs, row, row["rows_per_second"])

    with building("float32"):
        # What is returned computes in float32: bfloat16 answers would change with a batch's padding.
        final = family.build_network(tokens, network, classes)
    (final.get_layer("head") if parts else final).set_weights(weights)
    return final, tokenizer, history


@contextmanager
def building(precision: str):
    """Layers built inside compute in `precision`, "float32" or "bfloat16" (their weights are float32 in both), and draw
    their random numbers from generators that `_reseed` finds; Keras 2's default ones hide their state in a kernel."""
    policies = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
    if precision not in policies:
        raise ValueError(f"A precision is float32 or bfloat16. Received: precision={precision!r}")
    random = tf_keras.backend.experimental
    policy, generators = tf_keras.mixed_precision.global_policy(), random.is_tf_random_generator_enabled()
    tf_keras.mixed_precision.set_global_policy(policies[precision])
    random.enable_tf_random_generator()
    try:
        yield
    finally:
        tf_keras.mixed_precision.set_global_policy(policy)
        if not generators:
            random.disable_tf_random_generator()


def logits(model: tf_keras.Model, encoded: batching.Encoded | batching.Features) -> np.ndarray:
    """float32[rows, classes] for encoded rows, in their order."""
    batches = batching.by_length(encoded.sizes, scoring.BATCH)
    answers = model.predict(batching.dataset(encoded, batches), verbose=0)
    ordered = np.empty_like(answers)
    ordered[np.concatenate(batches)] = answers
    return ordered


def answers(model: tf_keras.Model, tokenizer: Callable, texts) -> np.ndarray:
    """float32[rows, classes], a model's logits of raw texts, in their order; batches of like length, as when serving.

    texts: `Rows`, read in a stream, or object[rows] of bytes.
    """
    ask = tf.function(
        lambda batch: model(tokenizer(batch), training=False), input_signature=[tf.TensorSpec([None], tf.string)]
    )
    return scoring.answers(lambda batch: ask(batch).numpy(), streams.of(texts), model.output_shape[-1])


def scores(answers: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """`val_loss` (nats, without label smoothing) and `val_accuracy` of logits float32[rows, classes]."""
    answers = answers.astype(np.float64)
    shifted = answers - answers.max(axis=1, keepdims=True)
    picked = shifted[np.arange(len(labels)), labels] - np.log(np.exp(shifted).sum(axis=1))
    return {"val_loss": float(-picked.mean()), "val_accuracy": float((answers.argmax(axis=1) == labels).mean())}


class _Progress(tf_keras.callbacks.Callback):
    """Reports within an epoch, and stops at the first loss that is no number."""

    def __init__(self, epoch: int, epochs: int, steps: int, batch_size: int, report: Report):
        super().__init__()
        self.epoch, self.epochs, self.steps, self.batch_size, self.report = epoch, epochs, steps, batch_size, report
        self.every = max(1, steps // REPORTS_PER_EPOCH)
        self.started = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(logs["loss"]):
            raise FloatingPointError(
                "The training loss must be a finite number; a lower training.learning_rate usually helps. "
                f"Received: loss={logs['loss']} in epoch {self.epoch + 1}, step {batch + 1} of {self.steps}"
            )
        done = batch + 1
        if done % self.every == 0 and done < self.steps:
            rate = done * self.batch_size / max(time.monotonic() - self.started, 1e-9)
            self.report(self.epoch + done / self.steps, self.epochs, dict(logs), rate)


def _optimizer(training: Mapping, steps: int) -> tf_keras.optimizers.Optimizer:
    """AdamW after a linear warm-up and along half a cosine, both counted in steps really taken."""
    warmup = int(float(training["warmup"]) * steps)
    peak = float(training["learning_rate"])
    # The initial rate must be a float: an integer 0 makes the schedule's arithmetic an integer's.
    schedule = tf_keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else peak,
        decay_steps=max(1, steps - warmup),
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = tf_keras.optimizers.AdamW(
        schedule, weight_decay=float(training["weight_decay"]), global_clipnorm=float(training["clip_norm"]) or None
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "norm"])
    return optimizer


def _reseed(model: tf_keras.Model, seed: int) -> None:
    """Makes an epoch's dropout depend on `seed` alone, because Keras 2's checkpoints do not hold a generator's state."""
    for number, layer in enumerate(model.submodules):
        generator = getattr(getattr(layer, "_random_generator", None), "_generator", None)
        if generator is not None:
            generator.reset_from_seed(seed * 1_009 + number)


def best_epoch(history: Sequence[dict[str, float]]) -> dict[str, float]:
    """The epoch to keep: highest validation accuracy, then lowest validation loss, then the first."""
    return max(history, key=lambda row: (row["val_accuracy"], -row["val_loss"]))


def final_accuracy(history: Sequence[Mapping[str, float]]) -> float:
    """The finished model's accuracy on eval; for histories of earlier versions that of the kept epoch."""
    return best_epoch(history).get("final_accuracy", best_epoch(history)["val_accuracy"])


def _patience_spent(history: Sequence[Mapping[str, float]], patience: int) -> bool:
    return bool(history) and len(history) - best_epoch(history)["epoch"] >= patience


def _check(train: Rows, eval: Rows, classes: int) -> None:
    for name, rows in (("train", train), ("eval", eval)):
        labels = rows.labels
        if not len(rows) or len(rows) != len(labels):
            raise ValueError(f"A split has rows, each with a label. Received: {name}={len(rows)}, {len(labels)} labels")
        if labels.min() < 0 or labels.max() >= classes:
            raise ValueError(
                f"A label id lies in 0..{classes - 1}. Received: {name} from {labels.min()} to {labels.max()}"
            )


def _fingerprint(family, tokens, network, training, seed, train, eval, start) -> str:
    """A hash of everything that identifies a training: a checkpoint with another one is not resumed."""
    digest = hashlib.sha256(
        json.dumps([family.__name__, list(tokens), dict(network), dict(training), seed], sort_keys=True).encode()
    )
    for rows in (train, eval):
        digest.update(rows.labels.astype(np.int64))
        for texts in rows.texts():
            digest.update(b"".join(len(text).to_bytes(8, "little") + text for text in texts))
    for weights in start:
        digest.update(np.ascontiguousarray(weights).tobytes())
    return digest.hexdigest()
