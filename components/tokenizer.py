"""Tokenizer: the vocabulary, adapted on the train split alone, as an artifact of its own.

Reads: Examples(train), the family. Makes: Vocabulary (`vocabulary.txt`, `report.json` with fingerprint and coverage).
Refuses: an empty train split.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples

from components import examples as records
from components.artifacts import Vocabulary
from components.models import family as family_named

BATCH = 4096  # rows a step; adapting row by row is 79 times slower than in batches of 1,024


def adapt(family: str, network: Mapping, texts: np.ndarray) -> list[str]:
    """The family's tokens for these texts (object array of bytes); a token's index is its id, 0 is padding.

    Raises:
        ValueError: no texts.
    """
    if not len(texts):
        raise ValueError("a vocabulary needs train rows. Received: 0 rows")
    return family_named(family).build_vocabulary(tf.data.Dataset.from_tensor_slices(texts).batch(BATCH), network)


def fingerprint(tokens: Sequence[str]) -> str:
    """sha256 over the tokens in order, hex."""
    return hashlib.sha256("\n".join(tokens).encode("utf-8", "surrogateescape")).hexdigest()


def save(folder: Path, tokens: Sequence[str]) -> None:
    """Writes `vocabulary.txt`; a token holds no line break (the tokenizers split at white space)."""
    Path(folder, "vocabulary.txt").write_bytes("\n".join(tokens).encode("utf-8", "surrogateescape"))


def load(folder: str | Path) -> list[str]:
    """The tokens of a Vocabulary artifact, in id order."""
    return Path(folder, "vocabulary.txt").read_bytes().decode("utf-8", "surrogateescape").split("\n")


def coverage(tokenizer, texts: np.ndarray) -> dict:
    """Share of tokens that the vocabulary lacks (id 1 by the families' convention), over these texts."""
    known = unknown = 0
    for start in range(0, len(texts), BATCH):
        ids = next(iter(tokenizer(tf.constant(texts[start : start + BATCH])).values())).numpy()
        known += int((ids > 1).sum())
        unknown += int((ids == 1).sum())
    return {"tokens": known + unknown, "unknown": unknown, "unknown_share": round(unknown / max(known + unknown, 1), 5)}


@component
def Tokenizer(
    family: Parameter[str],
    network: Parameter[str],
    code: Parameter[str],
    examples: InputArtifact[Examples],
    vocabulary: OutputArtifact[Vocabulary],
):
    """network: JSON of the preset's network settings; code: hash of code and libraries, for the cache."""
    settings = json.loads(network)
    texts, _ = records.load(examples.uri, "train")
    tokens = adapt(family, settings, texts)
    save(Path(vocabulary.uri), tokens)
    held_out, _ = records.load(examples.uri, "eval")
    report = {
        "family": family,
        "tokens": len(tokens),
        "fingerprint": fingerprint(tokens),
        "eval": coverage(family_named(family).build_tokenizer(tokens, settings), held_out),
    }
    Path(vocabulary.uri, "report.json").write_text(json.dumps(report, indent=1))
    vocabulary.tokens, vocabulary.fingerprint = len(tokens), report["fingerprint"]
    vocabulary.set_string_custom_property(
        "headline", f"{len(tokens):,} tokens, {report['eval']['unknown_share']:.1%} of unseen text outside them"
    )
