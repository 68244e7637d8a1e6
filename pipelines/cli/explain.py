"""`newsdesk explain`: where the served model looks in a text, as a picture, a page and words. See `components/evaluation/attention.py`."""

import argparse
import hashlib
import json
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from components.core import fileio, paths
from components.registry import model_registry
from pipelines.cli import predict

SIGNATURE = "explain"


class NoAttention(Exception):
    """The version that was asked was exported without attention."""


def run(args: argparse.Namespace, line: str) -> int:
    """Explains texts; returns the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore", FutureWarning)  # libraries on this Python's age; nothing the caller could do
    wrong = predict.misused(args)
    if wrong:
        print(f"newsdesk explain: {wrong}", file=sys.stderr)
        return 2
    from pipelines import client

    try:
        texts = [predict.readable(text) for text in args.texts]
        version, folder = client.find(line, None if args.model == "@champion" else int(args.model))
        labels, answers = look(line, version, folder, texts)
        output = args.output or default_folder(line, version, texts)
        written = write(output, f"version {version} of {line}", labels, answers)
    except (client.NoModel, NoAttention, OSError) as error:
        print(f"newsdesk explain: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps([as_json(answer, version, paths) for answer, paths in zip(answers, written)],
                         indent=1, ensure_ascii=False))  # fmt: skip
    else:
        sys.stdout.write(told(answers, written))
    return 0


def default_folder(line: str, version: int, texts: Sequence[str]) -> Path:
    """The same texts and version have the same folder, so that asking again replaces and does not pile up."""
    key = hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()[:12]
    return paths.home() / "explain" / paths.safe_name(line, "line") / f"{version}-{key}"


def look(line: str, version: int, folder: Path, texts: Sequence[str]) -> tuple[list[str], list[dict]]:
    """The line's labels, and one dict a text: `label`, `label_id`, `probabilities`, `tokens`, `attention`, `words`, `top`.

    Raises:
        NoAttention: the version has no signature `explain`.
    """
    import tensorflow as tf
    import tensorflow_text  # noqa: F401, some tokenizers consist of its operations

    from components.evaluation import attention

    model = tf.saved_model.load(str(folder))
    if SIGNATURE not in model.signatures:
        card = next((card for card in model_registry.versions(line) if card["version"] == version), {})
        raise NoAttention(
            f"version {version} of line {line} (preset {card.get('preset', 'unknown')}) has no attention to show; "
            "`newsdesk retrain --model wide-transformer` makes one that has, and --model N asks another version"
        )
    labels = fileio.read_json(folder / model_registry.MANIFEST)["labels"]
    answers = []
    for text in texts:  # one at a time: a map is heads x tokens x tokens
        told = {name: value.numpy()[0] for name, value in model.signatures[SIGNATURE](text=tf.constant([text])).items()}
        tokens, weights = attention.real([t.decode("utf-8", "replace") for t in told["tokens"]], told["attention"])
        words = attention.words(tokens, attention.received(weights))
        answers.append({
            "label": labels[int(told["label_id"])], "label_id": int(told["label_id"]),
            "probabilities": [round(float(p), 6) for p in told["probabilities"]],
            "tokens": tokens, "attention": weights, "words": words, "top": attention.top(words),
        })  # fmt: skip
    return labels, answers


def write(folder: Path, model: str, labels: Sequence[str], answers: Sequence[dict]) -> list[dict[str, str]]:
    """Writes `explain.html` for all texts and `explain-<n>.png` for each; returns the paths, one dict a text."""
    from pipelines.reports import attention_page, attention_picture

    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "explain.html"
    paths = []
    for number, answer in enumerate(answers, 1):
        picture = folder / f"explain-{number}.png"
        title = f"{answer['label']} {max(answer['probabilities']):.3f}, {model}"
        attention_picture.draw(picture, answer["tokens"], answer["attention"], title)
        paths.append({"picture": str(picture), "page": str(page)})
    fileio.write_text(page, attention_page.page(model, answers, labels))
    return paths


def as_json(answer: dict, version: int, paths: dict[str, str]) -> dict:
    """What `--json` prints of one text: as `predict` does, with words (in the text's order, each with its share) and paths."""
    return {
        **{key: answer[key] for key in ("label", "label_id", "probabilities")},
        "model_version": version,
        "words": [{"word": word, "attention": round(share, 6)} for word, share in answer["words"]],
        **paths,
    }


def told(answers: Sequence[dict], written: Sequence[dict[str, str]]) -> str:
    """For people: label and top words, one line a text, then the paths. What a terminal would obey becomes a question mark."""
    lines = []
    for answer, files in zip(answers, written, strict=True):
        shown = ", ".join(f"{word[:40]} {share:.0%}" for word, share in answer["top"]) or "no words"
        shown = "".join(c if c.isprintable() else "?" for c in shown)
        lines += [f"{answer['label']:<10}{max(answer['probabilities']):.3f}  {shown}\n", f"  {files['picture']}\n"]
    return "".join([*lines, f"  {written[0]['page']}\n"])
