"""First vectors of words: near each other where an encoder's pieces are, the same every time, refused with a reason."""

from pathlib import Path

import encoder_kit
import numpy as np
import pytest
import tensorflow as tf
import transformers

from components.models import transformer
from components.networks import encoder, word_vectors
from components.networks.encoder_errors import EncoderError
from components.training import loop

WORDS = ["goal", "goals", "coach", "bank", "oil", "election", "treaty", "season", "profit", "chip"]
TOKENS = ["", "[UNK]", *WORDS]
NETWORK = {
    "length": 6, "padding": "longest", "width": 4, "heads": 1, "key_width": 4, "feed_forward": 4, "blocks": 1,
    "pooling": "mean", "buckets": 0, "pair_width": 0, "hidden": 0, "dropout": 0.0, "word_dropout": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return encoder_kit.huggingface(tmp_path_factory.mktemp("encoder"))


def means(address):
    """By hand: the mean of each word's pieces, less the mean of all words."""
    pieces, names = encoder.piece_vectors(address), encoder.vocabulary(address)
    matrix = np.array(
        [
            pieces[[names.index(piece) for piece in (["goal", "##s"] if word == "goals" else [word])]].mean(0)
            for word in WORDS
        ]
    )
    return matrix - matrix.mean(axis=0)


def test_piece_vectors_are_the_embeddings_of_the_model_itself(address):
    model = transformers.TFBertModel.from_pretrained(Path(address.removeprefix("hf:")))
    np.testing.assert_array_equal(encoder.piece_vectors(address), model.bert.embeddings.weight.numpy())


def test_a_words_vector_is_its_pieces_mean_turned_and_scaled(address):
    width = 9  # ten words less their mean have nine directions, so nothing is lost
    matrix = word_vectors.initial(address, TOKENS, width)
    assert matrix.shape == (len(TOKENS), width) and matrix.dtype == np.float32
    expected = means(address)
    scale = np.linalg.norm(matrix[2:]) / np.linalg.norm(expected)
    np.testing.assert_allclose(matrix[2:] @ matrix[2:].T, scale**2 * (expected @ expected.T), atol=1e-4)
    assert float(matrix[2:].std()) == pytest.approx(word_vectors.DEVIATION, rel=1e-3)


def test_fewer_numbers_keep_the_main_directions(address):
    whole, cut = (word_vectors.initial(address, TOKENS, width)[2:] for width in (9, 3))
    np.testing.assert_allclose(cut / cut.std(), whole[:, :3] / whole[:, :3].std(), atol=1e-4)
    spread = whole.std(axis=0)
    assert (np.diff(spread) <= 1e-6).all()


def test_padding_and_the_unknown_word_start_at_nothing(address):
    assert not word_vectors.initial(address, TOKENS, 4)[:2].any()


def test_the_same_vocabulary_gives_the_same_vectors_to_the_last_bit(address):
    first = word_vectors.initial(address, TOKENS, 4).copy()
    word_vectors._initial.cache_clear()
    np.testing.assert_array_equal(word_vectors.initial(address, TOKENS, 4), first)


def test_a_network_starts_with_them_and_learns_on(address):
    network = {**NETWORK, "vectors": address}
    with loop.building("float32"):
        model = transformer.build_network(TOKENS, network, 2)
    table = model.get_layer("embedding").tokens
    np.testing.assert_array_equal(table.get_weights()[0], word_vectors.initial(address, TOKENS, 4))
    model.compile("adam", tf.keras.losses.CategoricalCrossentropy(from_logits=True))
    model.fit({"ids": np.array([[2, 4], [5, 6]])}, np.eye(2, dtype=np.float32), verbose=0)
    moved = (table.get_weights()[0] != word_vectors.initial(address, TOKENS, 4)).any(axis=1)
    assert moved[[2, 4, 5, 6]].all() and not moved[3]


def test_more_numbers_than_the_encoder_has_are_refused(address):
    with pytest.raises(ValueError, match=r"have 16 numbers\. Received: width=17"):
        word_vectors.initial(address, TOKENS, 17)


def test_encoders_without_readable_vectors_are_refused_with_what_to_do(tmp_path, address):
    with pytest.raises(EncoderError, match="name a pkg: or hf: one"):
        word_vectors.initial("hub:/folder", TOKENS, 4)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EncoderError, match=r"model\.safetensors"):
        word_vectors.initial(f"hf:{tmp_path}", TOKENS, 4)
