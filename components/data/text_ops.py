"""The text of a news row inside a TensorFlow graph: cleaning, words, ids. Core TensorFlow ops only, so it can be exported."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from components.data.bounded_counts import BoundedCounts
from components.data.text_cleaning import SCARS

PADDING, UNKNOWN = "", "[UNK]"
# An article's first kilobytes decide its class; without a limit one request of megabytes could block a server.
LONGEST_TEXT_BYTES = 16_384
# Different words that are counted at a time, 150 bytes each.
COUNTED = 1_000_000

# (RE2 pattern, replacement) after lower-casing: what separates words, and what does not.
WORDS = (
    (r"\b([a-z])\.", r"\1"),  # u.s. is one word, and not the pronoun
    (r"'s\b", " "),
    (r"['’]", ""),
    (r"\$", " $ "),
    (r"[^\p{L}\p{M}\p{N}$]+", " "),
)


def clean_tensor(texts: tf.Tensor) -> tf.Tensor:
    """`components.data.text_cleaning.clean` as graph ops. string[...] to string[...]; bytes that are no UTF-8 become U+FFFD."""
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    for pattern, replacement, _ in SCARS:
        texts = tf.strings.regex_replace(texts, pattern, replacement)
    return texts


def split_words(texts: tf.Tensor) -> tf.RaggedTensor:
    """string[batch] to the lower-case words of each cleaned text, string[batch, (words)]."""
    texts = clean_tensor(tf.strings.substr(texts, 0, LONGEST_TEXT_BYTES))
    texts = tf.strings.lower(texts, encoding="utf-8")
    for pattern, replacement in WORDS:
        texts = tf.strings.regex_replace(texts, pattern, replacement)
    return tf.strings.split(texts)


def split_words_and_marks(texts: tf.Tensor) -> tf.RaggedTensor:
    """string[batch] to the lower-case words and single marks of each uncleaned text, string[batch, (words and marks)]."""
    texts = tf.strings.substr(texts, 0, LONGEST_TEXT_BYTES)
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    texts = tf.strings.lower(texts, encoding="utf-8")
    return tf.strings.split(tf.strings.regex_replace(texts, r"[^\p{L}\p{M}\p{N}]", r" \0 "))


def count_words(texts: tf.data.Dataset, size: int, split=split_words) -> list[str]:
    """The `size` most frequent words, padding and unknown first, so that a word's index is its id.

    Ordered as Keras's `TextVectorization` orders them; that one holds every different word. Here the rare ones go where there are
    more than `COUNTED`. texts: string[batch] a step. Use batches of 1,024 or more: each batch costs a few milliseconds whatever
    its size, and adapting text by text took 79 times as long.
    """
    counted = BoundedCounts(COUNTED)
    unique = texts.map(lambda batch: tf.unique_with_counts(split(batch).flat_values, tf.int64))
    for words, _, counts in unique.as_numpy_iterator():
        counted.add(words.tolist(), 0, counts)
    words, counts = counted.items()
    order = np.lexsort((np.array(words, object), counts[:, 0]))[::-1]
    known = [words[at].decode() for at in order if words[at] != UNKNOWN.encode()]
    return [PADDING, UNKNOWN, *known[: max(0, size - 2)]]


class WordTokenizer(tf.Module):
    """string[batch] to `{"ids": int32[batch, longest]}`; longest is the batch's longest text, at least 1, at most `length`.

    tokens: as `count_words` gives them: 0 is padding, 1 an unknown word.
    """

    split = staticmethod(split_words)

    def __init__(self, tokens: Sequence[str], network: Mapping):
        super().__init__(name="tokenizer")
        if list(tokens[:2]) != [PADDING, UNKNOWN]:
            raise ValueError(f"A vocabulary starts with {[PADDING, UNKNOWN]}. Received: tokens={list(tokens[:2])}")
        self.length = int(network["length"])
        words = tf.lookup.KeyValueTensorInitializer(list(tokens), tf.range(len(tokens), dtype=tf.int64))
        self.table = tf.lookup.StaticHashTable(words, default_value=1)

    def __call__(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        words = self.split(texts)[:, : self.length]
        ids = tf.cast(self.table.lookup(words), tf.int32).to_tensor(0)
        # A batch of empty texts would otherwise have no column at all.
        ids = tf.pad(ids, [[0, 0], [0, tf.cast(tf.equal(tf.shape(ids)[1], 0), tf.int32)]])
        return {"ids": ids}


class MarkTokenizer(WordTokenizer):
    """The same over words and marks of the uncleaned text."""

    split = staticmethod(split_words_and_marks)
