"""The champion on the newest labels, once a day: a series in MLflow, and a curve on the page *Models*.

Scored are the fresh rows of the newest labelled spans (`components.data.fresh_rows`), on which no run trains. The first look of a day with a
champion counts, by the calendar of the monitor's time zone; a later one that day adds nothing. Part of `newsdesk monitor`, which Airflow
starts by the monitor's cron.

    monitor/<line>/rescored.jsonl   one line a day and version: `day`, `version`, `spans`, `rows`, `accuracy`, `interval`, `time`
"""

import sys
from datetime import datetime
from pathlib import Path

import numpy as np

from components.core import clock, fileio, paths
from components.core.intervals import wilson
from components.data import file_reader, fresh_rows, sources, text_cleaning
from components.data.row_format import Form, Row, form_of
from components.evaluation.fresh_news import newest
from components.registry import model_registry
from components.registry.manifest import label_places
from pipelines.config import run_config
from pipelines.config.settings import zone
from pipelines.monitoring.label_import import source_of


def history_file(line: str) -> Path:
    return paths.monitor_dir(line) / "rescored.jsonl"


def rescore(line: str, version: int, now: datetime) -> dict | None:
    """Scores the champion where this day has no score of it yet, and returns the entry; None where nothing is new.

    A source or a row that cannot be read, and an MLflow that cannot be reached, are messages: the monitor goes on.
    """
    history, day = fileio.read_json_lines(history_file(line)), str(now.date())
    if any((entry["day"], entry["version"]) == (day, version) for entry in history):
        return None
    try:
        texts, truth, spans = labelled_rows(line, now)
    except sources.SourceError as error:
        print(f"newsdesk monitor: the champion was not scored on the newest labels: {error}", file=sys.stderr)
        return None
    if not texts:
        return None
    from pipelines import client

    model, labels = client.Client(line, version), run_config.labels_of(line)
    places = label_places(model.labels, labels)
    if places is None:
        print(
            f"newsdesk monitor: the champion was not scored on the newest labels: it has the classes {', '.join(model.labels)}, and "
            f"the line has {', '.join(labels)}",
            file=sys.stderr,
        )
        return None
    right = np.asarray(model.probabilities(texts))[:, places].argmax(axis=1) == truth
    accuracy = float(right.mean())
    entry = {
        "day": day, "version": version, "spans": spans, "rows": len(texts), "accuracy": accuracy,
        "interval": wilson(accuracy, len(texts)), "time": clock.now(),
    }  # fmt: skip
    fileio.append_json(history_file(line), entry)
    _mirror(line, version, [*history, entry])
    return entry


def labelled_rows(line: str, now: datetime) -> tuple[list[str], np.ndarray, list[str]]:
    """Texts, label ids int64[rows] and days of the fresh rows of the newest labelled spans; of a text with two labels, the newer one.

    Raises:
        SourceError: the source, or a file of it, cannot be read.
    """
    lines = run_config.settings()
    data, gates = (run_config.section(lines, line, name) for name in ("data", "gates"))
    source = source_of(line, lines)
    if not source or not data.fresh_fraction:
        return [], np.zeros(0, np.int64), []
    last = now.astimezone(zone(run_config.section(lines, line, "schedule").timezone))
    files = [file.to_json() for file in sources.resolve(source, "all", last)[0]]
    files = [file for file in files if fresh_rows.counts(file, data.fresh_from)]
    spans = newest(np.array([file["span"] for file in files], object), gates.fresh_spans)
    form, rows = form_of(line, run_config.labels_of(line), data.first_label), {}
    for file in sorted(files, key=lambda one: (one["span"], one["path"])):
        if file["span"] in spans:
            rows |= _fresh(Path(file["path"]), form, data.fresh_fraction)
    texts, labels = [text for text, _ in rows.values()], [label for _, label in rows.values()]
    return texts, np.array(labels, np.int64), spans


def _fresh(path: Path, form: Form, fraction: float) -> dict[int, tuple[str, int]]:
    """(text, label) of a file's fresh rows, by the key of the text."""
    rows = {}
    for row in file_reader.read(path, form):
        if isinstance(row, Row):
            text = text_cleaning.join(row.title, row.description)
            key = text_cleaning.row_key(text)
            if fresh_rows.drawn(key, fraction):
                rows[key] = (text, row.label)
    return rows


def _mirror(line: str, version: int, history: list[dict]) -> None:
    """Brings MLflow's series of this version up to date, with what an earlier failure kept out."""
    try:
        from components.registry import mlflow_sync

        card = model_registry.card(line, version)
        if card:
            mlflow_sync.follow_daily(line, card, [entry for entry in history if entry["version"] == version])
    except Exception as error:  # MLflow's and its database's: many classes
        print(f"newsdesk monitor: MLflow is not up to date ({error}); the next day's score brings it up to date", file=sys.stderr)  # fmt: skip
