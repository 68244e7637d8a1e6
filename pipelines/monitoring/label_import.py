"""`newsdesk label QUEUE.csv --into SOURCE`: a filled-in label queue becomes a dated folder of the source, for the next retraining.

Refuses: a label that is none of the line's, a text that is not the one that was asked about, one text with two labels. Each is
told with line and column, and nothing is written. Rows whose label is empty are left out and counted. Labels that champion and
neighbours contradict stay out and go back into a queue (`pipelines.monitoring.label_check`); a batch that cannot be believed is held.
"""

import argparse
import csv
import hashlib
import io
import json
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from components.core import clock, csv_escape, fileio, paths
from components.data import sources
from components.data.fresh_rows import LABELLED
from components.registry import model_registry
from pipelines.config import run_config
from pipelines.config.settings import zone

_SHOWN = 20  # faults that are listed


class DayTaken(Exception):
    """The source has a folder for that day already."""


def run(args: argparse.Namespace, line: str) -> int:
    """Exit code: 0 written, or there already; 2 bad usage; 3 the labels are refused or held; 1 the file cannot be opened."""
    from components.data.row_format import form_of

    lines = run_config.settings()
    given = args.into or source_of(line, lines)
    into = (sources.folder_of(given) or Path()).absolute()
    today = datetime.now(zone(run_config.section(lines, line, "schedule").timezone)).date()
    span = args.span or free_day(into, today)
    wrong = misused(given, into, span, today)
    if wrong:
        print(f"newsdesk label: {wrong}", file=sys.stderr)
        return 2
    form = form_of(line, run_config.labels_of(line), run_config.section(lines, line, "data").first_label)
    try:
        with open(args.queue, "rb"):
            pass
        rows, blank = read(args.queue, form, args.requests or paths.requests_dir(line))
        result = bring(line, rows, into, span, form, args.confirm)
    except (sources.SourceError, DayTaken) as error:
        print(f"newsdesk label: {error}", file=sys.stderr)
        return 2 if isinstance(error, DayTaken) else 3
    result = {"line": line, **result, "blank": blank}
    print(json.dumps(result, ensure_ascii=False) if args.json else summary(result))
    return 3 if result["held"] else 0


def source_of(line: str, lines: dict) -> str:
    """The source that the line's schedule reads, the demo's for the demo line; empty where there is none. lines: `newsdesk.toml`."""
    planned = lines.get(line, {}).get("schedule", {}).get("source", "")
    return planned or ("demo" if line == run_config.DEMO_LINE else "")


def bring(line: str, rows: list, into: Path, span: str, form, confirmed: str = "") -> dict:
    """Checks labelled rows and writes those that are believed; what `newsdesk label --json` says.

    confirmed: why a person believes all of them, empty where nobody said so.

    Raises:
        DayTaken: the source has that day already.
    """
    from pipelines.monitoring import label_check

    if confirmed.strip():
        rows = [row._replace(confirmed=True) for row in rows]
    names, log = list(form.labels), paths.monitor_dir(line) / "labels.jsonl"
    key = hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]
    before = next(
        (e for e in fileio.read_json_lines(log) if (e["key"], e["into"]) == (key, str(into)) and _there(e)), None
    )
    if before:
        return {**before["result"], "written": False}
    checked = label_check.review(line, rows, into, form)
    folder, new, queue = None, False, None
    if checked.believed:
        folder, new = write(into, span, [(names[row.label], row.title, row.description) for row in checked.believed])
    paths.ensure()
    if checked.suspects:
        queue = label_check.write_queue(line, key, checked, names)
    result = {
        "folder": str(folder) if folder else None, "rows": len(checked.believed), "written": new, "held": checked.held, "notes": checked.notes,
        "labels": {name: sum(row.label == at for row in checked.believed) for at, name in enumerate(names)},
        "confirmed": sum(row.confirmed for row in rows), "suspects": [[row.title[:80], why] for row, why in checked.suspects],
        "queue": str(queue) if queue else None, "agreement": checked.agreed, "sampled": checked.sampled,
    }  # fmt: skip
    log.parent.mkdir(parents=True, exist_ok=True)
    who = {"time": clock.now(), "who": model_registry.user(), "reason": confirmed.strip(), "into": str(into)}
    fileio.append_json(log, {"key": key, **who, "result": result})
    return result


