"""A linear model over words, punctuation marks and pairs of neighbours, weighted by log-count ratios: what every other must match.

Text:    as it came; a share of the train rows is cleaned first (`ngrams.mend`), so that the model knows both.
Network: (1 + ln count) × idf of each feature, the row scaled to length 1; of each class against the rest a linear score.
Fit:     in one go, by scikit-learn's `LinearSVC` on the values times the class's log-count ratios, which are then folded into
         the weights. No epochs and no seed: the same rows give the same model. `LinearSVC` holds all that it fits in memory, so of
         more than `ngrams.MOST_ROWS` rows it gets a sample, drawn by the rows' hashes; `sampled` of the history is its size.
Keys:    min_rows (train rows that must have a feature), penalty (`LinearSVC`'s C), mended (share of train rows cleaned).

Source: Wang and Manning 2012, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification" (ACL 2012).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import tensorflow as tf
import tf_keras
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC

from components.data import ngrams
from components.data.ngrams import FeatureTokenizer, count_keys, counts
from components.data.rows import Rows
from components.data.text_ops import PADDING, UNKNOWN, split_words_and_marks
from components.training.calibration import FITTED
from components.training.loop import answers
from components.training.loop import scores as training_scores
from components.training.search_space import Times

layers = tf_keras.layers
# The settings of one beside another family that does not name them; chosen on held-out train rows.
DEFAULTS: Mapping[str, int | float] = MappingProxyType({"min_rows": 2, "penalty": 0.4, "mended": 0.333})
SPACE = {"network.penalty": Times(8)}


def build_vocabulary(texts: tf.data.Dataset, network: Mapping) -> list[str]:
    """The features' keys, in decimal, behind padding and the unknown one. See `ngrams.count_keys`."""
    return [PADDING, UNKNOWN, *count_keys(texts, int(network["min_rows"]), float(network["mended"]))]


def build_tokenizer(tokens: Sequence[str], network: Mapping) -> FeatureTokenizer:
    """string[batch] to `{"ids": int32[batch, features]}`."""
    return FeatureTokenizer(tokens)


