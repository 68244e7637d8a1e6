"""A bidirectional GRU over words, read out by additive attention: the weight each word gets can be looked at.

Text:    words (`text_ops.WordTokenizer`); vocabulary of the train split.
Network: token embedding, GRU in both directions, additive attention over real words, dropout, dense. The attention's
         question is a learned vector: there is no decoder whose state could ask. All that the answer takes passes through
         the weights; hashed word pairs beside them, as in the transformer, changed no validation accuracy.
Keys:    vocabulary (tokens), length (words), width (a word's vector), units (a direction), attention_units, dropout,
         word_dropout (share of words hidden from a training step).

Source: additive attention, Bahdanau, Cho, Bengio 2015 (arXiv 1409.0473); as a pooling, Yang et al. 2016 (NAACL, N16-1174).
"""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf
import tf_keras

from components.data.text_ops import WordTokenizer, count_words
from components.networks.layers import AdditivePooling, WordDropout, attention_map
from components.training.search_space import DESCENT, Between, HalfOrTwice

layers = tf_keras.layers
SPACE = {
    **DESCENT,
    "network.width": HalfOrTwice(),
    "network.units": HalfOrTwice(),
    "network.dropout": Between(0.0, 0.6),
}


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
    mask = tf.not_equal(seen, 0)
    values = layers.Embedding(len(tokens), int(network["width"]), name="words")(seen)
    values = layers.Dropout(float(network["dropout"]), name="word_vector_dropout")(values)
    # Not layers.GRU: its export also holds cuDNN's kernels and their gradients, which the check of a graph's operations refuses.
    reader = layers.RNN(layers.GRUCell(int(network["units"])), return_sequences=True, name="reader")
    states = layers.Bidirectional(reader, name="both_ways")(values, mask=mask)
    pooled, _ = AdditivePooling(int(network["attention_units"]), name="attention")(states, mask=mask)
    pooled = layers.Dropout(float(network["dropout"]), name="pooled_dropout")(pooled)
    logits = layers.Dense(classes, name="logits", dtype="float32")(pooled)
    return tf_keras.Model({"ids": ids}, logits, name="attention_rnn")


def build_explainer(model: tf_keras.Model, tokens: Sequence[str], network: Mapping) -> Callable:
    """The pooling's weights: one row, how much the answer takes from each word."""
    weights = tf_keras.Model(model.input, model.get_layer("attention").output[1])

    def explain(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        drawn = weights(inputs, training=False)[:, tf.newaxis, tf.newaxis, :]
        return attention_map(drawn, inputs["ids"], tokens)

    return explain
