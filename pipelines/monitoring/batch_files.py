"""The files of a line's monitor: a batch's predictions and quarantine, and the history that follows from the batches' reports."""

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from components.core import fileio
from components.data.quarantine import cells
from components.data.row_format import BadRow
from pipelines.config.settings import MonitorSettings

PREDICTIONS = "predictions.parquet"
_GROUP = 1 << 15  # rows of the Parquet file that are written together
LIMITS = (
    "max_words",
    "max_lengths",
    "max_classes",
    "max_confidence_drop",
    "max_accuracy_drop",
    "max_quarantined",
    "min_rows",
    "min_labelled",
)


def in_history(report: dict) -> dict:
    """The part of a batch's report that the history keeps."""
    return {key: value for key, value in report.items() if key not in ("files", "asked")}


def mend(root: Path) -> None:
    """Removes what a crash left half-written, and writes into the history what it kept out. Under the lock."""
    for path in root.glob(".*.*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
    written = {entry["batch"] for entry in fileio.read_json_lines(root / "history.jsonl")}
    for path in sorted(root.glob("*/report.json")):
        if path.parent.name not in written:
            fileio.append_json(root / "history.jsonl", in_history(fileio.read_json(path)))


def judged_anew(root: Path, settings: MonitorSettings) -> tuple[list[dict], bool]:
    """The history with its warnings by the limits of today, and whether any entry changed; it is rewritten then. Under the lock."""
    from pipelines.monitoring import batch_check

    history, changed = fileio.read_json_lines(root / "history.jsonl"), False
    for entry in history:
        limits = {name: getattr(settings, name) for name in LIMITS}
        if any(entry["limits"].get(name) != limit for name, limit in limits.items()):
            warnings = batch_check.warnings(entry, entry["rows"], entry["expected_confidence"], settings)
            entry.update(limits={**entry["limits"], **limits}, warnings=warnings)
            changed = True
    if changed:
        fileio.write_text(root / "history.jsonl", "".join(json.dumps(e, ensure_ascii=False) + "\n" for e in history))
    return history, changed


def asked(root: Path) -> set[str]:
    """The texts that stand in a queue already: each is asked about once."""
    return {key for path in root.glob("*/report.json") for key in fileio.read_json(path)["asked"]}


@contextmanager
def predictions(path: Path, model, given: Sequence[str]) -> Iterator[Callable]:
    """A Parquet file of one row an article, whole when the block ends; gives a function that adds some articles, in the order of the
    files: (articles, probabilities, shares of unknown words). given: names of the labels that articles came with."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer, waiting = None, []

    def write() -> None:
        nonlocal writer
        table = pa.concat_tables(waiting)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
        waiting.clear()

    def add(articles, chances, unknown) -> None:
        waiting.append(_table(articles, chances, unknown, model, given))
        if sum(len(table) for table in waiting) >= _GROUP:
            write()

    try:
        yield add
        if waiting:
            write()
    finally:
        if writer:
            writer.close()


def _table(articles, chances, unknown, model, given):
    """One row an article; the column `given` is the label it came with, if any."""
    import pyarrow as pa

    from pipelines.monitoring.batch_check import margins

    answers, names = chances.argmax(axis=1), model.labels
    return pa.table(
        {
            "id": [article.key for article in articles],
            "title": [article.title for article in articles],
            "description": [article.description for article in articles],
            "label": [names[answer] for answer in answers],
            "label_id": pa.array(answers, pa.int64()),
            "probability": pa.array(chances.max(axis=1), pa.float32()),
            "margin": pa.array(margins(chances), pa.float32()),
            "probabilities": pa.array(list(chances), pa.list_(pa.float32())),
            "unknown_words": pa.array(unknown, pa.float32()),
            "given": pa.array([given[a.given] if a.given >= 0 else None for a in articles], pa.string()),
            "model_version": pa.array([model.version] * len(articles), pa.int64()),
            "file": [article.file for article in articles],
            "row": pa.array([article.line for article in articles], pa.int64()),
        }
    )


@contextmanager
def quarantine(path: Path) -> Iterator[Callable[[str, BadRow], None]]:
    """A CSV file of rows that cannot be read, whole when the block ends: file, line, column, value, reason. Gives a function that adds one."""
    with fileio.replacing(path) as raw:
        out = io.TextIOWrapper(raw, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(out)
        writer.writerow(["file", "line", "column", "value", "reason"])
        yield lambda file, row: writer.writerow(cells(file, row))
        out.detach()
