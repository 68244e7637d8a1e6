"""Ingester: the run's listed files become Examples.

Reads: the run's list of files, each with its hash. Makes: Examples (train, eval, test) and Quarantine.
Refuses: a file that changed since it was listed, or that cannot be read to its end; single bad rows go to quarantine.

A hash of the normalised text chooses the split, so a row keeps its split when more data arrives, and reprints of an article are in
one split. A test file becomes the test split, row for row; only without one a share of the train rows becomes it. A share of the
rows that people labelled recently is kept as fresh rows (`components.data.fresh_rows`), in a split that only ModelGate reads.
"""

import csv
import json
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples

from components.artifacts import Quarantine
from components.data import fresh_rows, listed_files, row_decisions, row_store
from components.data import tfrecords as records
from components.data.row_account import Account
from components.data.row_format import BadRow, Block, Form, form_from
from components.data.row_store import DRAWN_TEST, EVAL, GIVEN, TRAIN, Kept
from components.data.sources import SourceError
from components.data.workers import Workers, cores
from components.data_quality import row_work
from components.evaluation import seen_rows

_ALONE = 32_768  # rows that are read before worker processes start: the demo's source has fewer


def place(keys: np.ndarray, eval_fraction: float, test_fraction: float) -> np.ndarray:
    """The places of rows (int8, of `row_store.PLACES`), from their keys alone: the same whatever else the source holds."""
    point = (keys >> np.uint64(32)) / 2.0**32
    held_out = np.where(point < test_fraction, DRAWN_TEST, EVAL)
    return np.where(point < test_fraction + eval_fraction, held_out, TRAIN).astype(np.int8)


def read_rows(
    files: list[dict], form: Form, store: row_store.Store, account: Account, place_of, drawn_of, workers: Workers
) -> list[str]:
    """Stores every readable row of the files, in their order; returns what is to be said of files that cannot be read.

    place_of(file, keys), drawn_of(file, keys): columns `place` and `drawn` of `row_store`.
    """
    unread, numbers = [], deque()  # of the blocks that are not yet stored: the number of their file

    def blocks() -> Iterator[Block]:
        for number, file in enumerate(files):
            account.open(file)
            try:
                for part in listed_files.read(file, form):
                    if isinstance(part, BadRow):
                        account.quarantine(part)
                        continue
                    account.read(len(part))
                    numbers.append(number)
                    yield part
            except SourceError as error:
                unread.append(str(error))

    for own in workers.map(row_work.columns, blocks(), lambda: store.rows < _ALONE):
        number = numbers.popleft()
        own["file"] = np.full(len(own["key"]), number, np.int32)
        own["place"], own["drawn"] = place_of(files[number], own["key"]), drawn_of(files[number], own["key"])
        store.add(own)
    return unread