def _there(entry: dict) -> bool:
    """Whether the rows that an earlier call wrote are still in the source."""
    return bool(entry["result"]["folder"]) and Path(entry["result"]["folder"]).is_dir()


def summary(result: dict) -> str:
    """What came of it, as lines for a terminal."""
    counts = ", ".join(f"{name} {count:,}" for name, count in result["labels"].items())
    lines = [f"{result['rows']:,} labelled rows, {result['blank']:,} left empty: {counts}"]
    for name, one in result["agreement"].items():
        lines.append(f"the {name} agree{'' if name == 'neighbours' else 's'} with {one['agreed']:,} of {one['rows']:,}, {one['expected']:.0%} expected")  # fmt: skip
    if sampled := result.get("sampled"):
        lines.append(f"of {sampled['rows']:,} texts drawn at random the champion gives {sampled['agreed']:,} of the labels, {sampled['expected']:.0%} expected")  # fmt: skip
    if not result["agreement"] and result["rows"] > result["confirmed"]:
        lines.append("nobody could check the labels: there is no champion, and the source has too few rows")
    if result["held"]:
        lines = [f"HELD, nothing was written: {reason}" for reason in result["held"]]
    else:
        lines += result["notes"]
        lines += [f"  kept out: {title!r}, {why}" for title, why in result["suspects"][:_SHOWN]]
    if result["queue"]:
        lines.append(f"{len(result['suspects']):,} rows to look at again: {result['queue']}")
        lines.append("correct the label or write yes into the column confirm, and bring that file back; --confirm REASON takes a file as it is")  # fmt: skip
    if result["folder"]:
        lines.append(f"{'written to' if result['written'] else 'already in'} {result['folder']}")
    return "\n".join(lines)


def free_day(into: Path, today: date) -> str:
    """The newest day up to today that the source has no folder of."""
    taken = {day for path in into.glob("*") if (day := sources.day_of(path.name))}
    return next(day for back in range(len(taken) + 1) if (day := f"{today - timedelta(back)}") not in taken)


def misused(given: str, into: Path, span: str, today: date) -> str:
    """What is wrong with the arguments; empty where nothing is."""
    if not given or given.startswith("tfds"):
        return f"--into must be a source folder, the one that the line's schedule reads. Received: --into={given!r:.80}"
    if not into.is_dir():
        return f"Folder not found: {into}"
    try:
        day = date.fromisoformat(span)
    except ValueError:
        return f"--span must be a date YYYY-MM-DD. Received: --span={span!r:.80}"
    if day.isoformat() != span or day > today:
        return f"--span must be a date YYYY-MM-DD, today or before, or no run would read it yet. Received: --span={span!r:.80}"
    return ""


def read(path: Path, form, log: Path | None = None) -> tuple[list, int]:
    """The rows that carry a label (`label_check.Labelled`), each text once, and how many rows carry none.

    log: of the requests that a file of ids and labels alone names (`request_labels`); None where there is none.

    Raises:
        SourceError: anything in the file is wrong; the message lists it by line and column.
    """
    from components.data import csv_reader
    from pipelines.monitoring import request_labels
    from pipelines.monitoring.label_check import CONFIRMED, Labelled
    from pipelines.monitoring.queue_file import RANDOM

    rows, blank, faults, seen = [], 0, [], {}
    given = request_labels.rows(path, log) if log and request_labels.by_id(path) else _rows(csv_reader.rows(path, form))
    for number, fields in given:
        if isinstance(fields, str):
            faults.append(fields)
        elif not fields["label"].strip():
            blank += 1
        elif fault := _fault(number, fields, form, seen):
            faults.append(fault)
        elif seen[fields["id"]][0] == number:
            label = form.labels.index(seen[fields["id"]][1])
            confirmed, sampled = fields["confirm"] in CONFIRMED, fields["why"].startswith(RANDOM)
            rows.append(Labelled(label, fields["title"], fields["description"], confirmed, sampled))
    if faults:
        more = f"\n  and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        listed = "".join(f"\n  {fault}" for fault in faults[:_SHOWN])
        raise sources.SourceError(
            f"a label queue must be filled in right; nothing was written. Received: {path}{listed}{more}"
        )
    if not rows:
        raise sources.SourceError(
            f"a label queue must carry labels in the column label. Received: {path}, all {blank:,} rows empty"
        )
    return rows, blank


