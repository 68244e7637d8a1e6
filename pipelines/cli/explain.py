"""`newsdesk explain`: where the served model looks in a text, as a picture, a page and words. See `components/evaluation/attention.py`."""

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

SIGNATURE = "explain"


class NoAttention(Exception):
    """The version that was asked was exported without attention."""


@click.command("explain", cls=Command, example="newsdesk explain 'Shares of the chip maker fell' --output explained")
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option("--output", type=click.Path(path_type=Path), metavar="FOLDER", help="default: explain/ in NEWSDESK_HOME")
@options.answering_version
@options.line()
@options.as_json()
def command(texts, output, version, line, as_json) -> int:
    """Show which words of each TEXT the model attends to, as a picture (PNG) and a page (HTML)."""
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
    except (client.NoModel, NoAttention, OSError) as error:
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
            "`newsdesk retrain --preset wide-transformer` makes one that has, and --version N asks another version"
        )
    labels = fileio.read_json(folder / model_registry.MANIFEST)["labels"]
    answers = []
    for text in texts:  # one at a time: a map is heads x tokens x tokens
        tensors = model.signatures[SIGNATURE](text=tf.constant([text]))
        outputs = {name: tensor.numpy()[0] for name, tensor in tensors.items()}
        pieces = [piece.decode("utf-8", "replace") for piece in outputs["tokens"]]
        tokens, weights = attention.real(pieces, outputs["attention"])
        words = attention.words(tokens, attention.received(weights))
        answers.append(
            {
                "label": labels[int(outputs["label_id"])],
                "label_id": int(outputs["label_id"]),
                "probabilities": [round(float(p), 6) for p in outputs["probabilities"]],
                "tokens": tokens,
                "attention": weights,
                "words": words,
                "top": attention.top(words),
            }
        )
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


def json_row(answer: dict, version: int, paths: dict[str, str]) -> dict:
    """What `--json` prints of one text: as `predict` does, with words (in the text's order, each with its share) and paths."""
    return {
        **{key: answer[key] for key in ("label", "label_id", "probabilities")},
        "model_version": version,
        "words": [{"word": word, "attention": round(share, 6)} for word, share in answer["words"]],
        **paths,
    }


def text(answers: Sequence[dict], files: Sequence[dict[str, str]]) -> str:
    """For people: label and top words, one line a text, then the paths. What a terminal would obey becomes a question mark."""
    lines = []
    for answer, own in zip(answers, files, strict=True):
        shown = ", ".join(f"{word[:40]} {share:.0%}" for word, share in answer["top"]) or "no words"
        shown = "".join(c if c.isprintable() else "?" for c in shown)
        lines += [f"{answer['label']:<10}{max(answer['probabilities']):.3f}  {shown}\n", f"  {own['picture']}\n"]
    return "".join([*lines, f"  {files[0]['page']}\n"])