def ingest(
    files: list[dict],
    form: Form,
    eval_fraction: float,
    test_fraction: float,
    examples: str,
    kept_out: Path,
    fresh_fraction: float = 0.0,
    fresh_from: str = "labelled",
) -> tuple[dict, dict]:
    """Writes every row to its split or to the quarantine file; returns the account of rows and the profile of train rows.

    examples: the folder of the artifact's splits.
    Rows in = rows out + quarantined + duplicates. A duplicate is a train row with the normalised text and label of an earlier row, or
    with the text of a test row (`leaked` counts these) or of a fresh row: no model is trained on rows that it is judged by.

    Raises:
        SourceError: files cannot be read to their ends; the message names all of them, and first bad rows of the others.
    """
    # Test files first, then span by span: of equal rows the first stays.
    ordered = sorted(files, key=lambda f: (f["split"] != "test", f["span"], f["path"]))
    given_test = any(f["split"] == "test" for f in files)

    def place_of(file: dict, keys: np.ndarray) -> np.ndarray:
        if file["split"] == "test":
            return np.full(len(keys), GIVEN, np.int8)
        return place(keys, eval_fraction, 0.0 if given_test else test_fraction)

    def drawn_of(file: dict, keys: np.ndarray) -> np.ndarray:
        share = fresh_fraction if fresh_rows.counts(file, fresh_from) else 0.0
        return fresh_rows.drawn(keys, share)

    kept_out.mkdir(parents=True, exist_ok=True)
    # In the artifact that is being made: whatever clears it after a crash clears this too, and nothing does before.
    with (
        tempfile.TemporaryDirectory(dir=kept_out, prefix=".rows.", ignore_cleanup_errors=True) as aside,
        Workers(cores(), row_work.__name__) as workers,
    ):
        rows = Path(aside, "rows.parquet")
        with open(kept_out / "rows.csv", "w", newline="", encoding="utf-8") as out, row_store.Store(rows) as store:
            log = csv.writer(out)
            log.writerow(["source", "line", "column", "value", "reason"])
            account = Account(form, log)
            unread = read_rows(ordered, form, store, account, place_of, drawn_of, workers)
        if unread:
            raise SourceError(_unreadable(unread, account))
        decided = row_decisions.decide(rows, Path(aside))
        account.leaked, account.conflicts = decided.leaked, decided.conflicts
        seen_rows.save_sorted(kept_out / seen_rows.FILE, decided.learned(), decided.learned_rows)
        kept = Kept(rows, decided.kept)
        counting = row_work.Counting(kept, ordered, form, decided.by_file)
        tasks = [counting, *row_work.writing(kept, examples, ordered, decided.by_file)]
        if workers.started:
            workers.wait()
        done = workers.map(row_work.do, tasks, lambda: not workers.started, ahead=len(tasks))
        (taken, profile), *_ = done
    account.take(taken)
    return account.to_json(), profile


def _unreadable(unread: list[str], account: Account) -> str:
    """All faults of a source in one message, so that they can be repaired at once."""
    bad = sum(f["quarantined"] for f in account.files)
    lines = unread[:20]
    if len(unread) > 20:
        lines.append(f"and {len(unread) - 20} more files")
    if bad:
        lines += [f"{bad:,} rows of the readable files cannot be used, first:", *account.first_quarantined.values()]
    return "\n  ".join(lines)


@component
def Ingester(
    files: Parameter[str],
    form: Parameter[str],
    labels: Parameter[str],
    first_label: Parameter[int],
    eval_fraction: Parameter[float],
    test_fraction: Parameter[float],
    code: Parameter[str],
    examples: OutputArtifact[Examples],
    quarantine: OutputArtifact[Quarantine],
    fresh_fraction: Parameter[float] = 0.0,
    fresh_from: Parameter[str] = "labelled",
):
    """files: JSON list of `components.data.sources.SourceFile`; form: JSON of the table `files` in the line's
    `line.toml`; labels: JSON list; first_label: number of the first class in files.

    fresh_fraction, fresh_from: see `components.data.fresh_rows`. code: hash of code and libraries, for the cache.
    """
    written = form_from(json.loads(form), json.loads(labels), first_label)
    account, profile = ingest(
        json.loads(files),
        written,
        eval_fraction,
        test_fraction,
        examples.uri,
        Path(quarantine.uri),
        fresh_fraction,
        fresh_from,
    )
    Path(quarantine.uri, "report.json").write_text(json.dumps(account, indent=1, ensure_ascii=False))
    Path(quarantine.uri, "profile.json").write_text(json.dumps(profile, ensure_ascii=False))
    examples.split_names = records.split_names()
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    examples.set_string_custom_property("file_format", "tfrecords_gzip")
    quarantine.rows = account["rows"]["quarantined"]
    sizes = ", ".join(f"{split} {sum(per.values()):,}" for split, per in account["splits"].items())
    quarantine.set_string_custom_property(
        "headline",
        f"{account['rows']['in']:,} rows read: {sizes}; {account['rows']['quarantined']:,} quarantined, "
        f"{account['rows']['duplicates']:,} duplicates",
    )
