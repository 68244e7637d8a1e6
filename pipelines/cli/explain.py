"""`newsdesk explain`: where the served model looks in a text (attention), and what each word adds to the answer (a linear part).

See `components/evaluation/attention.py`.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from components.core import fileio, paths
from components.registry import model_registry
from pipelines.cli import options, predict
from pipelines.cli.command import Command, fail
from pipelines.cli.line_choice import answering_line

SIGNATURE, SUMS = "explain", "contributions"
MOST_ADDED = 5  # words shown


class NoExplanation(Exception):
    """The version that was asked was exported without attention and without a linear part."""


@click.command("explain", cls=Command, example="newsdesk explain 'Shares of the chip maker fell' --output explained")
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option("--output", type=click.Path(path_type=Path), metavar="FOLDER", help="default: explain/ in NEWSDESK_HOME")
@options.answering_version
@options.line()
@options.as_json()
def command(texts, output, version, line, as_json) -> int:
    """Show which words of each TEXT the model attends to, as a picture (PNG) and a page (HTML), and what each word adds.

    A model with attention has pictures; one with a linear part (linear, wide-transformer) shows how much each word, mark and
    pair of neighbours adds to the label's score.
    """
    line = answering_line(line)
    fault = predict.misused(texts, None, version)
    if fault:
        return fail("explain", fault, 2)
    predict.quiet_libraries()
    from pipelines import client

    try:
        texts = options.words(texts)
        version, folder = client.find(line, None if version == "@champion" else int(version))
        labels, answers = look(line, version, folder, texts)
        files = write(output or default_folder(line, version, texts), f"version {version} of {line}", labels, answers)
    except (client.NoModel, NoExplanation, OSError) as error:
        return fail("explain", str(error), 1)
    if as_json:
        rows = [json_row(answer, version, own) for answer, own in zip(answers, files)]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        sys.stdout.write(text(answers, files))
    return 0


def default_folder(line: str, version: int, texts: Sequence[str]) -> Path:
    """The same texts and version have the same folder, so that asking again replaces and does not pile up."""
    key = hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()[:12]
    return paths.home() / "explain" / paths.safe_name(line, "line") / f"{version}-{key}"


def look(line: str, version: int, folder: Path, texts: Sequence[str]) -> tuple[list[str], list[dict]]:
    """The line's labels, and one dict a text: `label`, `label_id`, `probabilities`; of a model with attention `tokens`,
    `attention`, `words`, `top`; of one with a linear part `added`, the features with what each adds to the score of each label,
    the most for the answer's label first.

    Raises:
        NoExplanation: the version has neither.
    """
    import tensorflow as tf
    import tensorflow_text  # noqa: F401, some tokenizers consist of its operations

    model = tf.saved_model.load(str(folder))
    if not {SIGNATURE, SUMS} & set(model.signatures):
        card = next((card for card in model_registry.versions(line) if card["version"] == version), {})
        raise NoExplanation(
            f"version {version} of line {line} (preset {card.get('preset', 'unknown')}) has no attention to show and no linear part; "
            "`newsdesk retrain --preset wide-transformer` makes one that has, and --version N asks another version"
        )
    labels = fileio.read_json(folder / model_registry.MANIFEST)["labels"]
    answers = []
    for text in texts:  # one at a time: a map is heads x tokens x tokens
        asked = SIGNATURE if SIGNATURE in model.signatures else "classify"
        tensors = model.signatures[asked](text=tf.constant([text]))
        outputs = {name: tensor.numpy()[0] for name, tensor in tensors.items()}
        label_id = int(outputs["label_id"])
        answer = {
            "label": labels[label_id], "label_id": label_id,
            "probabilities": [round(float(p), 6) for p in outputs["probabilities"]],
        }  # fmt: skip
        answer |= attended(outputs) if "attention" in outputs else {}
        if SUMS in model.signatures:
            sums = {name: tensor.numpy() for name, tensor in model.signatures[SUMS](text=tf.constant(text)).items()}
            answer["added"] = added(sums, labels, label_id)
        answers.append(answer)
    return labels, answers


def attended(outputs: dict) -> dict:
    """`tokens`, `attention`, `words` and `top` of what the signature `explain` answers about one text."""
    from components.evaluation import attention

    pieces = [piece.decode("utf-8", "replace") for piece in outputs["tokens"]]
    tokens, weights = attention.real(pieces, outputs["attention"])
    words = attention.words(tokens, attention.received(weights))
    return {"tokens": tokens, "attention": weights, "words": words, "top": attention.top(words)}


def added(sums: dict, labels: Sequence[str], label_id: int) -> list[dict]:
    """One dict a feature: `feature` and `adds` (label to score), those first that add most to the answer's label."""
    order = (-sums["contributions"][:, label_id]).argsort(kind="stable")
    return [
        {
            "feature": sums["features"][row].decode("utf-8", "replace"),
            "adds": {label: round(float(value), 6) for label, value in zip(labels, sums["contributions"][row])},
        }
        for row in order
    ]


def write(folder: Path, model: str, labels: Sequence[str], answers: Sequence[dict]) -> list[dict[str, str]]:
    """Writes `explain.html` for all texts and, where there is attention, `explain-<n>.png` for each; returns the paths, one dict
    a text."""
    from pipelines.reports import attention_page, attention_picture

    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "explain.html"
    paths = []
    for number, answer in enumerate(answers, 1):
        paths.append({"page": str(page)})
        if "attention" in answer:
            picture = folder / f"explain-{number}.png"
            title = f"{answer['label']} {max(answer['probabilities']):.3f}, {model}"
            attention_picture.draw(picture, answer["tokens"], answer["attention"], title)
            paths[-1]["picture"] = str(picture)
    fileio.write_text(page, attention_page.page(model, answers, labels))
    return paths


def json_row(answer: dict, version: int, paths: dict[str, str]) -> dict:
    """What `--json` prints of one text: as `predict` does, with words (in the text's order, each with its share) and paths, and
    what each feature adds."""
    row = {**{key: answer[key] for key in ("label", "label_id", "probabilities")}, "model_version": version}
    if "words" in answer:
        row["words"] = [{"word": word, "attention": round(share, 6)} for word, share in answer["words"]]
    return {**row, **({"added": answer["added"]} if "added" in answer else {}), **paths}


def text(answers: Sequence[dict], files: Sequence[dict[str, str]]) -> str:
    """For people: label and top words, one line a text, what words add, then the paths. What a terminal would obey becomes a
    question mark."""
    lines = []
    for answer, own in zip(answers, files, strict=True):
        parts = [f"{answer['label']:<10}{max(answer['probabilities']):.3f}"]
        if "top" in answer:
            parts[0] += "  " + (", ".join(f"{word[:40]} {share:.0%}" for word, share in answer["top"]) or "no words")
        if "added" in answer:
            most = [(one["feature"][:40], one["adds"][answer["label"]]) for one in answer["added"][:MOST_ADDED]]
            shown = ", ".join(f"{feature} {value:+.2f}" for feature, value in most) or "no known word"
            parts.append(f"  adds to {answer['label']}: {shown}")
        parts += [f"  {own['picture']}"] if "picture" in own else []
        lines += ["".join(c if c.isprintable() else "?" for c in part) + "\n" for part in parts]
    return "".join([*lines, f"  {files[0]['page']}\n"])
