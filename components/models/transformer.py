"""A small transformer over words, after Microsoft's AI-for-Beginners lesson, with padding masked and more than one way to pool.

Text:    words of the cleaned text (`text_ops.WordTokenizer`), or words and marks of the text as it came
         (`text_ops.MarkTokenizer`); vocabulary of the train split.
Network: token + position embedding, `blocks` × (multi-head attention, feed-forward; residual and layer norm after each),
         pooling over real words, dropout, dense. With `buckets` > 0 hashed word pairs are averaged beside the blocks: which
         words stand next to each other says more about a headline's class than depth does at this amount of text.
Keys:    text ("words", "marks"), vocabulary (tokens), length (words), padding ("longest": to a batch's longest text; "max_length": every text to
         `length` words, as in the lesson, which costs more and answers the same), width, heads, key_width (a head),
         feed_forward, blocks, pooling ("mean", "mean+max"), buckets and pair_width (0: none), hidden (units before the last
         layer, 0: none), dropout, word_dropout (share of words hidden from a training step), vectors ("none", or the `pkg:`
         or `hf:` encoder whose pieces give the words their first vectors; see `components.networks.word_vectors`).

Source: Vaswani et al. 2017 (arXiv 1706.03762); pairs after fastText, Joulin et al. 2016 (arXiv 1607.01759).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from components.data.text_ops import MarkTokenizer, WordTokenizer, count_words
from components.networks import word_vectors
from components.networks.layers import Pooling, WordDropout, attention_map, pair_ids, to_length
from components.training.search_space import DESCENT, Between, HalfOrTwice

layers = tf_keras.layers
TOKENIZERS = {"words": WordTokenizer, "marks": MarkTokenizer}
SPACE = {
    **DESCENT,
    "network.width": HalfOrTwice(),
    "network.feed_forward": HalfOrTwice(),
    "network.dropout": Between(0.0, 0.6),
}


def build_vocabulary(texts: tf.data.Dataset, network: Mapping) -> list[str]:
    """The train split's most frequent words. See `text_ops.count_words`."""
    return count_words(texts, int(network["vocabulary"]), TOKENIZERS[network.get("text", "words")].split)


def build_tokenizer(tokens: Sequence[str], network: Mapping) -> WordTokenizer:
    """string[batch] to `{"ids": int32[batch, words]}`."""
    return TOKENIZERS[network.get("text", "words")](tokens, network)


class Embedding(layers.Layer):
    """ids int32[batch, words] to token + position embedding float[batch, words, width]."""

    def __init__(self, tokens: int, length: int, width: int, vectors: np.ndarray | None = None, **keywords):
        super().__init__(**keywords)
        first = "uniform" if vectors is None else tf_keras.initializers.Constant(vectors)
        self.tokens = layers.Embedding(tokens, width, embeddings_initializer=first, name="tokens")
        self.positions = layers.Embedding(length, width, name="positions")

    def call(self, ids):
        return self.tokens(ids) + self.positions(tf.range(tf.shape(ids)[1]))


def build_network(tokens: Sequence[str], network: Mapping, classes: int) -> tf_keras.Model:
    """`{"ids": int32[batch, words]}` to float32 logits [batch, classes]."""
    width, dropout = int(network["width"]), float(network["dropout"])
    ids = tf_keras.Input((None,), dtype="int32", name="ids")
    seen = to_length(ids, int(network["length"])) if network["padding"] == "max_length" else ids
    seen = WordDropout(float(network["word_dropout"]), name="word_dropout")(seen) if network["word_dropout"] else seen
    mask = tf.not_equal(seen, 0)
    vectors = None if network["vectors"] == "none" else word_vectors.initial(network["vectors"], tokens, width)
    values = Embedding(len(tokens), int(network["length"]), width, vectors, name="embedding")(seen)
    for block in range(int(network["blocks"])):
        values = _block(values, mask, network, f"block_{block}")
    pooled = Pooling(str(network["pooling"]), name="pooling")(values, mask=mask)
    if network["buckets"]:
        pairs = pair_ids(seen, int(network["buckets"]))
        embedded = layers.Embedding(int(network["buckets"]), int(network["pair_width"]), name="pairs")(pairs)
        averaged = Pooling("sqrtn", name="pair_pooling")(embedded, mask=tf.not_equal(pairs, 0))
        pooled = layers.Concatenate(name="both")([pooled, averaged])
    pooled = layers.Dropout(dropout, name="pooled_dropout")(pooled)
    if network["hidden"]:
        pooled = layers.Dense(int(network["hidden"]), activation="relu", name="hidden")(pooled)
        pooled = layers.Dropout(dropout, name="hidden_dropout")(pooled)
    logits = layers.Dense(classes, name="logits", dtype="float32")(pooled)
    return tf_keras.Model({"ids": ids}, logits, name="transformer")


def build_explainer(model: tf_keras.Model, tokens: Sequence[str], network: Mapping) -> Callable | None:
    """The last block's heads: how much each word takes from each word."""
    if not network["blocks"]:
        return None
    attention = model.get_layer(f"block_{int(network['blocks']) - 1}_attention")
    weights = tf_keras.Model(model.input, attention.output[1])

    def explain(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        words = tf.shape(inputs["ids"])[1]
        return attention_map(weights(inputs, training=False)[:, :, :words, :words], inputs["ids"], tokens)

    return explain


def _block(values, mask, network: Mapping, name: str):
    """One encoder block, layer norm after each residual as in the lesson."""
    width, dropout = int(network["width"]), float(network["dropout"])
    attention = layers.MultiHeadAttention(int(network["heads"]), int(network["key_width"]), name=f"{name}_attention")
    attended, _ = attention(values, values, attention_mask=mask[:, tf.newaxis, :], return_attention_scores=True)
    attended = layers.Dropout(dropout, name=f"{name}_attention_dropout")(attended)
    values = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_attention_norm")(values + attended)
    fed = layers.Dense(int(network["feed_forward"]), activation="relu", name=f"{name}_wide")(values)
    fed = layers.Dense(width, name=f"{name}_narrow")(fed)
    fed = layers.Dropout(dropout, name=f"{name}_feed_dropout")(fed)
    return layers.LayerNormalization(epsilon=1e-6, name=f"{name}_feed_norm")(values + fed)
