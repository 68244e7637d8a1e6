"""Tiny real encoders on disk: folders in Hugging Face's form, and a TensorFlow Hub SavedModel with its preprocessor."""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text as text
import transformers

TOKENS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "troops",
    "minister",
    "treaty",
    "border",
    "election",
    "striker",
    "goal",
    "coach",
    "season",
    "league",
    "shares",
    "profit",
    "bank",
    "merger",
    "oil",
    "software",
    "chip",
    "browser",
    "orbit",
    "robot",
    "##s",
    "x",
    "only",
    "words",
    "unheard",
    "-",
    "of",
]
SIZE = {
    "vocab_size": len(TOKENS),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 24,
    "initializer_range": 0.3,
}


def huggingface(folder: Path, model=None, tokens=TOKENS) -> str:
    """Writes a folder of config, vocabulary and weights (of a small BERT by default); returns its address."""
    if model is None:
        tf.keras.utils.set_random_seed(3)
        model = transformers.TFBertModel(transformers.BertConfig(**SIZE))
    model(tf.constant([[2, 5, 3]]))
    model.save_pretrained(folder, safe_serialization=True)
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    return f"hf:{folder}"


class _Preprocessor(tf.Module):
    """What TensorFlow Hub's BERT preprocessors offer: a call, `tokenize` and `bert_pack_inputs`."""

    def __init__(self, vocabulary: Path):
        super().__init__()
        self.asset = tf.saved_model.Asset(str(vocabulary))
        lookup = tf.lookup.TextFileInitializer(
            self.asset, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        self.table = tf.lookup.StaticVocabularyTable(lookup, 1)
        self.pieces = text.BertTokenizer(self.table, token_out_type=tf.int32, lower_case=True)
        self.tokenize = tf.function(self._tokenize, input_signature=[tf.TensorSpec([None], tf.string)])
        rows = tf.RaggedTensorSpec([None, None, None], tf.int32)
        self.bert_pack_inputs = tf.function(self._pack, input_signature=[[rows], tf.TensorSpec([], tf.int32)])

    def _tokenize(self, texts):
        return self.pieces.tokenize(texts)

    def _pack(self, segments, seq_length):
        pieces = segments[0].merge_dims(1, -1)[:, : seq_length - 2]
        ends = tf.ones([pieces.nrows(), 1], tf.int32)
        ids = tf.concat([2 * ends, pieces, 3 * ends], axis=1).to_tensor(0)
        ids = tf.pad(ids, [[0, 0], [0, seq_length - tf.shape(ids)[1]]])
        mask = tf.cast(ids != 0, tf.int32)
        return {"input_word_ids": ids, "input_mask": mask, "input_type_ids": tf.zeros_like(ids)}


class _Encoder(tf.__internal__.tracking.AutoTrackable):
    """What its BERT encoders offer: a dict to a dict, and the attributes by which `hub.KerasLayer` finds what to train."""

    def __init__(self):
        random = tf.random.Generator.from_seed(5)
        self.embeddings = tf.Variable(random.normal([len(TOKENS), 8]), name="embeddings")
        self.dense = tf.Variable(random.normal([8, 8]), name="dense")
        self.variables = self.trainable_variables = [self.embeddings, self.dense]
        self.regularization_losses = []

    @tf.function
    def __call__(self, inputs, training=False):
        embedded = tf.gather(self.embeddings, inputs["input_word_ids"])
        sequence = tf.nn.tanh(embedded @ self.dense) * tf.cast(inputs["input_mask"], tf.float32)[:, :, tf.newaxis]
        pooled = tf.nn.tanh(tf.reduce_sum(sequence, axis=1))
        return {
            "sequence_output": sequence,
            "encoder_outputs": [embedded, sequence],
            "pooled_output": pooled,
            "default": pooled,
        }


def hub(folder: Path) -> str:
    """Writes a SavedModel encoder and its preprocessor; returns the address."""
    vocabulary = folder / "vocab.txt"
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary.write_text("\n".join(TOKENS) + "\n")
    encoder = _Encoder()
    names = ("input_word_ids", "input_mask", "input_type_ids")
    asked = {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in names}
    for training in (False, True):
        encoder.__call__.get_concrete_function(asked, training=training)
    tf.saved_model.save(encoder, str(folder))
    tf.saved_model.save(_Preprocessor(vocabulary), str(folder / "preprocess"))
    return f"hub:{folder}"


def rows(*texts: str) -> np.ndarray:
    """Texts as training takes them."""
    return np.array([text.encode() for text in texts], dtype=object)
