"""One version's answer to a text with the words that decided it: attention, and what each word adds (a linear part).

Shared by `newsdesk explain` and by the prediction process behind the page *Try it* (`answers.py`). See `components/evaluation/attention.py`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from components.core import fileio
from components.evaluation import attention
from components.registry import model_registry

ATTENTION, SUMS, PLAIN = "explain", "contributions", "classify"  # signatures


class Explainer:
    """One version, loaded. `labels`: of the line, in the model's order. Any thread may ask, one at a time."""

    def __init__(self, version: int, folder: Path):
        from pipelines import client

        self.version, self.folder = version, folder
        self.labels = fileio.read_json(folder / model_registry.MANIFEST)["labels"]
        self.model = client.load_model(folder)

    @property
    def has_reasons(self) -> bool:
        """Whether the version was exported with attention or with a linear part."""
        return bool({ATTENTION, SUMS} & set(self.model.signatures))

    def answer(self, text: str) -> dict:
        """`label`, `label_id`, `probabilities` (by `labels`); of a model with attention `tokens`, `attention`, `words`, `top` and
        `unknown`, the words that its vocabulary lacks; of one with a linear part `added`, the features with what each adds to the
        score of each label, the most for the answer's label first."""
        import tensorflow as tf

        raw, signatures = text.encode("utf-8", "replace"), self.model.signatures
        tensors = signatures[ATTENTION if ATTENTION in signatures else PLAIN](text=tf.constant([raw]))
        outputs = {name: tensor.numpy()[0] for name, tensor in tensors.items()}
        label_id = int(outputs["label_id"])
        answer = {
            "label": self.labels[label_id], "label_id": label_id,
            "probabilities": [round(float(p), 6) for p in outputs["probabilities"]],
        }  # fmt: skip
        if "attention" in outputs:
            answer |= attended(outputs, readings(raw))
        if SUMS in signatures:
            sums = {name: tensor.numpy() for name, tensor in signatures[SUMS](text=tf.constant(raw)).items()}
            answer["added"] = added(sums, self.labels, label_id)
        return answer


def readings(raw: bytes) -> list[list[str]]:
    """The words of a text as the tokenizers split it: without marks, and with them."""
    import tensorflow as tf

    from components.data import text_ops

    splits = (split(tf.constant([raw]))[0].numpy() for split in (text_ops.split_words, text_ops.split_words_and_marks))
    return [[word.decode("utf-8", "replace") for word in words] for words in splits]


def attended(outputs: Mapping, of_text: Sequence[Sequence[str]]) -> dict:
    """`tokens`, `attention`, `words`, `top` and `unknown` of what the signature `explain` answers about one text.

    of_text: its `readings`, for the words that the vocabulary lacks.
    """
    pieces = [piece.decode("utf-8", "replace") for piece in outputs["tokens"]]
    pieces, weights = attention.real(pieces, outputs["attention"])
    tokens = attention.spelled(pieces, of_text)
    words = attention.words(tokens, attention.received(weights))
    unknown = sorted({token for token, piece in zip(tokens, pieces) if piece == attention.UNKNOWN})
    return {"tokens": tokens, "attention": weights, "words": words, "top": attention.top(words), "unknown": unknown}


def added(sums: Mapping[str, np.ndarray], labels: Sequence[str], label_id: int) -> list[dict]:
    """One dict a feature: `feature` and `adds` (label to score), those first that add most to the answer's label."""
    order = (-sums["contributions"][:, label_id]).argsort(kind="stable")
    return [
        {
            "feature": sums["features"][row].decode("utf-8", "replace"),
            "adds": {label: round(float(value), 6) for label, value in zip(labels, sums["contributions"][row])},
        }
        for row in order
    ]


def json_row(answer: Mapping, version: int) -> dict:
    """An answer as JSON: as `newsdesk predict --json` gives it, with `words` (in the text's order, each with its share of attention, and
    whether the model knows it) and `added`."""
    row = {**{key: answer[key] for key in ("label", "label_id", "probabilities")}, "model_version": version}
    if "words" in answer:
        unknown = set(answer["unknown"])
        row["words"] = [
            {"word": word, "attention": round(share, 6), "known": word not in unknown}
            for word, share in answer["words"]
        ]
    return {**row, **({"added": answer["added"]} if "added" in answer else {})}
