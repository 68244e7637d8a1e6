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

CHUNK = 4096  # rows between two signs of progress
LONGEST_CELL = 1 << 24  # characters; the csv module's own limit of 131,072 is under one long article
SUFFIXES = (".csv", ".jsonl", ".parquet")


def run(args: argparse.Namespace, line: str) -> int:
    """Scores texts or a file; returns the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore", FutureWarning)  # libraries on this Python's age; nothing the caller could do
    wrong = misused(args)
    if wrong:
        print(f"newsdesk predict: {wrong}", file=sys.stderr)
        return 2
    from pipelines import client

    try:
        texts = [readable(text) for text in args.texts] or read_texts(args.file)
        model = client.Client(line, None if args.model == "@champion" else int(args.model))
        answers = score(model, texts)
        if args.json:
            shown = json.dumps(answers, indent=1, ensure_ascii=False) + "\n"
        else:
            shown = table(texts, answers) if args.texts else as_csv(texts, answers)
        if args.output:
            write(args.output, shown)
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
    if args.model != "@champion" and not (args.model.isascii() and args.model.isdigit() and len(args.model) < 10):
        return f"--model must be @champion or a version number. Received: {args.model[:80]!r}"
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


def read_texts(path: Path) -> list[str]:
    """The model's input texts from a file: CSV with a header, JSONL or Parquet, with `title` and `description` (either may lack).

    Bytes that are no UTF-8 become U+FFFD.

    Raises:
        ValueError: another format, or neither column; the message names the line. OSError: unreadable.
    """
    from components.data.text_cleaning import join

    suffix = path.suffix.lower()
    if suffix == ".csv":
        rows = _csv_rows(path)
    elif suffix == ".jsonl":
        rows = _jsonl_rows(path)
    elif suffix == ".parquet":
        import pyarrow.parquet as pq

        rows = pq.read_table(path).to_pylist()
    else:
        raise ValueError(f"a file to score must be one of {', '.join(SUFFIXES)}. Received: {path.name}")
    if rows and not any({"title", "description"} & set(row) for row in rows):
        names = ", ".join(map(str, rows[0]))[:200]
        raise ValueError(f"a file to score must have the columns title and description. Received: {names}")
    return [join(_cell(row.get("title")), _cell(row.get("description"))) for row in rows]


def _csv_rows(path: Path) -> list[dict]:
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.DictReader(line.replace("\0", " ") for line in file)
            reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
            return list(reader)
    except csv.Error as error:
        raise ValueError(
            f"a file to score must be CSV. Received: {path.name} line {reader.line_num}: {error}"
        ) from None
    finally:
        csv.field_size_limit(before)


def _jsonl_rows(path: Path) -> list[dict]:
    rows = []
    # Not splitlines(): it would also cut at U+2028 within a string.
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"a line must be JSON. Received: {path.name} line {number}: {error}") from None
        if not isinstance(row, dict):
            raise ValueError(f"a line must be a JSON object. Received: {path.name} line {number}: {line[:80]!r}")
        rows.append(row)
    return rows


def _cell(value) -> str:
    """A cell as text; bytes and lone surrogates become what can be printed."""
    if value is None:
        return ""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.encode("utf-8", "replace").decode()


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
    writer.writerow(["text", "label", "label_id", "probability", "model_version"])
    for text, answer in zip(texts, answers, strict=True):
        writer.writerow(
            [
                csv_escape.safe(text),
                answer["label"],
                answer["label_id"],
                max(answer["probabilities"]),
                answer["model_version"],
            ]
        )
    return out.getvalue()
