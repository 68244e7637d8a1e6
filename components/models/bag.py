"""A bag of words and word pairs: the least a candidate must match, and hard to beat by much on headlines.

Text:    words (`text_ops.WordTokenizer`), order forgotten except for who stands beside whom.
Network: the mean of the words' embeddings beside the mean of the hashed pairs' embeddings, dropout, dense.
Keys:    vocabulary (tokens), length (words), width (a word's vector), buckets (hashed pairs), pair_width, dropout,
         word_dropout (share of words hidden from a training step).

Source: fastText, Joulin et al. 2016 (arXiv 1607.01759); the pairs are hashed from ids, so the tokenizer stays the transformer's.
"""

from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras

from components.data.text_ops import WordTokenizer, count_words
from components.networks.layers import Pooling, WordDropout, pair_ids
from components.training.search_space import DESCENT, Between, HalfOrTwice

layers = tf_keras.layers
SPACE = {**DESCENT, "network.width": HalfOrTwice(), "network.dropout": Between(0.0, 0.7)}


def build_vocabulary(texts: tf.data.Dataset, network: Mapping) -> list[str]:
    """The train split's most frequent words. See `text_ops.count_words`."""
    return count_words(texts, int(network["vocabulary"]))


def build_tokenizer(tokens: Sequence[str], network: Mapping) -> WordTokenizer:
    """string[batch] to `{"ids": int32[batch, words]}`."""
    return WordTokenizer(tokens, network)


def build_network(tokens: Sequence[str], network: Mapping, classes: int) -> tf_keras.Model:
    """`{"ids": int32[batch, words]}` to float32 logits [batch, classes]."""
    ids = tf_keras.Input((None,), dtype="int32", name="ids")
    seen = WordDropout(float(network["word_dropout"]), name="word_dropout")(ids) if network["word_dropout"] else ids
    words = layers.Embedding(len(tokens), int(network["width"]), name="words")(seen)
    pairs = pair_ids(seen, int(network["buckets"]))
    neighbours = layers.Embedding(int(network["buckets"]), int(network["pair_width"]), name="pairs")(pairs)
    pooled = layers.Concatenate(name="both")(
        [
            Pooling("sqrtn", name="word_pooling")(words, mask=tf.not_equal(seen, 0)),
            Pooling("sqrtn", name="pair_pooling")(neighbours, mask=tf.not_equal(pairs, 0)),
        ]
    )
    pooled = layers.Dropout(float(network["dropout"]), name="dropout")(pooled)
    logits = layers.Dense(classes, name="logits", dtype="float32")(pooled)
    return tf_keras.Model({"ids": ids}, logits, name="bag")
