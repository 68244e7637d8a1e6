"""The linear model and a transformer beside it, in one graph: log-count ratios carry the accuracy, attention what people look at.

Text:    as it came, words and marks (`ngrams`); a share of the train rows is cleaned first, for both parts.
Network: the `linear` family's scores and the `transformer` family's logits, added with two weights that are fitted on eval.
Fit:     each part on its own, the transformer by gradient steps; then the weights. A warm start concerns the transformer.
Tokens:  the transformer's vocabulary, then the linear part's keys, each behind `#`, which no word holds.
Keys:    those of `transformer` and of `linear`.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from components.data import ngrams
from components.data.text_ops import PADDING, UNKNOWN, MarkTokenizer, count_words, split_words_and_marks
from components.models import linear, transformer
from components.training import calibration, loop

layers = tf_keras.layers
KEY = "#"


class Mix(layers.Layer):
    """The weighted sum of two tensors float32[batch, classes]; `weights` float32[2] start at 1."""

    def __init__(self, **keywords):
        super().__init__(dtype="float32", trainable=False, **keywords)
        self.parts = self.add_weight(f"{calibration.FITTED}parts", (2,), initializer="ones", trainable=False)

    def call(self, tensors):
        return self.parts[0] * tensors[0] + self.parts[1] * tensors[1]


class Trim(layers.Layer):
    """ids int32[batch, length] without the columns that are padding in every row, at least one."""

    def call(self, ids):
        used = tf.reduce_max(tf.reduce_sum(tf.cast(tf.not_equal(ids, 0), tf.int32), axis=1))
        return ids[:, : tf.maximum(used, 1)]


class BothTokenizer(tf.Module):
    """string[batch] to `{"ids": the transformer's, "features": the linear part's}`, padded to one length."""

    def __init__(self, words: Sequence[str], keys: Sequence[str], network: Mapping):
        super().__init__(name="tokenizer")
        self.deep, self.wide = MarkTokenizer(words, network), ngrams.FeatureTokenizer(keys)

    def __call__(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        ids, features = self.deep(texts)["ids"], self.wide(texts)["ids"]
        length = tf.maximum(tf.shape(ids)[1], tf.shape(features)[1])
        return {name: tf.pad(ids, [[0, 0], [0, length - tf.shape(ids)[1]]])
                for name, ids in {"ids": ids, "features": features}.items()}  # fmt: skip


def parts(tokens: Sequence[str]) -> tuple[list[str], list[str]]:
    """(the transformer's tokens, the linear part's) of a vocabulary."""
    keys = [token[len(KEY) :] for token in tokens if token.startswith(KEY) and len(token) > len(KEY)]
    return [token for token in tokens if not token.startswith(KEY) or token == KEY], [PADDING, UNKNOWN, *keys]


def build_vocabulary(texts: tf.data.Dataset, network: Mapping) -> list[str]:
    """The most frequent words and marks, then the keys. Both of the train rows, some of them cleaned."""
    keys = linear.build_vocabulary(texts, network)[2:]
    share = float(network["mended"])
    mended = texts.map(
        lambda batch: tf.ensure_shape(tf.numpy_function(lambda b: ngrams.mend(b, share), [batch], tf.string), [None])
    )
    return [*count_words(mended, int(network["vocabulary"]), split_words_and_marks), *(KEY + key for key in keys)]


def build_tokenizer(tokens: Sequence[str], network: Mapping) -> BothTokenizer:
    """See `BothTokenizer`."""
    return BothTokenizer(*parts(tokens), network)


def build_network(tokens: Sequence[str], network: Mapping, classes: int) -> tf_keras.Model:
    """`{"ids", "features": int32[batch, length]}` to float32 logits [batch, classes]."""
    words, keys = parts(tokens)
    inputs = {name: tf_keras.Input((None,), dtype="int32", name=name) for name in ("ids", "features")}
    deep = transformer.build_network(words, network, classes)
    scores = linear.LinearScores(len(keys), classes, name="scores")(inputs["features"])
    logits = deep({"ids": Trim(name="trim")(inputs["ids"])})
    return tf_keras.Model(inputs, Mix(name="mix")([scores, logits]), name="wide_transformer")


def build_explainer(model: tf_keras.Model, tokens: Sequence[str], network: Mapping) -> Callable | None:
    """The transformer's."""
    explain = transformer.build_explainer(model.get_layer("transformer"), parts(tokens)[0], network)
    trim = Trim()
    return explain and (lambda inputs: explain({"ids": trim(inputs["ids"])}))


def fit(tokens, network, settings, seed, train, eval, classes, workdir, report, start):
    """As `components.training.loop.fit`: `history` is the transformer's."""
    words, keys = parts(tokens)
    wide, wide_tokenizer, _ = linear.fit(
        keys, network, settings, seed, train, eval, classes, workdir, lambda *_: None, ()
    )
    mended = (ngrams.mend(train[0], float(network["mended"])), train[1])
    deep, deep_tokenizer, history = loop.descend(
        _Deep, words, network, settings, seed, mended, eval, classes, workdir, report, start
    )
    answers = [loop.answers(wide, wide_tokenizer, eval[0]), loop.answers(deep, deep_tokenizer, eval[0])]
    weights, _ = calibration.fit(answers, eval[1], with_offsets=False)
    model = build_network(tokens, network, classes)
    model.get_layer("transformer").set_weights(deep.get_weights())
    model.get_layer("scores").set_weights(wide.get_weights())
    model.get_layer("mix").set_weights([weights.astype(np.float32)])
    return model, build_tokenizer(tokens, network), history


class _Deep:
    """The transformer over words and marks, as a family of its own."""

    build_tokenizer = staticmethod(MarkTokenizer)
    build_network = staticmethod(transformer.build_network)
