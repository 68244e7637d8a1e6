"""What the presets are measured beside: the script that one would write in a quarter of an hour, and fastText.

fastText is in no lock of ours: it gets an environment of its own in `NEWSDESK_HOME/bench/fasttext`, from the package index.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from components.core import paths
from components.data.text_ops import clean_tensor, split_words_and_marks

ASKED = 200  # texts asked one by one
SVC, FASTTEXT = "TF-IDF (1,2) + LinearSVC", "fastText, pairs of words"
SETTINGS = {
    SVC: {"ngram_range": [1, 2], "sublinear_tf": True, "min_df": 2, "C": 0.5},
    # Those of its authors for AG News (Joulin et al. 2016); one thread, so that a seed repeats.
    FASTTEXT: {"dim": 10, "lr": 0.25, "wordNgrams": 2, "minCount": 1, "bucket": 10_000_000, "epoch": 5, "thread": 1},
}
PACKAGES = ("fasttext-wheel==0.9.2", "numpy<2")  # for Python up to 3.11


def svc(rows: dict, scored: Callable, seed: int) -> dict:
    """With its usual settings; it has no seed."""
    used = time.process_time()
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    machine = LinearSVC(C=0.5, dual=True, random_state=0)
    machine.fit(vectorizer.fit_transform([text.decode() for text in rows["train"][0]]), rows["train"][1])
    used = time.process_time() - used

    def ask(texts):
        return machine.decision_function(vectorizer.transform([text.decode() for text in texts]))

    started = [_timed(lambda one=text: ask([one])) for text in rows["test"][0][:ASKED]]
    size = (machine.coef_.nbytes + sum(len(word) + 8 for word in vectorizer.vocabulary_)) / 1e6
    evaluated = float((ask(rows["eval"][0]).argmax(axis=1) == rows["eval"][1]).mean())
    return {**scored(ask, rows), "ece": None, "eval": evaluated, "seconds": used, "p50": statistics.median(started),
            "size": size}  # fmt: skip


def _timed(ask) -> float:
    started = time.perf_counter()
    ask()
    return (time.perf_counter() - started) * 1000


def fasttext(rows: dict, scored: Callable, seed: int) -> dict | None:
    """Over the words and marks that the linear preset reads; None, with a line why, where it cannot be installed."""
    python = paths.ensure() / "bench" / "fasttext" / "bin" / "python"
    try:
        if not python.exists():
            venv.create(python.parents[1], with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    except subprocess.CalledProcessError as error:
        print(f"fastText cannot be installed here, so it has no row: {error}", file=sys.stderr)
        return None
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        texts = {split: spaced(rows[split][0]) for split in rows}
        texts["clean"] = spaced(clean_tensor(tf.constant(rows["test"][0])).numpy())
        for name, lines in texts.items():
            if name == "train":
                lines = [f"__label__{label} {line}" for label, line in zip(rows["train"][1], lines, strict=True)]
            (folder / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
        call = [
            python,
            Path(__file__).with_name("fasttext_peer.py"),
            work,
            json.dumps({**SETTINGS[FASTTEXT], "seed": seed}),
        ]
        took = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        answers = {name: np.load(folder / f"{name}.npy") for name in ("eval", "test", "clean")}
    evaluated = float((answers["eval"].argmax(axis=1) == rows["eval"][1]).mean())
    asked = iter((answers["test"], answers["clean"]))  # in the order in which `scored` asks
    return {**scored(lambda _: next(asked), rows), "eval": evaluated, **took}


def spaced(texts: np.ndarray) -> list[str]:
    """Words and marks with a blank between, one line a text."""
    joined = tf.strings.reduce_join(split_words_and_marks(tf.constant(texts)), axis=1, separator=" ")
    return [text.decode() for text in joined.numpy()]


MEASURES = {SVC: svc, FASTTEXT: fasttext}
SEEDLESS = (SVC,)
