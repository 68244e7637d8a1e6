"""The linear family beside scikit-learn's own arithmetic, on demo articles."""

import components  # noqa: F401, it sets what TensorFlow reads at its own import

# isort: split
import datetime as dt
import hashlib
import itertools
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_expit, softmax
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.svm import LinearSVC

from components.data import demo_corpus, ngrams, rows
from components.data.text_ops import split_words_and_marks
from components.models import linear
from components.training import calibration, export, loop
from pipelines.config.presets import PRESETS

NETWORK = {**PRESETS["linear"].network, "mended": 0.0}
PLAIN = {**PRESETS["linear"].training, "calibrate": "none"}
LABELS = ["World", "Sports", "Business", "Sci/Tech"]


def articles(count: int, seed: int):
    rng = random.Random(seed)
    labels = np.array([rng.randrange(4) for _ in range(count)])
    texts = [" ".join(demo_corpus.article(rng, int(label), dt.date(2026, 1, 1))).encode() for label in labels]
    return np.array(texts, object), labels


TRAIN, EVAL = articles(800, 1), articles(120, 2)


def fit(train=TRAIN, network=NETWORK, settings=PLAIN):
    tokens = linear.build_vocabulary(tf.data.Dataset.from_tensor_slices(train[0]).batch(300), network)
    return tokens, *loop.fit(linear, tokens, network, settings, 1, train, EVAL, 4, "")


def expected() -> np.ndarray:
    """Scores of the eval rows by scikit-learn's vectorizer, log-count ratios and machine."""
    words = {
        text.decode(): [w.decode() for w in split_words_and_marks([text])[0].numpy()] for text in [*TRAIN[0], *EVAL[0]]
    }
    count = CountVectorizer(
        analyzer=lambda t: words[t] + [" ".join(pair) for pair in zip(words[t], words[t][1:])], min_df=2
    )
    weigh = TfidfTransformer(sublinear_tf=True)
    train, held = weigh.fit_transform(count.fit_transform(TRAIN[0])), weigh.transform(count.transform(EVAL[0]))
    scores = np.zeros((len(EVAL[1]), 4))
    for label in range(4):
        own = TRAIN[1] == label
        p, q = (1 + (train[rows] > 0).sum(axis=0).A1 for rows in (own, ~own))
        ratios = np.log(p / p.sum()) - np.log(q / q.sum())
        machine = LinearSVC(C=0.4, dual=True, random_state=0, tol=1e-10, max_iter=100_000)
        scores[:, label] = machine.fit(train.multiply(ratios).tocsr(), own).decision_function(held.multiply(ratios))
    return scores


def test_the_graph_answers_as_scikit_learn_does(monkeypatch):
    # Solved to the end, because the order of the columns decides where a solver that stops early stands.
    exact = lambda **keys: LinearSVC(**keys, tol=1e-10, max_iter=100_000)  # noqa: E731
    monkeypatch.setattr(linear, "LinearSVC", exact)
    _, model, tokenizer, _ = fit()
    np.testing.assert_allclose(loop.answers(model, tokenizer, EVAL[0]), expected(), atol=1e-6)


def test_the_exported_scores_are_the_fitted_machine_s_within_a_millionth():
    tokens, model, tokenizer, _ = fit()
    table, bias = model.get_weights()
    counted = ngrams.counts(tokenizer, [EVAL[0][:50], EVAL[0][50:]], len(tokens))
    idf = np.sqrt(table[:, 4].astype(float))
    counted.data = 1 + np.log(counted.data)
    weighed = counted.multiply(idf).tocsr()
    scores = counted @ table[:, :4].astype(float) / np.sqrt(weighed.multiply(weighed).sum(axis=1).A1)[:, None] + bias
    np.testing.assert_allclose(loop.answers(model, tokenizer, EVAL[0]), scores, atol=1e-6)


def test_a_row_without_a_known_feature_is_answered_by_the_bias():
    _, model, tokenizer, _ = fit()
    answers = loop.answers(model, tokenizer, np.array([b"", b"zzzz qqqq"], object))
    np.testing.assert_allclose(answers, np.tile(model.get_weights()[1], (2, 1)), atol=1e-6)


def test_calibrated_answers_keep_the_margins_order_and_are_as_sure_as_they_are_right():
    plain = fit()[1:3]
    margins = loop.answers(*plain, EVAL[0])
    model, tokenizer, history = fit(settings=PRESETS["linear"].training)[1:]
    logits = loop.answers(model, tokenizer, EVAL[0])
    np.testing.assert_array_equal(np.argsort(logits, axis=1), np.argsort(margins, axis=1))
    scale, offset = calibration.fit_sigmoid(margins, EVAL[1])
    np.testing.assert_allclose(logits, log_expit(margins * scale + offset), atol=1e-4)
    uncalibrated = calibration.expected_error(softmax(margins, axis=1), EVAL[1])
    assert history[0]["final_calibration_error"] < uncalibrated / 2


