"""Initial word vectors from a pre-trained encoder's vectors of word pieces.

So a word that is rare in the train rows (a name, a rare verb) starts near similar words and not at random.
"""

import functools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from components.networks import encoder

DEVIATION = 0.1  # of all numbers; 0.03, 0.1, 0.2 and 0.3 were tried on validation
WORDS_PER_CALL = 4096
PIECES = 16  # of a word; further ones are ignored


def initial(address: str, tokens: Sequence[str], width: int) -> np.ndarray:
    """float32[tokens, width]: the mean of each word's piece vectors, projected on the `width` principal directions of all words.

    tokens: padding and the unknown word first; these two start at 0. The same for the same arguments.

    Raises:
        EncoderError: the encoder's vectors cannot be read (`encoder.piece_vectors`).
        ValueError: `width` is larger than the encoder's own.
    """
    return _initial(address, tuple(tokens), width)


@functools.lru_cache(maxsize=1)  # a training builds its network twice
def _initial(address: str, tokens: tuple[str, ...], width: int) -> np.ndarray:
    pieces = encoder.piece_vectors(address)
    if width > pieces.shape[1]:
        raise ValueError(f"vectors of {address} have {pieces.shape[1]} numbers. Received: width={width}")
    means = _means(address, pieces, tokens[2:])
    centred = means - means.mean(axis=0)
    # eigh sorts ascending; an eigenvector's sign is arbitrary, so its largest number is made positive.
    directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :width]
    directions *= np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(width)])
    turned = centred @ directions
    vectors = np.zeros((len(tokens), width), np.float32)
    vectors[2:] = turned * (DEVIATION / max(float(turned.std()), 1e-12))
    return vectors


def _means(address: str, pieces: np.ndarray, words: Sequence[str]) -> np.ndarray:
    vocabulary = encoder.vocabulary(address)
    tokenizer = encoder.tokenizer(address, vocabulary, PIECES)
    around = [vocabulary.index(token) for token in (encoder.PADDING, encoder.START, encoder.END)]
    means = np.zeros((len(words), pieces.shape[1]), np.float32)
    for start in range(0, len(words), WORDS_PER_CALL):
        some = list(words[start : start + WORDS_PER_CALL])
        ids = tokenizer(tf.constant(some))["ids"].numpy()
        real = ~np.isin(ids, around)
        count = np.maximum(real.sum(axis=1, keepdims=True), 1)
        means[start : start + len(some)] = (pieces[ids] * real[:, :, np.newaxis]).sum(axis=1) / count
    return means
