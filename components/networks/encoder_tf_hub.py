"""Encoders as TensorFlow Hub publishes them: a SavedModel from a dict to a dict, and another one that makes the dict from texts."""

import os
from pathlib import Path

import tensorflow as tf
import tensorflow_hub
import tensorflow_text  # noqa: F401, it makes the preprocessors' ops known

from components.core import paths
from components.data.text_ops import LONGEST_TEXT_BYTES, clean_tensor
from components.networks.encoder_address import preprocessor_of, split_address
from components.networks.encoder_errors import EncoderError, not_fetched
from components.tf_support import op_allowlist


def vocabulary_file(address: str, preprocessor: str = "") -> Path:
    """The path of the preprocessor's WordPiece vocabulary; the file may be missing."""
    assets = _folder(preprocessor_of(address, preprocessor)) / "assets"
    return next(iter(sorted(assets.glob("*.txt"))), assets / "vocab.txt")


class Preprocessor(tf.Module):
    """string[batch] to `{"ids": int32[batch, longest]}` by the encoder's own preprocessor, at most `length` ids a text."""

    def __init__(self, address: str, length: int, preprocessor: str = ""):
        super().__init__(name="tokenizer")
        self.length = length
        self.preprocessor = tf.saved_model.load(str(_folder(preprocessor_of(address, preprocessor))))

    def __call__(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        pieces = self.preprocessor.tokenize(clean_tensor(tf.strings.substr(texts, 0, LONGEST_TEXT_BYTES)))
        ids = self.preprocessor.bert_pack_inputs([pieces], tf.constant(self.length))["input_word_ids"]
        longest = tf.reduce_max(tf.reduce_sum(tf.cast(ids != 0, tf.int32), axis=1))
        return {"ids": tf.cast(ids, tf.int32)[:, :longest]}


def outputs(address: str, ids, mask, trained: str) -> dict:
    """The encoder's outputs; see `encoder.outputs`. All of it is trained, or none."""
    if trained not in ("none", "all"):
        raise EncoderError(
            f"of a hub: encoder all layers are trained or none. Received: {address}, trained={trained!r}"
        )
    layer = tensorflow_hub.KerasLayer(
        str(_folder(split_address(address)[1])), trainable=trained == "all", name="encoder"
    )
    answer = layer({"input_word_ids": ids, "input_mask": mask, "input_type_ids": tf.zeros_like(ids)})
    if not isinstance(answer, dict) or not {"pooled_output", "sequence_output"} <= set(answer):
        raise EncoderError(f"a hub: encoder must return pooled_output and sequence_output. Received: {address}")
    return {
        "sequence_output": answer["sequence_output"],
        "encoder_outputs": list(answer.get("encoder_outputs") or [answer["sequence_output"]]),
        "pooled_output": answer["pooled_output"],
        "default": answer.get("default", answer["pooled_output"]),
        "attentions": [],
    }


def _folder(where: str) -> Path:
    """A SavedModel folder, downloaded first where it is an address. Its operations are checked before anything loads it.

    Raises:
        EncoderError: not fetchable, no SavedModel, or one that could use files or call Python.
    """
    if not where.startswith("/"):
        os.environ["TFHUB_CACHE_DIR"] = str(paths.home() / "encoders")
        try:
            where = tensorflow_hub.resolve(where)
        except Exception as error:  # URL, TLS and archive errors of several libraries
            raise EncoderError(not_fetched(f"hub:{where}", error, "hub:/folder")) from None
    if not Path(where, "saved_model.pb").is_file():
        raise EncoderError(
            f"a hub: encoder is a SavedModel folder with its preprocessor in preprocess/. Received: {where}"
        )
    faults, _ = op_allowlist.operations(Path(where))
    if faults:
        raise EncoderError(
            f"{where}: {'; '.join(faults)}. A pure operation may be added to components/tf_support/op_allowlist.py, after review"
        )
    return Path(where)