def test_each_feature_s_contributions_and_the_bias_add_up_to_the_margins():
    _, model, tokenizer, _ = fit()
    texts = ["Goal, goal! coach", "", "zzzz qqqq", *(text.decode() for text in EVAL[0][:20])]
    margins = loop.answers(model, tokenizer, np.array([text.encode() for text in texts], object))
    explain = linear.build_contributions(model, tokenizer)
    for text, expected_margins in zip(texts, margins, strict=True):
        explained = {name: value.numpy() for name, value in explain(tf.constant(text)).items()}
        assert len(explained["features"]) == len(explained["contributions"]) == len(set(explained["features"].tolist()))
        np.testing.assert_allclose(
            explained["contributions"].sum(axis=0) + explained["bias"], expected_margins, atol=1e-5
        )


def test_a_contribution_is_named_by_its_word_or_by_its_pair():
    _, model, tokenizer, _ = fit()
    explained = linear.build_contributions(model, tokenizer)(tf.constant(EVAL[0][0]))
    words = [word.decode() for word in split_words_and_marks([EVAL[0][0]])[0].numpy()]
    pairs = [f"{left} {right}" for left, right in itertools.pairwise(words)]
    names = [name.decode() for name in explained["features"].numpy()]
    assert set(names) <= {*words, *pairs} and any(" " in name for name in names) and set(words) & set(names)


def test_a_class_without_a_row_is_never_likeliest():
    texts, labels = TRAIN
    kept = labels != 3
    _, model, tokenizer, _ = fit((texts[kept], labels[kept]))
    assert 3 not in loop.answers(model, tokenizer, EVAL[0]).argmax(axis=1)


def test_what_is_mended_depends_on_the_row_alone_and_is_about_the_share_asked_for():
    texts = np.array([f"row {i} &lt;b&gt;bold&lt;/b&gt;".encode() for i in range(900)], object)
    mended = ngrams.mend(texts, 1 / 3)
    changed = mended != texts
    assert 250 < changed.sum() < 350
    assert mended[changed][0].endswith(b"bold") and b"&" not in mended[changed][0]
    np.testing.assert_array_equal(ngrams.mend(texts[::-1], 1 / 3)[::-1], mended)
    assert (ngrams.mend(texts, 0.0) == texts).all()


def test_a_feature_of_one_row_is_no_feature_and_keys_do_not_depend_on_the_batches():
    texts = np.array([b"goal, goal coach", b"goal shares", b"shares fell"], object)
    keys = [ngrams.count_keys(tf.data.Dataset.from_tensor_slices(texts).batch(size), 2, 0.0) for size in (1, 3)]
    assert keys[0] == keys[1] and len(keys[0]) == 2


def test_of_more_rows_than_it_may_hold_a_sample_is_counted_and_fitted_that_their_order_does_not_change(monkeypatch):
    monkeypatch.setattr(ngrams, "MOST_ROWS", 500)
    turned = np.random.default_rng(1).permutation(len(TRAIN[0]))
    tokens, model, _, history = fit()
    again, other, _, _ = fit((TRAIN[0][turned], TRAIN[1][turned]))
    sample = rows.of(TRAIN).sample(500)
    assert tokens == again and history[0]["sampled"] == len(sample) == 500
    alone, fitted, _, whole = fit((np.concatenate(list(sample.texts())), sample.labels))
    assert alone == tokens and "sampled" not in whole[0]
    for ours, theirs in zip(model.get_weights(), fitted.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(
        other.get_weights()[0], model.get_weights()[0], atol=2e-2
    )  # the solver's order is another


def test_with_too_many_features_those_of_the_fewest_rows_go(monkeypatch):
    texts = np.array([b"goal goal", b"goal coach", b"goal season", b"coach bank"], object)
    keys = [str(key) for key in ngrams.feature_keys(tf.constant([b"goal"])).flat_values.numpy()]
    monkeypatch.setattr(ngrams, "COUNTED", 3)
    monkeypatch.setattr(ngrams, "_MERGED", 1)
    assert ngrams.count_keys(tf.data.Dataset.from_tensor_slices(texts).batch(3), 2, 0.0) == keys


_EXPORT = """
import components, sys, test_linear
from components.training import export
tokens, model, tokenizer, _ = test_linear.fit(settings=dict(test_linear.PLAIN, calibrate="sigmoid"))
export.export(sys.argv[1], tokenizer, model, test_linear.LABELS)
"""


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """Folders of two exports by two processes."""
    folders = [tmp_path_factory.mktemp("export") / "model" for _ in range(2)]
    for folder in folders:
        subprocess.run([sys.executable, "-c", _EXPORT, str(folder)], check=True, cwd=Path(__file__).parent)
    return folders


def test_the_same_rows_give_the_same_bytes(twice):
    hashes = [
        {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}
        for folder in twice
    ]  # fmt: skip
    assert hashes[0] == hashes[1]


def test_no_word_of_a_train_row_is_stored(twice):
    written = b"".join(path.read_bytes() for path in twice[0].rglob("*") if path.is_file())
    words = {word.lower() for text in TRAIN[0][:200] for word in text.split() if len(word) > 8 and word.isalpha()}
    words -= {b"checkpoint"}  # TensorFlow's own word
    assert len(words) > 20 and not [word for word in words if word in written]
    assert export.predict(twice[0], EVAL[0]).argmax(axis=1).tolist().count(0) > 0
