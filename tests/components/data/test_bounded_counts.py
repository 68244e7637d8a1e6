"""Bounded counting: exact while everything fits, and never wrong by more than it says."""

import components  # noqa: F401, it sets what TensorFlow reads at its own import

# isort: split
from collections import Counter

import numpy as np
import tensorflow as tf
import tf_keras

from components.data import text_ops
from components.data.bounded_counts import BoundedCounts


def test_counts_are_exact_by_key_and_column_while_all_keys_fit():
    counts = BoundedCounts(5000, columns=2)
    counts.add(["a", "b", "a"], [0, 1, 1])
    counts.add([str(number) for number in range(4000)], 1, 3)
    keys, table = counts.items()
    assert counts.lost == 0 and len(keys) == 4002
    assert dict(zip(keys, table.tolist()))["a"] == [1, 1] and table[2:].tolist() == [[0, 3]] * 4000


def test_a_frequent_key_is_held_and_no_count_is_too_low_by_more_than_what_is_lost():
    random = np.random.default_rng(3)
    drawn = random.zipf(1.3, 40_000) % 20_000
    counts, exact = BoundedCounts(500), Counter(drawn.tolist())
    for part in np.split(drawn, 100):
        counts.add(part.tolist())
    keys, table = counts.items()
    held = dict(zip(keys, table[:, 0].tolist()))
    assert len(exact) > 4000 and len(held) <= 500 and 0 < counts.lost < 100
    assert all(exact[key] - counts.lost <= count <= exact[key] for key, count in held.items())
    assert all(key in held for key, count in exact.items() if count > counts.lost)


def test_words_are_counted_and_ordered_as_keras_does():
    random = np.random.default_rng(1)
    texts = np.array([" ".join(f"w{n} \u00e4{n % 7}" for n in random.zipf(1.5, 12) % 300) for _ in range(400)], object)
    texts = np.array([text.encode() for text in texts], object)
    batches = tf.data.Dataset.from_tensor_slices(texts).batch(64)
    keras = tf_keras.layers.TextVectorization(120, standardize=None, split=text_ops.split_words, output_mode="int")
    keras.adapt(batches)
    assert text_ops.count_words(batches, 120) == keras.get_vocabulary()


def test_a_vocabulary_of_more_words_than_are_counted_has_the_frequent_ones(monkeypatch):
    monkeypatch.setattr(text_ops, "COUNTED", 50)
    texts = np.array([b"goal coach rare%d" % at for at in range(300)], object)
    words = text_ops.count_words(tf.data.Dataset.from_tensor_slices(texts).batch(20), 4)
    assert words == ["", "[UNK]", "goal", "coach"]
