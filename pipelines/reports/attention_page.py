"""Answers explained on one self-contained HTML page: words shaded by the attention they received, a map for each head, and what
each word of a linear part adds to each label's score."""

from collections.abc import Mapping, Sequence

from pipelines.reports import charts, render

LONGEST = 60  # characters of a word
MOST_ADDED = 20  # features in the table


def page(model: str, answers: Sequence[Mapping], labels: Sequence[str]) -> str:
    """model: what answered, for people. answers: one a text, with `label`, `probabilities` (by `labels`), `words` (pairs of
    word and share), `top` (the same), `unknown` (words that the vocabulary lacks), `tokens` and `attention` float[heads, from, tokens] without padding; of a model without
    attention none of these five. `added`, where there is a linear part: `feature` and `adds` (label to score), the most first."""
    return render.document("attention.html", model=model, labels=labels, answers=[_shown(one) for one in answers])


def _shown(answer: Mapping) -> dict:
    answer = {
        "words": [],
        "top": [],
        "tokens": [],
        "attention": [],
        "added": [],
        "unknown": [],
        **answer,
        "attended": "words" in answer,
    }
    highest = max([share for _, share in answer["words"]], default=0.0) or 1.0
    heads = answer["attention"]
    maps = [
        charts.heat_map(answer["tokens"], answer["tokens"], head, "attention map") for head in heads if len(head) > 1
    ]
    return {
        "label": answer["label"],
        "probabilities": list(answer["probabilities"]),
        "words": [
            (_word(word), float(share), 0.75 * share / highest, word in answer["unknown"])
            for word, share in answer["words"]
        ],
        "top": [(_word(word), float(share)) for word, share in answer["top"]],
        "maps": maps,
        "attended": answer["attended"],
        "added": [{**one, "feature": _word(one["feature"])} for one in answer["added"][:MOST_ADDED]],
        "more": max(len(answer["added"]) - MOST_ADDED, 0),
    }


def _word(word: str) -> str:
    return word if len(word) <= LONGEST else word[: LONGEST - 1] + "…"
