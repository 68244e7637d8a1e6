"""The linear model beside a family, in one graph: `network.wide=true` of any family that has something to stand beside.

Text:    each part's own; a share of the train rows is cleaned first, for both.
Network: the `linear` family's scores and the family's logits, added with two weights that are fitted on eval.
Fit:     each part on its own, the family as it always is; then the weights. A warm start concerns the family alone. Of more rows than the
         linear part may hold, it is fitted on its sample (`components.models.linear`) and the family on all.
Tokens:  the family's, then the linear part's keys, each behind `#`: no tokenizer has a token of `#` and digits.
Keys:    the family's; `min_rows`, `penalty` and `mended` of `linear`, which has its usual ones where they are left out.

Source: Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems" (arXiv 1606.07792); here the parts are not trained
together, so that either can be looked at and fitted alone.
"""

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

import numpy as np
import tensorflow as tf
import tf_keras

from components.data import ngrams
from components.data.text_ops import PADDING, UNKNOWN
from components.models import linear
from components.training import calibration, loop

layers = tf_keras.layers
KEY = "#"
FEATURES = "features"


class Beside:
    """A family with the linear model beside it: the names that a family honours, see `components.models`."""

    def __init__(self, family: ModuleType):
        self.family = family
        self.__name__ = f"{family.__name__}+linear"
        if hasattr(family, "build_explainer"):
            self.build_explainer = self._build_explainer

    def build_vocabulary(self, texts: tf.data.Dataset, network: Mapping) -> list[str]:
        """The family's tokens, then the keys. Both of the train rows, some of them cleaned."""
        share = _linear(network)["mended"]

        def mend(batch):
            return tf.ensure_shape(tf.numpy_function(lambda b: ngrams.mend(b, share), [batch], tf.string), [None])

        keys = linear.build_vocabulary(texts, _linear(network))[2:]
        return [*self.family.build_vocabulary(texts.map(mend), network), *(KEY + key for key in keys)]

    def build_tokenizer(self, tokens: Sequence[str], network: Mapping) -> tf.Module:
        """See `BothTokenizer`."""
        own, keys = parts(tokens)
        return BothTokenizer(self.family.build_tokenizer(own, network), ngrams.FeatureTokenizer(keys))

    def build_network(self, tokens: Sequence[str], network: Mapping, classes: int) -> tf_keras.Model:
        """The family's inputs and `"features": int32[batch, length]` to float32 logits [batch, classes]."""
        own, keys = parts(tokens)
        deep = self.family.build_network(own, network, classes)
        inputs = {name: tf_keras.Input((None,), dtype=ids.dtype, name=name) for name, ids in deep.input.items()}
        features = tf_keras.Input((None,), dtype="int32", name=FEATURES)
        scores = linear.LinearScores(len(keys), classes, name="scores")(features)
        logits = deep(Trim(name="trim")(inputs))
        return tf_keras.Model(
            {**inputs, FEATURES: features}, Mix(name="mix")([scores, logits]), name=f"wide_{deep.name}"
        )

    def _build_explainer(self, model: tf_keras.Model, tokens: Sequence[str], network: Mapping) -> Callable | None:
        """The family's."""
        explain = self.family.build_explainer(_deep(model), parts(tokens)[0], network)
        trim = Trim()
        return explain and (lambda inputs: explain(trim({k: v for k, v in inputs.items() if k != FEATURES})))

    def build_contributions(self, model: tf_keras.Model, tokenizer: "BothTokenizer") -> Callable:
        """The linear part's, times its weight in the sum: what words add beside what the family says."""
        explain, weight = linear.build_contributions(model, tokenizer.wide), model.get_layer("mix").parts

        def explain_text(text: tf.Tensor) -> dict[str, tf.Tensor]:
            answer = explain(text)
            return {name: value if name == "features" else value * weight[0] for name, value in answer.items()}

        return explain_text

    def fit(self, tokens, network, settings, seed, train, eval, classes, workdir, report, start):
        """As `components.training.loop.fit`: `history` is the family's."""
        own, keys = parts(tokens)
        wide, wide_tokenizer, _ = linear.fit(
            keys, _linear(network), settings, seed, train, eval, classes, workdir, lambda *_: None, ()
        )
        mended = linear.mended(train, _linear(network))
        deep, deep_tokenizer, history = loop.descend(
            self.family, own, network, settings, seed, mended, eval, classes, workdir, report, start
        )
        answers = [loop.answers(wide, wide_tokenizer, eval), loop.answers(deep, deep_tokenizer, eval)]
        weights, _ = calibration.fit(answers, eval.labels, with_offsets=False)
        model = self.build_network(tokens, network, classes)
        _deep(model).set_weights(deep.get_weights())
        model.get_layer("scores").set_weights(wide.get_weights())
        model.get_layer("mix").set_weights([weights.astype(np.float32)])
        return model, self.build_tokenizer(tokens, network), history


class Mix(layers.Layer):
    """The weighted sum of two tensors float32[batch, classes]; `weights` float32[2] start at 1."""

    def __init__(self, **keywords):
        super().__init__(dtype="float32", trainable=False, **keywords)
        self.parts = self.add_weight(f"{calibration.FITTED}parts", (2,), initializer="ones", trainable=False)

    def call(self, tensors):
        return self.parts[0] * tensors[0] + self.parts[1] * tensors[1]


class Trim(layers.Layer):
    """A dict of ids int32[batch, length] without the columns that are padding in every row of each, at least one."""

    def call(self, inputs):
        used = [
            tf.reduce_max(tf.reduce_sum(tf.cast(tf.not_equal(ids, 0), tf.int32), axis=1)) for ids in inputs.values()
        ]
        length = tf.maximum(tf.reduce_max(tf.stack(used)), 1)
        return {name: ids[:, :length] for name, ids in inputs.items()}


class BothTokenizer(tf.Module):
    """string[batch] to the family's dict and `"features"`, the linear part's ids, all padded to one length."""

    def __init__(self, deep: Callable, wide: ngrams.FeatureTokenizer):
        super().__init__(name="tokenizer")
        self.deep, self.wide = deep, wide

    def __call__(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        ids = {**self.deep(texts), FEATURES: self.wide(texts)["ids"]}
        length = tf.reduce_max(tf.stack([tf.shape(values)[1] for values in ids.values()]))
        return {name: tf.pad(values, [[0, 0], [0, length - tf.shape(values)[1]]]) for name, values in ids.items()}


def parts(tokens: Sequence[str]) -> tuple[list[str], list[str]]:
    """(the family's tokens, the linear part's) of a vocabulary."""
    keys = [token[len(KEY) :] for token in tokens if _is_key(token)]
    return [token for token in tokens if not _is_key(token)], [PADDING, UNKNOWN, *keys]


def _is_key(token: str) -> bool:
    return token.startswith(KEY) and token[len(KEY) :].isdigit()


def _linear(network: Mapping) -> dict:
    return {name: network.get(name, value) for name, value in linear.DEFAULTS.items()}


def _deep(model: tf_keras.Model) -> tf_keras.Model:
    """The family's network inside a model that `build_network` gave, calibrated or not."""
    return next(layer for layer in model.layers if isinstance(layer, tf_keras.Model))
