"""Layers that several model families share. All know padding: id 0, at the end of a row."""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras


class WordDropout(tf_keras.layers.Layer):
    """Replaces a share of the words of a training step by the id `hidden` (1 is the unknown word); padding stays.

    ids int32[batch, words] to the same. So the model learns to classify texts with unknown words, such as new names.
    """

    def __init__(self, rate: float, hidden: int = 1, **keywords):
        super().__init__(**keywords)
        self.hidden = hidden
        # A dropout layer, because training reseeds these each epoch: a resumed training then draws the same numbers.
        self.keep = tf_keras.layers.Dropout(rate)

    def call(self, ids, training=None):
        kept = self.keep(tf.ones_like(ids, dtype=self.compute_dtype), training=training) > 0
        return tf.where(kept | tf.equal(ids, 0), ids, self.hidden)


class Pooling(tf_keras.layers.Layer):
    """Pools over the words that `mask` bool[batch, words] keeps: "mean", "mean+max", or "sqrtn".

    float[batch, words, width] to float[batch, width or 2 × width]; a row without words gives zeros. "sqrtn" is the sum divided
    by the square root of the number of words, which keeps embeddings that start independent at their own scale; Adam's
    steps then move it several times as far as the mean, which rare pairs need.
    """

    def __init__(self, kind: str, **keywords):
        if kind not in ("mean", "mean+max", "sqrtn"):
            raise ValueError(f"Pooling is mean, mean+max or sqrtn. Received: kind={kind!r}")
        super().__init__(**keywords)
        self.kind = kind

    def call(self, values, mask):
        keep = tf.cast(mask, values.dtype)[:, :, tf.newaxis]
        count = tf.maximum(tf.reduce_sum(keep, axis=1), 1)
        total = tf.reduce_sum(values * keep, axis=1) / (tf.sqrt(count) if self.kind == "sqrtn" else count)
        if self.kind != "mean+max":
            return total
        highest = tf.reduce_max(tf.where(mask[:, :, tf.newaxis], values, values.dtype.min), axis=1)
        return tf.concat([total, tf.where(tf.reduce_any(mask, axis=1, keepdims=True), highest, 0)], axis=1)


class AdditivePooling(tf_keras.layers.Layer):
    """Pools by additive attention over the words that `mask` bool[batch, words] keeps (Bahdanau et al. 2015, equation 6).

    float[batch, words, width] to (float[batch, width], weights float[batch, words]): a word weighs exp(v · tanh(W h + b)),
    in shares of all words' weights; padding weighs 0, and a row without words gives zeros.
    """

    def __init__(self, units: int, **keywords):
        super().__init__(**keywords)
        self.hidden = tf_keras.layers.Dense(units, activation="tanh", name="hidden")
        self.question = tf_keras.layers.Dense(1, use_bias=False, name="question", dtype="float32")

    def call(self, values, mask):
        scores = tf.squeeze(self.question(self.hidden(values)), axis=-1)
        # Masked again: where a row has no word, the softmax alone would be uniform.
        weights = tf.nn.softmax(tf.where(mask, scores, scores.dtype.min)) * tf.cast(mask, scores.dtype)
        return tf.einsum("bw,bwd->bd", tf.cast(weights, values.dtype), values), weights


def to_length(ids: tf.Tensor, length: int) -> tf.Tensor:
    """int32[batch, words], words ≤ length, to int32[batch, length] with padding behind."""
    return tf.ensure_shape(tf.pad(ids, [[0, 0], [0, length - tf.shape(ids)[1]]]), [None, length])


def pair_ids(ids: tf.Tensor, buckets: int) -> tf.Tensor:
    """Each word with its successor, hashed: int32[batch, words] to int32[batch, words], 0 where either is padding.

    Multiplies the ids by two odd constants modulo 2^32: integer arithmetic, equal on every machine.
    """
    following = tf.pad(ids[:, 1:], [[0, 0], [0, 1]])
    mixed = tf.bitwise.bitwise_xor(ids * -1_640_531_527, following * 1_664_525_717)
    mixed = tf.bitwise.bitwise_xor(mixed, tf.bitwise.right_shift(mixed, 15)) * 739_982_445
    mixed = tf.bitwise.bitwise_xor(mixed, tf.bitwise.right_shift(mixed, 12))
    return tf.where(tf.equal(ids, 0) | tf.equal(following, 0), 0, 1 + tf.math.floormod(mixed, buckets - 1))


def attention_map(weights: tf.Tensor, ids: tf.Tensor, tokens: Sequence[str]) -> dict[str, tf.Tensor]:
    """The output of a family's `build_explainer`, from raw weights: without padding, and with the tokens' strings.

    weights: float[batch, heads, from, length], from = length or 1. ids: int[batch, length], 0 at padding; tokens: by id.
    Returns `tokens` string[batch, length] and `attention` float32[batch, heads, from, length].
    """
    real = tf.cast(tf.not_equal(ids, 0), tf.float32)
    kept = tf.cast(weights, tf.float32) * real[:, tf.newaxis, tf.newaxis, :]
    if weights.shape[2] != 1:
        kept *= real[:, tf.newaxis, :, tf.newaxis]
    total = tf.reduce_sum(kept, axis=-1, keepdims=True)
    names = tf.constant(["", *tokens[1:]])
    return {"tokens": tf.gather(names, ids), "attention": tf.math.divide_no_nan(kept, total)}
