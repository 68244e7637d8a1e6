"""`newsdesk monitor FOLDER`: the champion on recent articles, what drifts, and which texts a person should label.

A batch is what one dated folder holds, or the files of a folder without dates. The same batch, champion and form of files are scored
once; its warnings follow from the kept figures by the limits of today.

    monitor/<line>/history.jsonl                        one line a batch scored
                  /rescored.jsonl                       the champion on the newest labels, day by day, see `pipelines.monitoring.rescoring`
                  /told.jsonl                           the warnings that a notice has gone out for, see `pipelines.monitoring.drift_notices`
    monitor/<line>/report.html                          the history as a page
    monitor/<line>/<date>.<key>/predictions.parquet     one row an article
                               /quarantine.csv          rows that cannot be read
                               /queue.csv               texts to label, see `newsdesk label`
                               /report.json             the line of the history, and more
"""

import dataclasses
import hashlib
import json
import os
import shutil
import sys
import tempfile
import warnings
from datetime import datetime
from pathlib import Path

from components.core import clock, fileio, locks, paths
from components.data import sources
from components.data.row_format import Form, form_of
from components.registry import model_registry
from pipelines.config import run_config
from pipelines.config.lines import check_folder
from pipelines.config.settings import MonitorSettings, zone
from pipelines.monitoring import batch_files, drift_notices, rescoring

_KEY = 16  # hex digits of a batch's key, as part of its folder's name


class NothingServes(Exception):
    """The line has no champion to score with."""


def run(line: str, folder: str, window: str, as_json: bool) -> int:
    """Exit code: 0 done, drifted or not; 2 no folder given; 3 a file cannot be read; 1 no champion."""
    warnings.simplefilter("ignore", FutureWarning)  # libraries on this Python's age; nothing the caller could do
    settings = run_config.section(run_config.settings(), line, "monitor")
    folder = folder or settings.folder
    if not folder:
        print(
            f"newsdesk monitor: give a folder, or set folder under [{line}.monitor] in newsdesk.toml", file=sys.stderr
        )
        return 2
    window = window or settings.window
    run_config.Request(window=window)
    try:
        folder = os.path.abspath(Path(folder).expanduser())
        check_folder(folder)
        summary = monitor(line, folder, window, settings)
    except NothingServes as error:
        print(f"newsdesk monitor: {error}", file=sys.stderr)
        return 1
    except sources.SourceError as error:
        print(f"newsdesk monitor: {error}", file=sys.stderr)
        if as_json:
            print(
                json.dumps(
                    {"line": line, "headline": str(error).splitlines()[0], "reasons": str(error).splitlines()[1:]}
                )
            )
        return 3
    print(json.dumps(summary, ensure_ascii=False) if as_json else table(summary))
    for error in summary["unread"]:
        print(f"newsdesk monitor: {error}", file=sys.stderr)
    return 3 if summary["unread"] else 0


def monitor(line: str, folder: str, window: str, settings: MonitorSettings) -> dict:
    """Scores the batches of a folder that are new to the champion; returns the history's lines of all its batches.

    `unread` holds what is wrong with batches that cannot be read as a whole, `untold` the warnings of the whole history that no
    notice has gone out for.

    Raises:
        NothingServes: there is no champion.
        SourceError: nothing in the folder.
        RegistryError: the champion is damaged.
    """
    pointer = model_registry.champion(line)
    if not pointer:
        raise NothingServes(
            f"line {line!r} must have a champion. Received: none yet; `make retrain` or `newsdesk retrain` makes one"
        )
    now = datetime.now(zone(settings.timezone))
    files, ignored = sources.resolve(folder, window, now)
    spans: dict[str, list[sources.SourceFile]] = {}
    for file in files:
        spans.setdefault(file.span, []).append(file)
    names, unread, scorer, new = [], [], None, []
    form = form_of_articles(line)
    paths.ensure()
    with locks.line_lock(line, "monitor"):
        root = paths.monitor_dir(line)
        batch_files.mend(root)
        for span, own in sorted(spans.items()):
            key = batch_key(own, pointer["digest"], form, folder)
            known = next(iter(sorted(root.glob(f"*.{key}"))), None)
            if known is None:
                scorer = scorer or Scorer(line, pointer, settings, form)
                try:
                    known = scorer.score(root, f"{span or now.date()}.{key}", own, folder)
                    new.append(known.name)
                except sources.SourceError as error:
                    unread.append(str(error))
                    continue
            names.append(known.name)
        history, changed = batch_files.judged_anew(root, settings)
        rescored = rescoring.rescore(line, pointer["version"], now)
        if new or changed or not (root / "report.html").exists():
            draw(line, root)
    entries = {entry["batch"]: entry for entry in history}
    batches = [entries[name] for name in names]
    return {
        "line": line, "version": pointer["version"], "folder": folder, "headline": headline(batches, len(new)), "new": new,
        "batches": batches, "ignored": ignored, "unread": unread, "untold": drift_notices.untold(line, history), "history": str(root / "history.jsonl"), "report": str(root / "report.html"),
        "rescored": rescored,
    }  # fmt: skip


def form_of_articles(line: str) -> Form:
    """How a line's recent articles are written: as its train files, but they need no label."""
    first = run_config.section(run_config.settings(), line, "data").first_label
    return form_of(line, run_config.labels_of(line), first, labelled=False)


def batch_key(files: list[sources.SourceFile], digest: str, form: Form, folder: str) -> str:
    """What a batch's result depends on: each file's name, day and content, how files are read, the champion and the result's form.

    Limits are no part of it: `batch_files.judged_anew` judges by those of today.
    """
    own = [[os.path.relpath(file.path, os.path.realpath(folder)), file.span, file.sha256] for file in files]
    content = [drift_notices.FORMAT, digest, dataclasses.asdict(form), sorted(own)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:_KEY]


