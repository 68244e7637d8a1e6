"""No iteration of ours waits for tf.data's tuner, not even one that something is built upon afterwards."""

import numpy as np
import tensorflow as tf

from components.tf_support.no_autotune import untuned
from components.training import batching, vocabulary


def off(dataset) -> bool:
    return dataset.options().autotune.enabled is False


def test_the_tuner_is_off_for_a_dataset_and_all_that_is_built_on_it():
    plain = tf.data.Dataset.range(3)
    assert not off(plain) and off(untuned(plain)) and off(untuned(plain).map(lambda x: x).batch(2))
    assert [int(x) for x in untuned(plain)] == [0, 1, 2]


def test_training_scoring_and_vocabularies_iterate_without_it(monkeypatch):
    encoded = batching.Encoded(np.array([2, 1]), {"ids": np.array([1, 2, 3], np.uint16)})
    assert off(batching.dataset(encoded, [np.array([0, 1])], np.array([0, 1]), 2))
    seen = []
    monkeypatch.setattr(
        vocabulary, "family_named", lambda *_: type("F", (), {"build_vocabulary": lambda t, n: seen.append(t)})
    )
    vocabulary.adapt("bag", {}, np.array([b"goal"], object))
    assert off(seen[0])
