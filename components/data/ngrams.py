"""Words, punctuation marks and neighbouring pairs of them as hashed features, in a graph and as a sparse matrix.

Texts are not cleaned here, because a source's markup is evidence of the class. So that a model also knows clean text, `mend` cleans
a fixed share of the train rows. A feature is a 62-bit key; no string is stored.
"""

import zlib
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import tensorflow as tf
from scipy.sparse import csr_matrix

from components.data import rows
from components.data.text_ops import PADDING, UNKNOWN, clean_tensor, split_words_and_marks

# Rows that are counted and fitted, at most; of more a sample is drawn (`components.data.rows.Rows.sample`). The solver wants its whole
# matrix in memory: fitted on the sample of 600,000 rows, the whole node peaks at 1,108 MiB (tests/benchmarks/SCALE.md).
MOST_ROWS = 200_000
# Different features that are counted at a time, 16 bytes each; 63,455 rows of AG News have 814,760.
COUNTED = 6_000_000
_MERGED = 2_000_000  # new ones that are merged into the counted ones at once
_KEYS = 2**62
_FIRST, _SECOND = -7_046_029_254_386_353_131, -4_417_276_706_812_531_889  # odd 64-bit numbers, to mix a pair's hashes


def mend(texts: np.ndarray, share: float) -> np.ndarray:
    """The texts (object[rows] of bytes), about `share` of them cleaned; which ones depends on each text's bytes alone."""
    chosen = np.array([zlib.crc32(text) < share * 2**32 for text in texts], bool)
    if not chosen.any():
        return texts
    cleaned = texts.copy()
    cleaned[chosen] = clean_tensor(tf.constant(texts[chosen])).numpy()
    return cleaned


def feature_keys(texts: tf.Tensor) -> tf.RaggedTensor:
    """string[batch] to int64[batch, (features)]: a key for each word or mark, then one for each neighbouring pair."""
    words = split_words_and_marks(texts)
    single, rows = tf.strings.to_hash_bucket_fast(words.flat_values, _KEYS), words.value_rowids()
    neighbours = tf.equal(rows[1:], rows[:-1])
    left, right = tf.boolean_mask(single[:-1], neighbours), tf.boolean_mask(single[1:], neighbours)
    mixed = tf.bitwise.bitwise_xor(left * _FIRST, right * _SECOND)
    mixed = tf.bitwise.bitwise_and(tf.bitwise.bitwise_xor(mixed, tf.bitwise.right_shift(mixed, 29)), _KEYS - 1)
    pairs = tf.RaggedTensor.from_value_rowids(
        mixed, tf.boolean_mask(rows[1:], neighbours), words.nrows(), validate=False
    )
    return tf.concat([words.with_flat_values(single), pairs], axis=1)


def count_keys(texts: tf.data.Dataset, least: int, share: float) -> list[str]:
    """The keys that at least `least` texts have, in rising order, as decimal text; `mend` comes first.

    texts: string[batch] a step; of more than `MOST_ROWS` rows the same sample is counted that is fitted. A row counts once, however
    often it has the feature. Where there are more than `COUNTED` different features, those go that the fewest rows so far have.
    """
    limit = rows.highest(texts.as_numpy_iterator(), MOST_ROWS)
    known, waiting = (np.zeros(0, np.int64), np.zeros(0, np.int64)), []
    for batch in texts.as_numpy_iterator():
        waiting.append(_rows_by_key(feature_keys(tf.constant(mend(batch[rows.hashes(batch) <= limit], share)))))
        if sum(len(keys) for keys, _ in waiting) > _MERGED:
            known, waiting = _bounded(*_merged([known, *waiting])), []
    keys, counts = _bounded(*_merged([known, *waiting]))
    return [str(key) for key in keys[counts >= least]]


def _rows_by_key(keys: tf.RaggedTensor) -> tuple[np.ndarray, np.ndarray]:
    """(different keys, int64: how many rows have each)."""
    places, different = pd.factorize(keys.flat_values.numpy())  # by a hash table: NumPy's `unique` sorts
    pairs = pd.unique(keys.value_rowids().numpy() * max(len(different), 1) + places)
    return different, np.bincount(pairs % max(len(different), 1), minlength=len(different))


def _merged(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    keys, counts = (np.concatenate(each) for each in zip(*parts))
    order = np.argsort(keys)
    keys, counts = keys[order], counts[order]
    if not len(keys):
        return keys, counts
    begins = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[begins], np.add.reduceat(counts, begins)


def _bounded(keys: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most `COUNTED` of the keys: without those that as few rows have as it takes."""
    if len(keys) <= COUNTED:
        return keys, counts
    kept = counts > np.partition(counts, len(counts) - COUNTED)[len(counts) - COUNTED]
    return keys[kept], counts[kept]


class FeatureTokenizer(tf.Module):
    """string[batch] to `{"ids": int32[batch, features]}`, 1 for a feature without a key, 0 behind a text's features.

    tokens: padding and the unknown token, then keys in decimal.
    """

    def __init__(self, tokens: Sequence[str]):
        super().__init__(name="features")
        if list(tokens[:2]) != [PADDING, UNKNOWN]:
            raise ValueError(f"A vocabulary starts with {[PADDING, UNKNOWN]}. Received: tokens={list(tokens[:2])}")
        keys = np.array(tokens[2:], np.int64) if len(tokens) > 2 else np.zeros(0, np.int64)
        ids = np.arange(2, len(tokens), dtype=np.int32)
        self.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, ids), default_value=1)

    def ragged(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """int32[batch, (features)]."""
        return self.table.lookup(feature_keys(texts))

    def __call__(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        ids = self.ragged(texts).to_tensor(0)
        # A batch of empty texts would otherwise have no column at all.
        return {"ids": tf.pad(ids, [[0, 0], [0, tf.cast(tf.equal(tf.shape(ids)[1], 0), tf.int32)]])}


def counts(tokenizer: FeatureTokenizer, texts: Iterable[np.ndarray], tokens: int) -> csr_matrix:
    """float64[rows, tokens]: how often each text has each known feature; padding and the unknown one are never counted.

    texts: object[batch] of bytes a step.
    """
    ids, lengths = [], []
    for batch in texts:
        features = tokenizer.ragged(tf.constant(batch, tf.string))
        ids.append(features.flat_values.numpy())
        lengths.append(features.row_lengths().numpy())
    columns, ends = np.concatenate(ids), np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    matrix = csr_matrix((np.where(columns > 1, 1.0, 0.0), columns, ends), (len(ends) - 1, tokens))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix
