"""A sequence classifier of transformers, by its hub's name or a folder: BERT, DistilBERT, or any other with a TensorFlow class.

Text:    the folder's own WordPiece vocabulary (`encoder_huggingface.WordPiece`).
Network: the architecture's own classification head over its base, attention masked, logits. The head is new unless the folder
         is a classifier of as many classes.
Keys:    encoder ("hf:NAME", "hf:/folder" or "pkg:NAME"), length (tokens with [CLS] and [SEP]), trained ("none" freezes the
         base, "top N", "layers", "all"), dropout (everywhere in the architecture), word_dropout (share behind [MASK]).

Source: Wolf et al. 2020 (arXiv 1910.03771).
"""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf
import tf_keras

from components.networks import encoder, encoder_huggingface
from components.networks.encoder_address import split_address
from components.networks.encoder_errors import EncoderError
from components.networks.layers import attention_map
from components.training.search_space import DESCENT, Between

SPACE = {**DESCENT, "network.dropout": Between(0.0, 0.4)}


def build_vocabulary(texts: tf.data.Dataset, network: Mapping) -> list[str]:
    """The encoder's tokens; the texts are not looked at."""
    return encoder.vocabulary(_address(network))


def build_tokenizer(tokens: Sequence[str], network: Mapping) -> tf.Module:
    """string[batch] to `{"ids": int32[batch, tokens]}`."""
    return encoder.tokenizer(_address(network), tokens, int(network["length"]))


def build_network(tokens: Sequence[str], network: Mapping, classes: int) -> tf_keras.Model:
    """`{"ids": int32[batch, tokens]}` to float32 logits [batch, classes]."""
    ids = tf_keras.Input((None,), dtype="int32", name="ids")
    seen = encoder.masked_ids(ids, tokens, float(network["word_dropout"]))
    classifier = encoder_huggingface.load(
        _address(network), "TF_MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING", float(network["dropout"]), num_labels=classes,
        output_attentions=True,
    )  # fmt: skip
    encoder_huggingface.freeze(classifier, str(network["trained"]))
    answer = classifier({"input_ids": seen, "attention_mask": tf.cast(tf.not_equal(ids, 0), tf.int32)})
    return tf_keras.Model({"ids": ids}, tf.cast(answer.logits, tf.float32), name="hf-classifier")


def build_explainer(model: tf_keras.Model, tokens: Sequence[str], network: Mapping) -> Callable | None:
    """The last layer's heads."""
    weights = encoder_huggingface.last_attention(model)
    if weights is None:
        return None
    return lambda inputs: attention_map(weights(inputs, training=False), inputs["ids"], tokens)


def _address(network: Mapping) -> str:
    address = str(network["encoder"])
    if split_address(address)[0] == "hub":
        raise EncoderError(
            f"hf-classifier takes hf: or pkg: encoders; the family bert takes hub: ones. Received: {address}"
        )
    return address
