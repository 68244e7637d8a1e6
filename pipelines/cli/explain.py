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
from components.core.states import ExitCode
from components.registry import model_registry
from pipelines.cli import options, predict
from pipelines.cli.command import Command, fail
from pipelines.cli.line_choice import answering_line

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
        return fail("explain", fault, ExitCode.USAGE)
    predict.quiet_libraries()
    from pipelines import client

    try:
        texts = options.words(texts)
        version, folder = client.find(line, None if version == "@champion" else int(version))
        labels, answers = look(line, version, folder, texts)
        files = write(output or default_folder(line, version, texts), f"version {version} of {line}", labels, answers)
    except (client.NoModel, NoExplanation, OSError) as error:
        return fail("explain", str(error), ExitCode.FAILED)
    if as_json:
        from pipelines.serving.explanations import json_row

        rows = [{**json_row(answer, version), **own} for answer, own in zip(answers, files)]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        sys.stdout.write(text(answers, files))
    return ExitCode.DONE


def default_folder(line: str, version: int, texts: Sequence[str]) -> Path:
    """The same texts and version have the same folder, so that asking again replaces and does not pile up."""
    key = hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()[:12]
    return paths.home() / "explain" / paths.safe_name(line, "line") / f"{version}-{key}"


def look(line: str, version: int, folder: Path, texts: Sequence[str]) -> tuple[list[str], list[dict]]:
    """The line's labels, and one answer a text, as `explanations.Explainer.answer` gives it.

    Raises:
        NoExplanation: the version has neither attention nor a linear part.
    """
    from pipelines.serving.explanations import Explainer

    asked = Explainer(version, folder)
    if not asked.has_reasons:
        card = next((card for card in model_registry.versions(line) if card["version"] == version), {})
        raise NoExplanation(
            f"version {version} of line {line} (preset {card.get('preset', 'unknown')}) has no attention to show and no linear part; "
            "`newsdesk retrain --preset wide-transformer` makes one that has, and --version N asks another version"
        )
    return asked.labels, [asked.answer(text) for text in texts]  # one at a time: a map is heads x tokens x tokens


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
