"""The columns of a label queue, and the queue of rows whose label a reader doubts. Standard library only: Airflow's pages write to it."""

import csv
import io
from pathlib import Path

from components.core import csv_escape, fileio, locks, paths
from components.data import text_cleaning

COLUMNS = ("label", "title", "description", "guess", "probability", "second", "unknown_words", "why", "id")
RANDOM = "random"  # why a text is asked about that was drawn from the whole batch
ID = "row-"  # before the hash: sixteen digits alone a spreadsheet would round as a number
BOM = "\ufeff"  # Excel reads UTF-8 only then
DOUBTED = "doubted.csv"


def doubted(line: str) -> Path:
    """The queue of doubted rows of a line; `newsdesk label` reads it once somebody has filled in the column `label`."""
    return paths.monitor_dir(line) / "review" / DOUBTED


def doubt(line: str, text: str, label: str, answer: str, probability: float, why: str) -> bool:
    """Adds a row to that queue with an empty column `label`; returns whether it is new there: a text is asked about once.

    text: the whole article. label: the one that is doubted. answer, probability: of the model that disagreed.
    """
    path, key = doubted(line), ID + text_cleaning.row_hash(text)
    cells = {
        "title": text, "guess": answer, "probability": f"{probability:.3f}", "why": f"label {label} is doubted: {why}",
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with locks.line_lock(line, "doubted"):
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        if any(row.get("id") == key for row in csv.DictReader(io.StringIO(before.removeprefix(BOM), newline=""))):
            return False
        out = io.StringIO(newline="")
        table = csv.writer(out)
        if not before:
            table.writerow([*COLUMNS, "confirm"])
        table.writerow([*(key if name == "id" else csv_escape.safe(cells.get(name, "")) for name in COLUMNS), ""])
        fileio.write_text(path, (before or BOM) + out.getvalue())
    return True
