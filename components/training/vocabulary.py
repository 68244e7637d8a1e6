"""A vocabulary: adapted to texts, kept or extended by policy, written and read as one token a row."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from components.data import rows
from components.data.text_ops import UNKNOWN
from components.models import family as family_named
from components.tf_support.no_autotune import untuned

BATCH = 4096  # rows a step; adapting row by row is 79 times slower than in batches of 1,024


def adapt(family: str, network: Mapping, train) -> list[str]:
    """The family's tokens for these rows; a token's index is its id, 0 is padding.

    train: `Rows`, read in a stream, or texts as object[rows] of bytes.

    Raises:
        ValueError: no rows.
    """
    train = rows.of(train)
    if not len(train):
        raise ValueError("a vocabulary needs train rows. Received: 0 rows")
    texts = tf.data.Dataset.from_generator(
        lambda: train.texts(BATCH), output_signature=tf.TensorSpec([None], tf.string)
    )
    return family_named(family, network).build_vocabulary(untuned(texts), network)


def decide(policy: str, adapt: Callable[[], list[str]], known: Sequence[str], size: int | None) -> list[str]:
    """The tokens by policy: "freeze" keeps the known ones, "extend" adds new ones behind them, "rebuild" forgets them.

    adapt: makes a vocabulary from the train split. known: the champion's tokens, empty where there are none to keep. An extended
    vocabulary has at most twice `size` tokens; None sets no limit.
    """
    if policy == "freeze" and known:
        return list(known)
    if policy == "extend" and known:
        have = set(known)
        new = [token for token in adapt() if token not in have]
        return [*known, *(new if size is None else new[: max(0, 2 * size - len(known))])]
    return adapt()


def fingerprint(tokens: Sequence[str]) -> str:
    """sha256 over the tokens in order, hex."""
    return hashlib.sha256("\n".join(tokens).encode("utf-8", "surrogateescape")).hexdigest()


def save(folder: Path, tokens: Sequence[str]) -> None:
    """Writes `vocabulary.txt`; a token holds no line break (the tokenizers split at white space)."""
    Path(folder, "vocabulary.txt").write_bytes("\n".join(tokens).encode("utf-8", "surrogateescape"))


def load(folder: str | Path) -> list[str]:
    """The tokens of a Vocabulary artifact, in id order."""
    return Path(folder, "vocabulary.txt").read_bytes().decode("utf-8", "surrogateescape").split("\n")


def coverage(tokenizer, tokens: Sequence[str], held_out: rows.Rows) -> dict:
    """Share of tokens that the vocabulary lacks ("[UNK]" in every family), over these rows."""
    unknown_id = list(tokens).index(UNKNOWN)
    known = unknown = 0
    for texts in held_out.texts(BATCH):
        ids = next(iter(tokenizer(tf.constant(texts)).values())).numpy()
        unknown += int((ids == unknown_id).sum())
        known += int(((ids != 0) & (ids != unknown_id)).sum())
    return {"tokens": known + unknown, "unknown": unknown, "unknown_share": round(unknown / max(known + unknown, 1), 5)}
