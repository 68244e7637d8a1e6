"""Writes a TensorFlow Hub pair as its publisher makes it: a small BERT with random weights, and its preprocessor.

It needs an environment of its own with `tf-models-official`, whose pins no environment of this project can hold:

    uv venv hub && uv pip install --python hub/bin/python tf-models-official==2.16.0 tensorflow==2.16.2 tensorflow-text==2.16.1 \
        tf-keras==2.16.0 'setuptools<81'
    TF_USE_LEGACY_KERAS=1 hub/bin/python tests/export_hub_pair.py FOLDER VOCABULARY.txt [LAYERS WIDTH HEADS]

`hub:FOLDER` is then an encoder; its preprocessor is in FOLDER/preprocess.
"""

import sys
import tempfile
from pathlib import Path

import tensorflow as tf
from official.legacy.bert import configs
from official.nlp.tools import export_tfhub_lib


def export(folder: Path, vocabulary: Path, layers: int = 4, width: int = 128, heads: int = 2) -> None:
    """Writes both SavedModels with the publisher's own functions."""
    tokens = vocabulary.read_text(encoding="utf-8").rstrip("\n").split("\n")
    config = configs.BertConfig(
        vocab_size=len(tokens), hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * width,
    )  # fmt: skip
    tf.keras.utils.set_random_seed(5)
    with tempfile.TemporaryDirectory() as place:
        _, encoder = export_tfhub_lib._create_model(bert_config=config, encoder_config=None, with_mlm=False)
        saved = tf.train.Checkpoint(model=encoder, encoder=encoder).save(f"{place}/checkpoint")
        export_tfhub_lib.export_model(
            str(folder), bert_config=config, model_checkpoint_path=saved, with_mlm=False,
            vocab_file=str(vocabulary), do_lower_case=True,
        )  # fmt: skip
    export_tfhub_lib.export_preprocessing(
        str(folder / "preprocess"), vocab_file=str(vocabulary), do_lower_case=True, tokenize_with_offsets=False,
        default_seq_length=128,
    )  # fmt: skip


if __name__ == "__main__":
    export(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute(), *map(int, sys.argv[3:6]))
