"""What the presets are measured beside: the script that one would write in a quarter of an hour, and fastText.

fastText is in no lock of ours: `measured` makes an environment of its own for it, in a temporary folder, from the package index.
"""

import statistics
import time
from collections.abc import Callable

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

ASKED = 200  # texts asked one by one
SVC, FASTTEXT = "TF-IDF (1,2) + LinearSVC", "fastText, word pairs"
SETTINGS = {
    SVC: {"ngram_range": [1, 2], "sublinear_tf": True, "min_df": 2, "C": 0.5},
    FASTTEXT: {"package": "fasttext==0.9.3", "wordNgrams": 2, "epoch": 5, "lr": 0.5, "thread": 1, "seed": 1},
}
# fastText takes a seed since 0.9.2, but is judged by its usual settings with one thread, which repeat exactly.
SEEDLESS = (SVC, FASTTEXT)


def svc(rows: dict, scored: Callable) -> dict:
    """With its usual settings."""
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


MEASURES = {SVC: svc}


def measured(name: str, rows: dict, scored: Callable) -> dict | None:
    """A yardstick's measurement, as `models.trained`; None where it cannot be had here."""
    return MEASURES[name](rows, scored)