class Scorer:
    """A champion and what its batches are compared with; it is loaded when the first new batch comes by."""

    def __init__(self, line: str, pointer: dict, settings: MonitorSettings, form: Form):
        from pipelines import client

        self.line, self.pointer, self.settings = line, pointer, settings
        self.card = model_registry.card(line, pointer["version"])
        self.profile = fileio.read_json(paths.registry_dir(line) / "versions" / f"{pointer['version']}.profile.json")
        self.model = client.Client(line, pointer["version"])
        self.form = form

    def score(self, root: Path, name: str, files: list[sources.SourceFile], folder: str) -> Path:
        """Writes one batch's folder, whole or not at all, and its line in the history."""
        root.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=root))
        try:
            report = self._write(aside, name, files, folder, batch_files.asked(root))
            os.rename(aside, root / name)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        fileio.sync(root)
        fileio.append_json(root / "history.jsonl", batch_files.in_history(report))
        return root / name

    def _write(self, aside: Path, name: str, files: list[sources.SourceFile], folder: str, asked: set[str]) -> dict:
        """Writes a batch's files into `aside`; returns its report. asked: the texts that stand in a queue already."""
        from pipelines.monitoring import batch_check, batch_scores, label_queue

        with batch_files.quarantine(aside / "quarantine.csv") as bad:
            batch = batch_check.read([file.path for file in files], self.form, bad)
        if not len(batch):
            where = (
                "none" if batch.bad is None else "{0}, line {1.line}, column {1.column}: {1.reason}".format(*batch.bad)
            )
            raise sources.SourceError(f"a batch must hold rows that can be read. Received: {where}")
        with batch_files.predictions(aside / batch_files.PREDICTIONS, self.model, self.form.labels) as add:
            scores = batch_scores.score(batch, self.model, self.profile, add, name)
        given = batch_check.given_among(batch.given, self.form.labels, self.model.labels)
        measured = batch_check.figures(scores.profile, given, scores.chances, scores.unknown, self.profile)
        expected = self.card["metrics"].get("confidence") if self.card else None  # older versions have none
        measured["expected_accuracy"] = self.card["metrics"].get("accuracy") if self.card else None
        settings = self.settings
        questions = label_queue.choose(
            batch.keys, scores.chances, scores.surprise, asked, settings.queue_rows, settings.queue_unlike, settings.queue_random
        )  # fmt: skip
        articles = batch.at([question.at for question in questions])
        report = {
            "format": drift_notices.FORMAT, "batch": name, "day": name.partition(".")[0], "time": clock.now(), "line": self.line,
            "version": self.pointer["version"], "digest": self.pointer["digest"], "folder": folder, "rows": batch.rows, **measured,
            "expected_confidence": expected, "limits": settings.model_dump(), "queue": len(questions),
            "warnings": batch_check.warnings(measured, batch.rows, expected, settings),
            "files": [file.to_json() for file in files], "asked": [articles[question.at].key for question in questions],
        }  # fmt: skip
        queue = label_queue.as_csv(questions, articles, scores.chances, scores.unknown, self.model.labels)
        fileio.write_text(aside / "queue.csv", queue)
        fileio.write_json(aside / "report.json", report)
        return report


def draw(line: str, root: Path) -> None:
    """Writes the page of a line's history."""
    from pipelines.reports import drift

    history = fileio.read_json_lines(root / "history.jsonl")
    fileio.write_text(root / "report.html", drift.page(line, history))


def headline(batches: list[dict], new: int) -> str:
    count = sum(bool(entry["warnings"]) for entry in batches)
    drifted = f"{count} with warnings" if count else "no warning"
    counted = "1 batch" if len(batches) == 1 else f"{len(batches)} batches"
    return f"{counted}, {new} scored now, {sum(e['rows']['out'] for e in batches):,} articles; {drifted}"


def table(summary: dict) -> str:
    """The batches as lines for a terminal, warnings below each."""
    lines = [f"{summary['folder']} by version {summary['version']} of {summary['line']}: {summary['headline']}"]
    lines.append(
        f"  {'day':<10}  {'articles':>8}  {'bad':>5}  {'words':>6}  {'lengths':>7}  {'classes':>7}  {'confidence':>10}  to label"
    )
    for entry in summary["batches"]:
        words, lengths, classes = (
            "-" if entry["drift"][name] is None else f"{entry['drift'][name]:.3f}"
            for name in ("words", "lengths", "classes")
        )
        rows = entry["rows"]
        lines.append(f"  {entry['day']:<10}  {rows['out']:>8,}  {rows['quarantined']:>5,}  {words:>6}  {lengths:>7}  {classes:>7}"
                     f"  {entry['confidence']:>10.3f}  {entry['queue']:,}")  # fmt: skip
        lines += [f"    ! {warning['message']}" for warning in entry["warnings"]]
    if score := summary["rescored"]:
        low, high = score["interval"]
        lines.append(f"  accuracy on the newest labels   {score['accuracy']:.3f} ({low:.3f} to {high:.3f}) on {score['rows']:,} rows that no run trains on")  # fmt: skip
    folder = Path(summary["report"]).parent
    lines += [f"  not read: {what}" for what in summary["ignored"]]
    lines.append(
        f"  predictions, quarantine, queue  {folder}/{summary['batches'][-1]['batch']}/" if summary["batches"] else ""
    )
    lines.append(f"  drift over time                 {summary['report']}")
    return "\n".join(lines)
