"""`newsdesk predict`: texts or a file through the client."""

import csv
import io
import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import click

from components.core import csv_escape, fileio
from components.core.states import ExitCode
from components.data import file_reader
from components.data.row_format import BadRow, Form, Row, form_of
from components.data.sources import SourceError
from components.data.text_cleaning import join
from pipelines.cli import options
from pipelines.cli.command import Command, fail, missing
from pipelines.cli.line_choice import answering_line
from pipelines.config import run_config
from pipelines.monitoring import batch_files

CHUNK = 4096  # rows between two signs of progress
SUFFIXES = (".csv", ".jsonl", ".parquet")
UNCERTAIN = "uncertain"  # shown in place of a label that is None


@click.command("predict", cls=Command, example="newsdesk predict --file articles.csv --output scored.csv")
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option(
    "--file", type=click.Path(path_type=Path), help="CSV with a header (title, description), JSONL or Parquet"
)
@click.option("--output", type=click.Path(path_type=Path), help="file for the answers (default: standard output)")
@click.option(
    "--min-confidence",
    type=float,
    default=0.0,
    metavar="P",
    help="0 to 1: an answer whose probability is lower is uncertain and has no label",
)
@options.answering_version
@options.line()
@options.as_json()
def command(texts, file, output, min_confidence, version, line, as_json) -> int:
    """Label each TEXT, or the rows of --file, with the champion or another version.

    Exit code 3: the file, or every row of it, cannot be read.
    """
    line = answering_line(line)
    fault = misused(texts, file, version)
    if not fault and not 0 <= min_confidence <= 1:
        fault = f"--min-confidence must be a number from 0 to 1. Received: {min_confidence:g}"
    if fault:
        return fail("predict", fault, ExitCode.USAGE)
    if file and (fault := missing(file)):
        return fail("predict", fault, ExitCode.FAILED)
    quiet_libraries()
    from pipelines import client

    try:
        model = client.Client(line, None if version == "@champion" else int(version), min_confidence)
        if texts:
            rows, bad, texts = [], [], options.words(texts)
        else:
            first = run_config.section(run_config.settings(), line, "data").first_label
            rows, bad = read_file(file, form_of(line, model.labels, first, labelled=False))
            texts = [join(row.title, row.description) for row in rows]
        answers = score(model, texts)
        for answer, row in zip(answers, rows):
            answer["line"] = row.line  # rows may be missing: the number identifies this one
        if as_json:
            shown = json.dumps(answers, indent=1, ensure_ascii=False) + "\n"
        else:
            shown = as_csv(texts, answers) if file else table(texts, answers)
        if output:
            write(output, shown)
        if bad:
            print(f"newsdesk predict: {quarantine(file, bad, output)}", file=sys.stderr)
    except SourceError as error:
        return fail("predict", str(error), ExitCode.STOPPED)
    except (client.NoModel, OSError, ValueError) as error:
        return fail("predict", str(error), ExitCode.FAILED)
    if output:
        source = f"version {model.version} of {line}"
        print(f"{len(answers):,} rows scored by {source}, written to {output}", file=sys.stderr)
    else:
        sys.stdout.write(shown)
    return ExitCode.DONE


def quiet_libraries() -> None:
    """Keeps what TensorFlow and its libraries log at import off the terminal; the caller can do nothing about it."""
    warnings.simplefilter("ignore", FutureWarning)


def write(path: Path, shown: str) -> None:
    """A file appears whole or not at all, in a new folder if need be; a device or a pipe is written to."""
    try:
        if path.is_file() or not path.exists():
            fileio.write_text(path, shown)
        else:
            path.write_text(shown, encoding="utf-8")
    except OSError as error:
        raise OSError(
            f"the file for answers must be one that can be written. Received: {path} ({error.strerror})"
        ) from error


def misused(texts: Sequence[str], file: Path | None, version: str) -> str:
    """What is wrong with the arguments; empty where nothing is."""
    if bool(texts) == bool(file):
        return "give texts or --file, one of them"
    if version != "@champion" and not (version.isascii() and version.isdigit() and len(version) < 10):
        return f"--version must be @champion or a version number. Received: {version[:80]!r}"
    if file and file.suffix.lower() not in SUFFIXES:
        return f"a file to score must be one of {', '.join(SUFFIXES)}. Received: {file.name[:80]!r}"
    return ""


def score(model, texts: Sequence[str]) -> list[dict]:
    """Answers of `client.Client.classify` for any number of texts, with a line of progress on a terminal."""
    answers: list[dict] = []
    showing = sys.stderr.isatty() and len(texts) > CHUNK
    for start in range(0, len(texts), CHUNK):
        answers += model.classify(texts[start : start + CHUNK])
        if showing:
            end = "\n" if len(answers) == len(texts) else ""
            print(f"\r{len(answers):,} of {len(texts):,} rows", end=end, file=sys.stderr, flush=True)
    return answers


def read_file(path: Path, form: Form) -> tuple[list[Row], list[BadRow]]:
    """The rows of a file that can be scored, in order, and those that cannot be read; by the reader of a run.

    Raises:
        SourceError: the file cannot be read as a whole, or none of its rows can.
    """
    good, bad = [], []
    for row in file_reader.read(path, form, least=0):
        (bad if isinstance(row, BadRow) else good).append(row)
    if bad and not good:
        raise SourceError(f"No row of {path} can be read. {_first(bad)}")
    return good, bad


def _first(bad: list[BadRow]) -> str:
    return f"The first is line {bad[0].line}, column {bad[0].column}: {bad[0].value[:60]!r} {bad[0].reason}"


def quarantine(path: Path, bad: list[BadRow], output: Path | None) -> str:
    """Writes the rows that cannot be read beside the answers, where these are a file; returns what to say about them."""
    message = f"{len(bad):,} rows of {path} cannot be read and have no answer. {_first(bad)}"
    if output is None or not output.is_file():
        return message
    beside = output.with_name(f"{output.name}.quarantine.csv")
    with batch_files.quarantine(beside) as add:
        for row in bad:
            add(str(path), row)
    return f"{message}\n  all of them: {beside}"


def table(texts: list[str], answers: list[dict]) -> str:
    """One line a text. What a terminal would obey instead of show becomes a question mark."""
    lines = []
    for text, answer in zip(texts, answers, strict=True):
        shown = "".join(c if c.isprintable() else "?" for c in " ".join(text.split())[:100])
        lines.append(f"{answer['label'] or UNCERTAIN:<10}{max(answer['probabilities']):.3f}  {shown}\n")
    return "".join(lines)


def as_csv(texts: list[str], answers: list[dict]) -> str:
    """Scores as CSV, an uncertain answer's `label_id` empty; a text that a spreadsheet would take for a formula gets an apostrophe (`csv_escape.restored` undoes it)."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["text", "label", "label_id", "probability", "model_version", "line"])
    for text, answer in zip(texts, answers, strict=True):
        writer.writerow(
            [
                csv_escape.safe(text),
                csv_escape.safe(answer["label"] or UNCERTAIN),
                answer["label_id"],
                max(answer["probabilities"]),
                answer["model_version"],
                answer.get("line", ""),
            ]
        )
    return out.getvalue()
