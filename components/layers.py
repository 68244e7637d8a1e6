"""Layers that several model families share. All know padding: id 0, at the end of a row."""

import tensorflow as tf
import tf_keras


class WordDropout(tf_keras.layers.Layer):
    """Hides a share of the words of a training step behind the unknown word's id (1); padding stays.

    ids int32[batch, words] to the same. A model that has met unknown words in training copes with tomorrow's names.
    """

    def __init__(self, rate: float, **keywords):
        super().__init__(**keywords)
        # A layer of its own, because training reseeds dropout layers each epoch, so that a resumed one draws alike.
        self.keep = tf_keras.layers.Dropout(rate)

    def call(self, ids, training=None):
        kept = self.keep(tf.ones_like(ids, dtype=self.compute_dtype), training=training) > 0
        return tf.where(kept | tf.equal(ids, 0), ids, 1)


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


def pair_ids(ids: tf.Tensor, buckets: int) -> tf.Tensor:
    """Each word with its successor, hashed: int32[batch, words] to int32[batch, words], 0 where either is padding.

    The ids' product with two odd constants, wrapped around 32 bits: integer arithmetic, so the same on every machine.
    """
    following = tf.pad(ids[:, 1:], [[0, 0], [0, 1]])
    mixed = tf.bitwise.bitwise_xor(ids * -1_640_531_527, following * 1_664_525_717)
    mixed = tf.bitwise.bitwise_xor(mixed, tf.bitwise.right_shift(mixed, 15)) * 739_982_445
    mixed = tf.bitwise.bitwise_xor(mixed, tf.bitwise.right_shift(mixed, 12))
    return tf.where(tf.equal(ids, 0) | tf.equal(following, 0), 0, 1 + tf.math.floormod(mixed, buckets - 1))
