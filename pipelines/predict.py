"""`newsdesk predict`: texts or a file through the client."""

import argparse
import csv
import io
import json
import os
import sys
from pathlib import Path

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def run(args: argparse.Namespace, line: str) -> int:
    """Scores texts or a file; returns the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from pipelines import client

    if bool(args.texts) == bool(args.file):
        print("newsdesk predict: give texts or --file, one of them", file=sys.stderr)
        return 2
    if args.model != "@champion" and not args.model.isdigit():
        print(f"newsdesk predict: --model must be @champion or a version number. Received: {args.model!r}", file=sys.stderr)
        return 2
    try:
        texts = args.texts or read_texts(args.file)
        model = client.Client(line, None if args.model == "@champion" else int(args.model))
    except (client.NoModel, OSError, ValueError) as error:
        print(f"newsdesk predict: {error}", file=sys.stderr)
        return 1
    answers = model.classify(texts)
    shown = json.dumps(answers, indent=1, ensure_ascii=False) + "\n" if args.json else table(texts, answers) if args.texts else as_csv(texts, answers)
    if args.output:
        args.output.write_text(shown, encoding="utf-8")
        print(f"{len(answers):,} rows scored by version {model.version} of {line}, written to {args.output}", file=sys.stderr)
    else:
        sys.stdout.write(shown)
    return 0


def read_texts(path: Path) -> list[str]:
    """The model's input texts from a file: CSV with a header, JSONL or Parquet, with `title` and `description` (either may lack).

    Raises:
        ValueError: another format, or neither column. OSError: unreadable.
    """
    from components.text import join

    suffix = path.suffix.lower()
    if suffix == ".csv":
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = list(csv.DictReader(file))
    elif suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines() if line.strip()]
    elif suffix == ".parquet":
        import pyarrow.parquet as pq

        rows = pq.read_table(path).to_pylist()
    else:
        raise ValueError(f"a file to score must be .csv, .jsonl or .parquet. Received: {path.name}")
    if rows and not {"title", "description"} & set(rows[0]):
        raise ValueError(f"a file to score must have the columns title and description. Received: {', '.join(map(str, rows[0]))[:200]}")
    return [join(str(row.get("title") or ""), str(row.get("description") or "")) for row in rows]


def table(texts: list[str], answers: list[dict]) -> str:
    return "".join(f"{a['label']:<10}{max(a['probabilities']):.3f}  {t[:100]}\n" for t, a in zip(texts, answers, strict=True))


def as_csv(texts: list[str], answers: list[dict]) -> str:
    """Scores as CSV; a text that a spreadsheet would take for a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["text", "label", "label_id", "probability", "model_version"])
    for text, answer in zip(texts, answers, strict=True):
        safe = "'" + text if text.startswith(FORMULA) else text
        writer.writerow([safe, answer["label"], answer["label_id"], max(answer["probabilities"]), answer["model_version"]])
    return out.getvalue()