def _rows(read) -> Iterator[tuple[int, dict | str]]:
    """(line, cells) or (line, what is wrong with it). The escaping of a queue's cells is undone; a row without an id is of another file."""
    from components.data.row_format import COLUMNS, BadRow
    from components.data.text_stream import NUL

    for number, fields in read:
        if isinstance(fields, BadRow):
            yield number, f"line {number}, column {fields.column}: {fields.value[:60]!r} {fields.reason}"
            continue
        texts = {name: fields.get(name, "") for name in COLUMNS}
        if fields.get("id", "").strip():
            texts = {name: csv_escape.restored(text) for name, text in texts.items()}
        if broken := [name for name, text in texts.items() if NUL in text]:
            yield number, f"line {number}, column {broken[0]}: holds a NUL character (a zero byte); remove it"
            continue
        try:
            "".join(texts.values()).encode()
        except UnicodeEncodeError:
            yield number, f"line {number}: holds bytes that are no UTF-8; save the sheet as CSV UTF-8"
            continue
        own = {name: fields.get(name, "").strip().lower() for name in ("confirm", "why")}
        yield number, {**texts, "id": fields.get("id", ""), **own}


def _fault(number: int, fields: dict, form, seen: dict) -> str:
    """What is wrong with a labelled row; empty where nothing is. Fills in its id, and `seen` with id: (line, label)."""
    from components.data import text_cleaning
    from components.data.row_format import parse_label
    from pipelines.monitoring.queue_file import ID

    label = parse_label(fields["label"], form.labels, form.first_label)
    if label is None:
        return f"line {number}, column label: {fields['label'][:60]!r} is none of {', '.join(form.labels)}"
    row_id = ID + text_cleaning.row_hash(text_cleaning.join(fields["title"], fields["description"]))
    if fields["id"] not in ("", row_id):
        shown = fields["title"][:60]
        return f"line {number}, columns title, description: {shown!r} is not the text that was asked about under {fields['id'][:30]!r}"
    fields["id"] = row_id
    earlier, name = seen.setdefault(row_id, (number, form.labels[label]))
    if name != form.labels[label]:
        return f"line {number}, column label: {form.labels[label]}, but line {earlier} has the same text as {name}"
    return ""


def write(into: Path, span: str, rows: list[tuple[str, str, str]]) -> tuple[Path, bool]:
    """Puts rows of (label, title, description) into the source's folder of that day, complete or not at all; returns the folder, and whether it is news.

    The day is finished in the way that the source's others are: with `_SUCCESS` where they carry it or where there are none, else
    by its age (`components.data.sources`).

    Raises:
        DayTaken: the source has that day with something else in it; a finished day stays as it is, and readers know it by name.
    """
    content = as_csv(rows)
    name = f"{LABELLED}-{hashlib.sha256(content).hexdigest()[:12]}.csv"
    days = {path: day for path in into.iterdir() if path.is_dir() and (day := sources.day_of(path.name))}
    same = next((path for path in days if (path / name).exists()), None)
    if same:
        return same, False
    taken = next((path for path, day in days.items() if day == span), None)
    if taken:
        raise DayTaken(
            f"labelled rows need a day that the source does not have yet. Received: {taken} is there; give another --span"
        )
    marked = not days or any((path / "_SUCCESS").exists() for path in days)
    target = into / (span if any(path.name == day for path, day in days.items()) else f"span={span}")
    aside = into / f".{target.name}.{uuid.uuid4().hex[:8]}"
    aside.mkdir()
    try:
        _write_whole(aside / name, content)
        if marked:
            _write_whole(aside / "_SUCCESS", b"")
        fileio.sync(aside)
        os.rename(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    fileio.sync(into)
    return target, True


def as_csv(rows: list[tuple[str, str, str]]) -> bytes:
    """The rows in the form of a train file, with a header; classes by name, so that no numbering can shift them."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("label", "title", "description"), *rows])
    return out.getvalue().encode()


def _write_whole(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
