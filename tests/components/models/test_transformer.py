"""What only the transformer family has: the lesson's size, and the two ways to pad."""

import numpy as np
import pytest
import tensorflow as tf

from components.models import transformer
from pipelines.config.presets import PRESETS

TOKENS = ["", "[UNK]", *(f"word{number}" for number in range(40))]
NETWORK = {
    "length": 12,
    "padding": "longest",
    "width": 8,
    "heads": 2,
    "key_width": 4,
    "feed_forward": 8,
    "blocks": 2,
    "pooling": "mean+max",
    "buckets": 32,
    "pair_width": 4,
    "hidden": 0,
    "dropout": 0.1,
    "word_dropout": 0.1,
    "vectors": "none",
}
IDS = np.array([[5, 9, 2, 7], [3, 1, 0, 0], [0, 0, 0, 0]], np.int32)


@pytest.fixture
def both():
    """One set of weights in two networks: padded to the longest text of a batch, and to the full length."""
    networks = [
        transformer.build_network(TOKENS, {**NETWORK, "padding": padding}, 4) for padding in ("longest", "max_length")
    ]
    networks[1].set_weights(networks[0].get_weights())
    return networks


def test_padding_to_the_full_length_answers_the_same(both):
    short, full = (tf.nn.softmax(network({"ids": IDS}, training=False)).numpy() for network in both)
    np.testing.assert_allclose(full, short, atol=1e-5)


def test_padding_to_the_full_length_attends_over_all_of_it(both):
    seen = [network.get_layer("block_0_attention").output[1].shape[-1] for network in both]
    assert seen == [None, NETWORK["length"]]


def test_attention_is_told_of_the_words_asked_about_alone(both):
    explained = [transformer.build_explainer(network, TOKENS, NETWORK)({"ids": tf.constant(IDS)}) for network in both]
    assert explained[0]["attention"].shape == explained[1]["attention"].shape == (3, 2, 4, 4)
    np.testing.assert_allclose(explained[1]["attention"], explained[0]["attention"], atol=1e-5)


def test_the_lessons_transformer_has_its_size_and_its_length():
    preset = PRESETS["notebook-transformer"]
    tokens = ["", "[UNK]", *map(str, range(int(preset.network["vocabulary"]) - 2))]
    network = transformer.build_network(tokens, preset.network, 4)
    assert network.count_params() == 659_592
    assert network.get_layer("block_0_attention").output[0].shape[1:] == (256, 32)
