"""A pre-trained encoder with a small head, after the lesson's BERT from TensorFlow Hub: frozen or fine-tuned.

Text:    the encoder's own tokenizer (`encoder.tokenizer`); its vocabulary is not adapted.
Network: encoder, pooling, dropout, dense. The model is two models, `body` (ids to features) and `head` (features to logits):
         where the body has nothing to train, training computes its features once.
Keys:    encoder (an address, see `encoder`), preprocessor (of a hub: encoder, where it is not the published one: hub:…), length (tokens with [CLS] and [SEP]), pooling ("pooled_output", "default",
         "cls", "mean", "mean+max", or "layers": the mean over tokens and the last four layers), trained ("none", "top N",
         "layers", "all"), hidden (units before the last layer, 0: none), dropout (the head's), encoder_dropout,
         word_dropout (share of tokens behind [MASK] in a training step).

Source: Devlin et al. 2018 (arXiv 1810.04805); MiniLM, Wang et al. 2020 (arXiv 2002.10957).
"""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf
import tf_keras

from components.networks import encoder, encoder_huggingface
from components.networks.layers import Pooling, attention_map
from components.training.search_space import DESCENT, Between

POOLINGS = ("pooled_output", "default", "cls", "mean", "mean+max", "layers")
SPACE = {**DESCENT, "network.dropout": Between(0.0, 0.4)}


def build_vocabulary(texts: tf.data.Dataset, network: Mapping) -> list[str]:
    """The encoder's tokens; the texts are not looked at."""
    return encoder.vocabulary(str(network["encoder"]), str(network.get("preprocessor", "")))


def build_tokenizer(tokens: Sequence[str], network: Mapping) -> tf.Module:
    """string[batch] to `{"ids": int32[batch, tokens]}`."""
    preprocessor = str(network.get("preprocessor", ""))
    return encoder.tokenizer(str(network["encoder"]), tokens, int(network["length"]), preprocessor)


def build_network(tokens: Sequence[str], network: Mapping, classes: int) -> tf_keras.Model:
    """`{"ids": int32[batch, tokens]}` to float32 logits [batch, classes]."""
    ids = tf_keras.Input((None,), dtype="int32", name="ids")
    seen = encoder.masked_ids(ids, tokens, float(network["word_dropout"]))
    answers = encoder.outputs(str(network["encoder"]), seen, str(network["trained"]), float(network["encoder_dropout"]))
    features = tf.cast(_pooled(answers, tf.not_equal(ids, 0), str(network["pooling"])), tf.float32)
    body = tf_keras.Model({"ids": ids}, features, name="body")
    if network["trained"] == "none":
        body.trainable = False
    head = encoder.build_head(features.shape[-1], classes, int(network["hidden"]), float(network["dropout"]))
    return tf_keras.Model({"ids": ids}, head(body({"ids": ids})), name="bert")


def build_explainer(model: tf_keras.Model, tokens: Sequence[str], network: Mapping) -> Callable | None:
    """The last layer's heads; None for a hub encoder, which keeps them to itself."""
    weights = encoder_huggingface.last_attention(model.get_layer("body"))
    if weights is None:
        return None
    return lambda inputs: attention_map(weights(inputs, training=False), inputs["ids"], tokens)


def _pooled(answers: Mapping, mask, kind: str):
    if kind in ("pooled_output", "default"):
        return answers[kind]
    if kind == "cls":
        return answers["sequence_output"][:, 0]
    if kind == "layers":
        last = answers["encoder_outputs"][-4:]
        return Pooling("mean", name="pooling")(tf.add_n(last) / len(last), mask=mask)
    if kind not in POOLINGS:
        raise ValueError(f"A pooling is one of {', '.join(POOLINGS)}. Received: pooling={kind!r}")
    return Pooling(kind, name="pooling")(answers["sequence_output"], mask=mask)
