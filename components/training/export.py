"""The trained model as a SavedModel with the tokenizer inside, and fast scoring through it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401, registers the ops of some tokenizers
import tf_keras
from tensorflow.core.protobuf import fingerprint_pb2

from components.data import rows as streams
from components.data.rows import Rows
from components.tf_support.autograph_patch import exclude_keras_from_autograph
from components.training import scoring


def export(
    path: str | Path,
    tokenizer: Callable,
    model: tf_keras.Model,
    labels: Sequence[str],
    feature: str = "text",
    explainer: Callable | None = None,
    contributions: Callable | None = None,
) -> None:
    """Writes a SavedModel that `tf.saved_model.load` and TensorFlow Serving load without this project.

    Signatures, both answering `label` string[batch], `label_id` int64[batch], `probabilities` float32[batch, classes]:
    `classify` takes `text` string[batch], `serving_default` takes `examples` string[batch], serialised tf.Examples with the
    bytes feature `feature` (a missing one is the empty text). Any bytes are accepted.
    With an `explainer` (a family's `build_explainer`) there is a third, `explain`, which takes `text` string[batch] and adds to
    the three answers `tokens` string[batch, length] and `attention` float32[batch, heads, from, length].
    With `contributions` (a family's `build_contributions`) there is `contributions`, which takes one `text` string[].

    Raises ValueError when labels and the model's classes differ in number.
    """
    exclude_keras_from_autograph()
    if len(labels) != model.output_shape[-1]:
        raise ValueError(f"There is one label a class ({model.output_shape[-1]}). Received: labels={list(labels)}")
    module = tf.Module(name="classifier")
    # Only weights and tokenizer are exported: a Keras model would write its layers, and its loader would need their classes.
    module.weights, module.tokenizer = list(model.weights), tokenizer

    def answer(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = tf.nn.softmax(model(tokenizer(texts), training=False))
        label_id = tf.argmax(probabilities, axis=1, output_type=tf.int64)
        return {"label": tf.gather(list(labels), label_id), "label_id": label_id, "probabilities": probabilities}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def classify(text):
        return answer(text)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serving_default(examples):
        parsed = tf.io.parse_example(examples, {feature: tf.io.FixedLenFeature([], tf.string, default_value="")})
        return answer(parsed[feature])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def explain(text):
        return {**answer(text), **explainer(tokenizer(text))}

    @tf.function(input_signature=[tf.TensorSpec([], tf.string, name="text")])
    def contribute(text):
        return contributions(text)

    signatures = {"serving_default": serving_default, "classify": classify}
    signatures |= {"explain": explain} if explainer else {}
    signatures |= {"contributions": contribute} if contributions else {}
    tf.saved_model.save(module, str(path), signatures=signatures)
    _without_random_id(Path(path, "fingerprint.pb"))


def _without_random_id(path: Path) -> None:
    """Removes the random `uuid` that newer TensorFlow writes into a SavedModel: equal models must be equal byte for byte."""
    if not path.exists():
        return
    fingerprint = fingerprint_pb2.FingerprintDef.FromString(path.read_bytes())
    if "uuid" in fingerprint.DESCRIPTOR.fields_by_name:
        fingerprint.ClearField("uuid")
        path.write_bytes(fingerprint.SerializeToString(deterministic=True))


def predict(model_dir: str | Path, texts: Rows | Sequence[bytes | str], batch: int = scoring.BATCH) -> np.ndarray:
    """Probabilities float32[rows, classes] through the SavedModel's `classify`, in the texts' order. `Rows` are read in a stream."""
    classify = tf.saved_model.load(str(model_dir)).signatures["classify"]
    if not isinstance(texts, Rows):
        texts = [text.encode("utf-8", "replace") if isinstance(text, str) else text for text in texts]

    def ask(some: np.ndarray) -> np.ndarray:
        return classify(text=tf.constant(some, tf.string))["probabilities"].numpy()

    return scoring.answers(ask, streams.of(texts), classify.structured_outputs["probabilities"].shape[1], batch)
