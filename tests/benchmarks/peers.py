"""The yardsticks, each a process of its own that ends with a line of JSON on standard output.

    .venv/bin/python tests/benchmarks/peers.py notebook FOLDER --model MODEL    the lesson's training cell, one epoch
    .venv/bin/python tests/benchmarks/peers.py tfidf FOLDER                     TF-IDF and a linear SVM
    .venv/bin/python tests/benchmarks/peers.py local SOURCE …                   TFX's LocalDagRunner over our nodes
    .venv/bin/python tests/benchmarks/peers.py classify OURS MODEL FOLDER       one text at a time, ours and the notebook's in turn

FOLDER holds `train*.csv` and `test*.csv` in AG News's form. MODEL is a folder that `notebook` writes and `classify` reads.
"""

import argparse
import csv
import json
import random
import shlex
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

WARM_UP, ASKED = 20, 500  # texts a model is asked before counting starts, and those counted
LESSON = {"words": 20_000, "length": 256, "width": 32, "heads": 2, "feed_forward": 32, "hidden": 20, "dropout": 0.1}


def rows_of(path: Path) -> list[list[str]]:
    """Label, title and description of each row of a CSV file; a header is left out."""
    with open(path, newline="", encoding="utf-8") as file:
        return [row[:3] for row in csv.reader(file) if row[0].isdigit()]


def read(folder: Path, split: str) -> tuple[list[str], list[int]]:
    """Texts (title and description with a space between) and labels from 0 of one split, train rows in random order."""
    rows = [row for path in sorted(folder.glob(f"{split}*.csv")) for row in rows_of(path)]
    if not rows:
        raise SystemExit(f"a folder to measure on must hold {split}*.csv. Received: {folder}")
    if split == "train":
        random.Random(1).shuffle(rows)
    return [f"{row[1]} {row[2]}" for row in rows], [int(row[0]) - 1 for row in rows]


def notebook(folder: Path, model_dir: Path | None) -> dict:
    """The training cell of Microsoft's AI-for-Beginners lesson on transformers, typed anew from its description, for one epoch.

    Everything as there: the vocabulary is adapted text by text, words are looked up within the training step, padding is
    not masked, batch 128, Adam, and the test rows validate. `cell_wall` is the whole cell; `epoch_wall` its call of `fit`;
    `train_wall` that call up to the validation, from which `rows_per_second` comes.
    """
    import components  # noqa: F401  # before TensorFlow: it chooses Keras 2

    # isort: split
    import numpy as np
    import tensorflow as tf
    import tf_keras

    def dataset(split):
        texts, labels = read(folder, split)
        texts = tf.data.Dataset.from_tensor_slices(np.array(texts, object))
        return texts, tf.data.Dataset.zip((texts, tf.data.Dataset.from_tensor_slices(labels))).batch(128), labels

    texts, pairs, labels = dataset("train")
    _, test, _ = dataset("test")
    trained = []
    seen = tf_keras.callbacks.LambdaCallback(on_test_begin=lambda logs: trained.append(time.monotonic()))
    started, used = time.monotonic(), time.process_time()
    model = lesson_network(texts, classes=max(labels) + 1)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    adapted = time.monotonic()
    history = model.fit(pairs, epochs=1, verbose=0, validation_data=test, callbacks=[seen]).history
    ended, cpu = time.monotonic(), time.process_time() - used
    if model_dir:
        export(model, model_dir)
    return {
        "cell_wall": round(ended - started, 2), "cell_cpu": round(cpu, 2), "epoch_wall": round(ended - adapted, 2),
        "train_wall": round(trained[0] - adapted, 2), "rows": len(labels),
        "rows_per_second": round(len(labels) / (trained[0] - adapted), 1),
        "accuracy": round(history["val_accuracy"][0], 4), "parameters": model.count_params(),
    }  # fmt: skip


