"""The linear preset's exported scores beside scikit-learn's arithmetic on every test row.

    .venv/bin/python tests/benchmarks/linear_parity.py SOURCE

SOURCE as in `models.py`. scikit-learn counts the features (as strings), weighs and scales them with its own `TfidfTransformer`,
fitted on the same train rows; the weights are the fitted machine's. Prints the largest difference of a score, and how many rows
get another label; ends with an error where a score differs by more than `MOST`.
"""

import components  # noqa: F401  # before TensorFlow: it chooses Keras 2

# isort: split
import itertools
import sys
import tempfile
from pathlib import Path

import models
import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from components.data import ngrams
from components.data.text_ops import split_words_and_marks
from components.models import linear
from components.training import loop, vocabulary
from pipelines.config.presets import PRESETS

BATCH = 4096
MOST = 1e-6


def named(texts: np.ndarray) -> list[list[str]]:
    """Words and marks of each text, then its pairs of neighbours, as strings."""
    rows = []
    for start in range(0, len(texts), BATCH):
        for words in split_words_and_marks(texts[start : start + BATCH]).numpy():
            words = [word.decode() for word in words]
            rows.append([*words, *(f"{left} {right}" for left, right in itertools.pairwise(words))])
    return rows


def main(source: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = models.rows_of(Path(source), Path(folder))
    preset, (texts, truth) = PRESETS["linear"], rows["test"]
    tokens = vocabulary.adapt("linear", preset.network, rows["train"][0])
    model, tokenizer, _ = loop.fit(
        linear, tokens, preset.network, {**preset.training, "calibrate": "none"}, 1, rows["train"], rows["eval"], 4, ""
    )
    ours = loop.answers(model, tokenizer, texts)

    features = named(texts)
    ids = dict(
        zip(itertools.chain(*features), np.concatenate([tokenizer.ragged(texts[at : at + BATCH]).flat_values.numpy() for at in range(0, len(texts), BATCH)]))
    )  # fmt: skip
    known = sorted(name for name, number in ids.items() if number > 1)
    count = CountVectorizer(analyzer=lambda row: row, vocabulary=known)
    train = count.transform(named(ngrams.mend(rows["train"][0], preset.network["mended"])))
    values = TfidfTransformer(sublinear_tf=True).fit(train).transform(count.transform(features))
    table, bias = (weight.astype(float) for weight in model.get_weights())
    table = table[[ids[name] for name in known]]
    theirs = values @ (table[:, :-1] / np.sqrt(table[:, -1:])) + bias
    other = int((ours.argmax(axis=1) != theirs.argmax(axis=1)).sum())
    difference = np.abs(ours - theirs).max()
    print(f"{len(truth):,} rows: largest difference {difference:.1e}, {other} labels differ, "
          f"accuracy {(ours.argmax(axis=1) == truth).mean():.4f}")  # fmt: skip
    if difference > MOST:
        raise SystemExit(f"a score may differ by {MOST:g} at most. Received: {difference:.1e}")


if __name__ == "__main__":
    main(sys.argv[1])
