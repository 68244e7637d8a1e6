"""`newsdesk predict`: texts or a file through the client."""

import argparse
import csv
import io
import json
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from components.core import csv_escape, fileio
from components.data import file_reader
from components.data.row_format import BadRow, Form, Row, form_of
from components.data.sources import SourceError
from components.data.text_cleaning import join
from pipelines.config import run_config
from pipelines.monitoring import batch_files

CHUNK = 4096  # rows between two signs of progress
SUFFIXES = (".csv", ".jsonl", ".parquet")


def run(args: argparse.Namespace, line: str) -> int:
    """Scores texts or a file; returns the exit code: 3 where a file, or every row of it, cannot be read."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore", FutureWarning)  # libraries on this Python's age; nothing the caller could do
    wrong = misused(args)
    if wrong:
        print(f"newsdesk predict: {wrong}", file=sys.stderr)
        return 2
    from pipelines import client

    try:
        model = client.Client(line, None if args.version == "@champion" else int(args.version))
        if args.texts:
            rows, bad, texts = [], [], [readable(text) for text in args.texts]
        else:
            args.file.stat()  # one that is not there is no data fault
            first = run_config.section(run_config.settings(), line, "data").first_label
            rows, bad = read_file(args.file, form_of(line, model.labels, first, labelled=False))
            texts = [join(row.title, row.description) for row in rows]
        answers = score(model, texts)
        for answer, row in zip(answers, rows):
            answer["line"] = row.line  # rows may be missing: it says which one this is
        if args.json:
            shown = json.dumps(answers, indent=1, ensure_ascii=False) + "\n"
        else:
            shown = table(texts, answers) if args.texts else as_csv(texts, answers)
        if args.output:
            write(args.output, shown)
        if bad:
            print(f"newsdesk predict: {quarantine(args.file, bad, args.output)}", file=sys.stderr)
    except SourceError as error:
        print(f"newsdesk predict: {error}", file=sys.stderr)
        return 3
    except (client.NoModel, OSError, ValueError) as error:
        print(f"newsdesk predict: {error}", file=sys.stderr)
        return 1
    if args.output:
        print(
            f"{len(answers):,} rows scored by version {model.version} of {line}, written to {args.output}",
            file=sys.stderr,
        )
    else:
        sys.stdout.write(shown)
    return 0


def write(path: Path, shown: str) -> None:
    """A file appears whole or not at all; a device or a pipe is written to."""
    if path.is_file() or not path.exists():
        if not path.parent.is_dir():
            raise OSError(f"the folder of --output must exist. Received: {path}")
        fileio.write_text(path, shown)
    else:
        path.write_text(shown, encoding="utf-8")


def misused(args: argparse.Namespace) -> str:
    """What is wrong with the arguments; empty where nothing is."""
    if bool(args.texts) == bool(args.file):
        return "give texts or --file, one of them"
    if args.version != "@champion" and not (
        args.version.isascii() and args.version.isdigit() and len(args.version) < 10
    ):
        return f"--version must be @champion or a version number. Received: {args.version[:80]!r}"
    if args.file and args.file.suffix.lower() not in SUFFIXES:
        return f"a file to score must be one of {', '.join(SUFFIXES)}. Received: {args.file.name[:80]!r}"
    return ""


def readable(text: str) -> str:
    """An argument whose bytes are no UTF-8 arrives with lone surrogates, which nothing can print."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


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
    said = f"{len(bad):,} rows of {path} cannot be read and have no answer. {_first(bad)}"
    if output is None or not output.is_file():
        return said
    beside = output.with_name(f"{output.name}.quarantine.csv")
    write(beside, batch_files.quarantine([(str(path), row) for row in bad]))
    return f"{said}\n  all of them: {beside}"


def table(texts: list[str], answers: list[dict]) -> str:
    """One line a text. What a terminal would obey instead of show becomes a question mark."""
    lines = []
    for text, answer in zip(texts, answers, strict=True):
        shown = "".join(c if c.isprintable() else "?" for c in " ".join(text.split())[:100])
        lines.append(f"{answer['label']:<10}{max(answer['probabilities']):.3f}  {shown}\n")
    return "".join(lines)


def as_csv(texts: list[str], answers: list[dict]) -> str:
    """Scores as CSV; a text that a spreadsheet would take for a formula gets an apostrophe (`spreadsheet.restored` undoes it)."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["text", "label", "label_id", "probability", "model_version", "line"])
    for text, answer in zip(texts, answers, strict=True):
        writer.writerow(
            [
                csv_escape.safe(text),
                csv_escape.safe(answer["label"]),
                answer["label_id"],
                max(answer["probabilities"]),
                answer["model_version"],
                answer.get("line", ""),
            ]
        )
    return out.getvalue()