def lesson_network(words, classes: int):
    """The lesson's model, its vocabulary adapted to `words`, a dataset of texts.

    string[batch] to float32 probabilities [batch, classes]; 659,592 parameters with 4 classes and a full vocabulary.
    """
    import tensorflow as tf
    import tf_keras

    layers, size = tf_keras.layers, LESSON
    vectorize = layers.TextVectorization(max_tokens=size["words"], output_sequence_length=size["length"])
    vectorize.adapt(words)

    class TokenAndPositionEmbedding(layers.Layer):
        def __init__(self):
            super().__init__()
            self.tokens = layers.Embedding(size["words"], size["width"])
            self.positions = layers.Embedding(size["length"], size["width"])

        def call(self, ids):
            return self.tokens(ids) + self.positions(tf.range(tf.shape(ids)[-1]))

    class TransformerBlock(layers.Layer):
        def __init__(self):
            super().__init__()
            self.attention = layers.MultiHeadAttention(size["heads"], key_dim=size["width"])
            self.wide = layers.Dense(size["feed_forward"], activation="relu")
            self.narrow = layers.Dense(size["width"])
            self.norms = [layers.LayerNormalization(epsilon=1e-6) for _ in range(2)]
            self.dropouts = [layers.Dropout(size["dropout"]) for _ in range(2)]

        def call(self, values, training=None):
            attended = self.dropouts[0](self.attention(values, values), training=training)
            values = self.norms[0](values + attended)
            fed = self.dropouts[1](self.narrow(self.wide(values)), training=training)
            return self.norms[1](values + fed)

    return tf_keras.Sequential(
        [
            tf_keras.Input((), dtype=tf.string),
            vectorize,
            TokenAndPositionEmbedding(),
            TransformerBlock(),
            layers.GlobalAveragePooling1D(),
            layers.Dropout(size["dropout"]),
            layers.Dense(size["hidden"], activation="relu"),
            layers.Dropout(size["dropout"]),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def export(model, folder: Path) -> None:
    """A SavedModel with the same signature as ours: `classify`, `text` string[batch] to `probabilities`."""
    import tensorflow as tf

    module = tf.Module()
    module.model = model

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def classify(text):
        return {"probabilities": model(text, training=False)}

    tf.saved_model.save(module, str(folder), signatures={"classify": classify})


def tfidf(folder: Path) -> dict:
    """TF-IDF of words and word pairs with a linear SVM, both as scikit-learn has them."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    texts, labels = read(folder, "train")
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LinearSVC()).fit(texts, labels)
    test, truth = read(folder, "test")
    return {"rows": len(texts), "accuracy": round(float(model.score(test, truth)), 4)}


def local(source: str, preset: str, overrides: str) -> dict:
    """TFX's own LocalDagRunner over the nodes of a run, one after the other in this process, in the state folder NEWSDESK_HOME.

    A first run of a line has no champion, and a bag no baseline; our door skips those nodes, so they are marked as skipped
    in the compiled pipeline, which the runner honours.
    """
    from pipelines import retraining, run_node
    from pipelines.config import run_config
    from pipelines.runner import runs  # news: before TensorFlow, it imports components first

    # isort: split
    from tfx.dsl.compiler import compiler
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner

    from pipelines.flow import FLOW

    request = run_config.Request(source=source, preset=preset, set=run_config.parse_overrides(shlex.split(overrides)))
    record = runs.open_run("bench-local", request)
    try:
        compiled = compiler.Compiler().compile(retraining.pipeline(record))
        skipped = {node.name for node in FLOW if not node.blessed and run_node._skip(record, node)}
        for node in compiled.nodes:
            if node.pipeline_node.node_info.id in skipped:
                node.pipeline_node.execution_options.skip.SetInParent()
        LocalDagRunner().run_with_ir(compiled)
    finally:
        outcome = runs.close_run(record["run"])
    return {
        "state": outcome["state"],
        "accuracy": (outcome.get("metrics") or {}).get("accuracy"),
        "skipped": sorted(skipped),
    }


def classify(ours: Path, notebook_model: Path, folder: Path) -> dict:
    """Milliseconds for one text, in one process, the two models asked in turn with the same texts."""
    import tensorflow as tf

    models = {name: tf.saved_model.load(str(path)) for name, path in (("ours", ours), ("notebook", notebook_model))}
    ask = {name: model.signatures["classify"] for name, model in models.items()}
    texts = read(folder, "test")[0][: WARM_UP + ASKED]
    taken = {name: [] for name in models}
    for text in texts:
        for name in models:
            started = time.perf_counter()
            ask[name](text=tf.constant([text]))["probabilities"].numpy()
            taken[name].append((time.perf_counter() - started) * 1000)
    counted = {name: values[WARM_UP:] for name, values in taken.items()}
    return {
        **{f"{name}_p50_ms": round(statistics.median(values), 3) for name, values in counted.items()},
        **{f"{name}_p99_ms": round(statistics.quantiles(values, n=100)[98], 3) for name, values in counted.items()},
        "texts": min(map(len, counted.values())),
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="The yardsticks of the benchmark.")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("notebook")
    one.add_argument("folder", type=Path)
    one.add_argument("--model", type=Path)
    commands.add_parser("tfidf").add_argument("folder", type=Path)
    one = commands.add_parser("local")
    one.add_argument("source")
    one.add_argument("--preset", default="transformer")
    one.add_argument("--set", default="")
    one = commands.add_parser("classify")
    for name in ("ours", "model", "folder"):
        one.add_argument(name, type=Path)
    args = parser.parse_args(argv)
    if args.command == "notebook":
        told = notebook(args.folder, args.model)
    elif args.command == "tfidf":
        told = tfidf(args.folder)
    elif args.command == "local":
        told = local(args.source, args.preset, args.set)
    else:
        told = classify(args.ours, args.model, args.folder)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
