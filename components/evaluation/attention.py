"""What attention says about a text: how much each token received, and words made whole again. Plain values only."""

from collections.abc import Sequence

import numpy as np

# Word pieces' marks for the text's start and end: attention rests on them when it has nowhere better to be.
MARKS = ("[CLS]", "[SEP]")
UNKNOWN = "[UNK]"


def real(tokens: Sequence[str], attention: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Without padding: tokens of one text, "" at padding, at the end; attention float[heads, from, length], from = length or 1."""
    count = sum(bool(token) for token in tokens)
    rows = count if attention.shape[1] > 1 else 1
    return list(tokens[:count]), attention[:, :rows, :count]


def spelled(tokens: Sequence[str], readings: Sequence[Sequence[str]]) -> list[str]:
    """The tokens with the text's own word in place of each that the vocabulary lacks.

    readings: ways to split the text into words. The first that agrees with every known word counts; where none does, the tokens
    stay as they are.
    """
    starts = [at for at, token in enumerate(tokens) if token not in MARKS and not token.startswith("##")]
    whole = [word for word, _ in words(tokens, [0.0] * len(tokens))]
    for reading in readings:
        pairs = list(zip(whole, reading))
        # A text cut off at the model's length may end within a word.
        if len(reading) >= len(whole) and all(
            known in (UNKNOWN, word) or (at == len(whole) - 1 and word.startswith(known))
            for at, (known, word) in enumerate(pairs)
        ):
            spelled = list(tokens)
            for start, (known, word) in zip(starts, pairs):
                spelled[start] = word if known == UNKNOWN else tokens[start]
            return spelled
    return list(tokens)


def received(attention: np.ndarray) -> np.ndarray:
    """float[heads, from, tokens] to float[tokens]: the mean over heads and places; adds up to 1 unless there are no tokens."""
    return attention.mean(axis=(0, 1)) if attention.size else np.zeros(attention.shape[2])


def words(tokens: Sequence[str], shares: Sequence[float]) -> list[tuple[str, float]]:
    """Words with what they received, in the text's order: pieces (`##ing`) joined and added up, marks left out."""
    joined: list[tuple[str, float]] = []
    for token, share in zip(tokens, shares, strict=True):
        if token in MARKS:
            continue
        if token.startswith("##") and joined:
            word, before = joined[-1]
            joined[-1] = (word + token[2:], before + float(share))
        else:
            joined.append((token, float(share)))
    return joined


def top(shares: Sequence[tuple[str, float]], count: int = 5) -> list[tuple[str, float]]:
    """The words that received most, each once with the most it received, the first of equals first."""
    most: dict[str, float] = {}
    for word, share in shares:
        most[word] = max(share, most.get(word, 0.0))
    return sorted(most.items(), key=lambda each: -each[1])[:count]