class LinearScores(layers.Layer):
    """ids int32[batch, features] to float32[batch, classes].

    table float32[tokens, classes + 1]: of each feature its weights times idf, and idf²; the ids 0 and 1 count nothing.
    """

    def __init__(self, tokens: int, classes: int, **keywords):
        super().__init__(dtype="float32", trainable=False, **keywords)
        self.tokens = tokens
        self.table = self.add_weight(f"{FITTED}table", (tokens, classes + 1), initializer="zeros", trainable=False)
        self.bias = self.add_weight(f"{FITTED}bias", (classes,), initializer="zeros", trainable=False)

    def call(self, ids):
        places = tf.where(ids > 1)
        rows, features = places[:, 0], tf.cast(tf.gather_nd(ids, places), tf.int64)
        pairs, _, count = tf.unique_with_counts(rows * self.tokens + features)
        # In float64: sums over hundreds of features in float32 were off by 2.5e-6 (tests/benchmarks/linear_parity.py).
        value = 1 + tf.math.log(tf.cast(count, tf.float64))[:, tf.newaxis]
        parts = tf.cast(tf.gather(self.table, pairs % self.tokens), tf.float64) * value
        parts = tf.concat([parts[:, :-1], parts[:, -1:] * value], axis=1)
        sums = tf.math.unsorted_segment_sum(parts, pairs // self.tokens, tf.shape(ids, tf.int64)[0])
        scores = tf.math.divide_no_nan(sums[:, :-1], tf.sqrt(sums[:, -1:]))
        return tf.cast(scores + tf.cast(self.bias, tf.float64), tf.float32)


def build_network(tokens: Sequence[str], network: Mapping, classes: int) -> tf_keras.Model:
    """`{"ids": int32[batch, features]}` to float32 scores [batch, classes]."""
    ids = tf_keras.Input((None,), dtype="int32", name="ids")
    scores = LinearScores(len(tokens), classes, name="scores")(ids)
    return tf_keras.Model({"ids": ids}, scores, name="linear")


def build_contributions(model: tf_keras.Model, tokenizer: FeatureTokenizer) -> Callable:
    """What each word, mark and pair of a text adds to the score of each class; exactly, the model being a sum.

    The callable takes one text, a string[]; it returns `features` string[features] (a word or mark, or two of them with a blank
    between, each once; those that the model does not know are left out), `contributions` float32[features, classes] and `bias`
    float32[classes]. Contributions and bias add up to the margins before calibration.
    """
    scores = model.get_layer("scores")

    def explain(text: tf.Tensor) -> dict[str, tf.Tensor]:
        words = split_words_and_marks(text[tf.newaxis])[0]
        pairs = tf.strings.join([words[:-1], words[1:]], " ")
        names, ids = tf.concat([words, pairs], 0), tokenizer.ragged(text[tf.newaxis])[0]
        known = ids > 1
        names, ids = tf.boolean_mask(names, known), tf.boolean_mask(ids, known)
        different, first, count = tf.unique_with_counts(ids)
        value = 1 + tf.math.log(tf.cast(count, tf.float32))[:, tf.newaxis]
        rows = tf.gather(scores.table, different)
        length = tf.sqrt(tf.reduce_sum(rows[:, -1:] * value**2))
        places = tf.math.unsorted_segment_min(tf.range(tf.size(ids)), first, tf.size(different))
        return {
            "features": tf.gather(names, places),
            "contributions": tf.math.divide_no_nan(rows[:, :-1] * value, length),
            "bias": tf.convert_to_tensor(scores.bias),
        }

    return explain


def fit(tokens, network, training, seed, train, eval, classes, workdir, report, start):
    """As `components.training.loop.fit`, in one go: `history` has one row."""
    started = time.monotonic()
    tokenizer, model = build_tokenizer(tokens, network), build_network(tokens, network, classes)
    rows: Rows = train.sample(ngrams.MOST_ROWS)
    values, idf = weigh(counts(tokenizer, mended(rows, network).texts(), len(tokens)))
    coefficients, bias = solve(values, rows.labels, classes, float(network["penalty"]))
    model.set_weights([np.column_stack([coefficients * idf[:, np.newaxis], idf**2]).astype(np.float32), bias])
    seconds = time.monotonic() - started
    known = training_scores(values @ coefficients + bias, rows.labels)
    held_out = training_scores(answers(model, tokenizer, eval), eval.labels)
    row = {
        "epoch": 1, "loss": known["val_loss"], "accuracy": known["val_accuracy"], **held_out, "learning_rate": 0.0,
        "seconds": seconds, "rows_per_second": len(rows) / seconds,
        **({} if rows is train else {"sampled": len(rows)}),
    }  # fmt: skip
    report(1, 1, row, row["rows_per_second"])
    return model, tokenizer, [row]


def mended(rows: Rows, network: Mapping) -> Rows:
    """The rows with a share of the texts cleaned, as `network["mended"]` says."""
    return rows.changed(lambda texts: ngrams.mend(texts, float(network["mended"])))


def weigh(counted: csr_matrix) -> tuple[csr_matrix, np.ndarray]:
    """(values float64[rows, tokens], idf float64[tokens]) of counts."""
    rows = np.bincount(counted.indices, minlength=counted.shape[1])
    idf = np.log((1 + counted.shape[0]) / (1 + rows)) + 1
    values = (1 + np.log(counted.data)) * idf[counted.indices]
    squares = csr_matrix((values**2, counted.indices, counted.indptr), counted.shape).sum(axis=1)
    lengths = np.sqrt(np.maximum(np.asarray(squares).ravel(), 1e-300))
    return csr_matrix(
        (values / np.repeat(lengths, np.diff(counted.indptr)), counted.indices, counted.indptr), counted.shape
    ), idf


def solve(values: csr_matrix, labels: np.ndarray, classes: int, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """(coefficients float64[tokens, classes], bias float64[classes]) of each class against the rest.

    A class that no row or every row has is told apart by its bias alone.
    """
    coefficients, bias = np.zeros((values.shape[1], classes)), np.zeros(classes)
    for label in range(classes):
        own = labels == label
        if own.all() or not own.any():
            bias[label] = 1.0 if own.all() else -1.0
            continue
        ratios = log_count_ratios(values, own)
        scaled = csr_matrix((values.data * ratios[values.indices], values.indices, values.indptr), values.shape)
        machine = LinearSVC(C=penalty, dual=True, random_state=0).fit(scaled, own)
        coefficients[:, label], bias[label] = machine.coef_[0] * ratios, machine.intercept_[0]
    return coefficients, bias


def log_count_ratios(values: csr_matrix, own: np.ndarray) -> np.ndarray:
    """float64[tokens]: how much likelier a feature is in the rows of a class than in the others, as a logarithm."""
    held = [np.bincount(values[rows].indices, minlength=values.shape[1])[2:] + 1.0 for rows in (own, ~own)]
    return np.concatenate([[0.0, 0.0], np.log(held[0] / held[0].sum()) - np.log(held[1] / held[1].sum())])
