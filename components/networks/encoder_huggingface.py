"""Encoders in Hugging Face's form: the folder, its WordPiece tokenizer as graph ops, its TensorFlow model with its weights."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text as text
import tf_keras

from components.core import paths
from components.data.text_ops import LONGEST_TEXT_BYTES, clean_tensor
from components.networks.encoder_address import split_address
from components.networks.encoder_content import FILES, package_folder
from components.networks.encoder_errors import EncoderError, not_fetched

# The same array's names in PyTorch and TensorFlow.
_WORDS = ("word_embeddings.weight", "word_embeddings/weight:0")


def folder_of(address: str) -> Path:
    """The folder of a `pkg:` or `hf:` encoder, downloaded first where the address is a name on the hub.

    Raises:
        EncoderError: not installed, no such folder, or not fetchable.
    """
    kind, where = split_address(address)
    if kind == "pkg":
        return package_folder(address)
    if where.startswith("/"):
        if not Path(where, "config.json").is_file():
            raise EncoderError(f"an hf: folder holds config.json, vocab.txt and weights. Received: {address}")
        return Path(where)
    from huggingface_hub import snapshot_download

    name, _, revision = where.partition("@")
    kept = paths.home() / "encoders"
    try:
        return Path(snapshot_download(name, revision=revision or None, cache_dir=kept, allow_patterns=FILES))
    except Exception as error:  # the hub's client raises what its HTTP library raises
        raise EncoderError(not_fetched(address, error, "hf:/folder")) from None


class WordPiece(tf.Module):
    """string[batch] to `{"ids": int32[batch, longest]}`, [CLS] … [SEP], at most `length` ids a text.

    Gives the same ids as transformers' BertTokenizer, by ops that can be exported (those of tensorflow_text).
    """

    def __init__(self, address: str, tokens: Sequence[str], length: int, start: str, end: str):
        super().__init__(name="tokenizer")
        tokens = list(tokens)
        self.length, self.start, self.end = length, tokens.index(start), tokens.index(end)
        self.pieces = text.FastBertTokenizer(
            tokens, token_out_type=tf.int32, lower_case_nfd_strip_accents=_lower_case(address)
        )

    def __call__(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        pieces = self.pieces.tokenize(clean_tensor(tf.strings.substr(texts, 0, LONGEST_TEXT_BYTES)))
        pieces = pieces.merge_dims(1, -1)[:, : self.length - 2]
        ends = tf.ones([pieces.nrows(), 1], tf.int32)
        return {"ids": tf.concat([ends * self.start, pieces, ends * self.end], axis=1).to_tensor(0)}


def load(address: str, mapping: str, dropout: float, **settings):
    """A TensorFlow model of transformers with the folder's weights.

    mapping: the table of transformers that names the class, such as "TF_MODEL_MAPPING".

    Raises:
        EncoderError: the architecture has no such class, or the weights do not fit it.
    """
    import transformers

    folder = folder_of(address)
    rates = ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout")
    config = transformers.AutoConfig.from_pretrained(folder, **settings)
    for rate in rates:
        if hasattr(config, rate):
            setattr(config, rate, dropout)
    classes = getattr(transformers, mapping)
    if type(config) not in classes:
        raise EncoderError(
            f"an encoder needs a TensorFlow class in transformers {transformers.__version__}; {config.model_type} has none "
            f"there (BERT, DistilBERT, ELECTRA, MobileBERT and others have). Received: {address}"
        )
    model = classes[type(config)](config)
    model(model.dummy_inputs)
    if (folder / "model.safetensors").is_file():
        missing = _load_safetensors(model, folder / "model.safetensors")
        if missing:
            raise EncoderError(f"the weights must fit the architecture. Received: {address}, missing={missing[:3]}")
    elif (folder / "tf_model.h5").is_file():
        model.load_weights(folder / "tf_model.h5", by_name=True, skip_mismatch=False)
    else:
        raise EncoderError(
            f"weights are read from model.safetensors or tf_model.h5, never from a pickle. Received: {address}"
        )
    return model


def piece_vectors(address: str) -> np.ndarray:
    """The word embeddings of the folder's `model.safetensors`, float32[pieces, width].

    Raises:
        EncoderError: no such file, or not exactly one array of that name in it.
    """
    from safetensors import safe_open

    path = folder_of(address) / "model.safetensors"
    if not path.is_file():
        raise EncoderError(f"word vectors are read from model.safetensors. Received: {address}, which has none")
    with safe_open(path, framework="np") as opened:
        names = [name for name in opened.keys() if name.endswith(_WORDS)]  # noqa: SIM118  # it has no iterator
        if len(names) != 1:
            raise EncoderError(f"an encoder has one array of word vectors. Received: {address} with {names}")
        return opened.get_tensor(names[0]).astype(np.float32)


def freeze(model, trained: str) -> None:
    """Freezes a transformers model except for what `trained` names: "none", "top N" layers, "layers" or "all"."""
    base = getattr(model, model.base_model_prefix)
    if trained == "none":
        base.trainable = False
    elif trained != "all":
        base.embeddings.trainable = False
        stack = getattr(base, "encoder", None) or base.transformer
        layers = stack.layer
        for layer in layers[: 0 if trained == "layers" else max(0, len(layers) - int(trained.split()[1]))]:
            layer.trainable = False


def last_attention(model: tf_keras.Model) -> tf_keras.Model | None:
    """From ids to float[batch, heads, tokens, tokens] of the encoder's last layer; None for an encoder without attentions."""
    for layer in model.layers:
        attentions = getattr(layer.output, "attentions", None)
        if attentions:
            return tf_keras.Model(model.input, attentions[-1])
    return None


def _load_safetensors(model, path: Path) -> list[str]:
    """Loads the file into the model; returns the base's weights that the file lacks or has in another shape.

    `from_pretrained` itself fails on such files with this version of safetensors.
    """
    from safetensors import safe_open
    from safetensors.numpy import load_file
    from transformers.modeling_tf_pytorch_utils import load_pytorch_state_dict_in_tf2_model

    arrays = load_file(path)
    with safe_open(path, framework="np") as opened:
        written_by = (opened.metadata() or {}).get("format", "pt")
    if written_by == "tf":
        # The file's names are those of the variables, without the model's prefix.
        weights = {weight.name.split("/", 1)[1]: weight for weight in model.weights}
        missing = [name for name, weight in weights.items() if getattr(arrays.get(name), "shape", None) != weight.shape]
        for name in set(weights) - set(missing):
            weights[name].assign(arrays[name])
    else:
        _, loaded = load_pytorch_state_dict_in_tf2_model(
            model,
            arrays,
            tf_inputs=model.dummy_inputs,
            allow_missing_keys=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
        missing = [*loaded["missing_keys"], *(str(key[0]) for key in loaded["mismatched_keys"])]
    return [name for name in missing if "classifier" not in name and "pooler" not in name]


def _lower_case(address: str) -> bool:
    path = folder_of(address) / "tokenizer_config.json"
    return bool(json.loads(path.read_text(encoding="utf-8")).get("do_lower_case", True)) if path.is_file() else True
