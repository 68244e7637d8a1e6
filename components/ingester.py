"""Ingester: the run's listed files become Examples.

Reads: the run's list of files, each with its hash. Makes: Examples (train, eval, test) and Quarantine.
Refuses: a file that changed since it was listed, or that cannot be read to its end; single bad rows go to quarantine.

A hash of the normalised text chooses the split, so a row keeps its split when more data arrives, and reprints of an article are in
one split. A test file becomes the test split, row for row; only without one a share of the train rows becomes it. A share of the
rows that people labelled recently is kept as fresh rows (`components.data.fresh_rows`), in a split that only ModelGate reads.
"""

import contextlib
import csv
import json
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples

from components.artifacts import Quarantine
from components.core.fileio import file_hash
from components.data import file_reader, fresh_rows, quarantine, text_cleaning
from components.data import tfrecords as records
from components.data.row_format import BadRow, Form, Row, form_from
from components.data.sources import SourceError
from components.data_quality.label_consistency import Sample, confusion
from components.data_quality.profile import Profile, words_of
from components.evaluation import seen_rows

_BAD_ROWS_SHOWN = 8  # bad rows that the verdict shows, of different kinds
_FOREIGN = 50  # different unknown labels that the account names
_SPAN_WORDS = 2000  # words that a span's profile keeps


def place(row_hash: str, eval_fraction: float, test_fraction: float) -> str:
    """The split of a row, from its hash alone: the same whatever else the source holds."""
    point = int(row_hash[:8], 16) / 0x100000000
    if point < test_fraction:
        return "test"
    return "eval" if point < test_fraction + eval_fraction else "train"


def read_file(file: dict, form: Form) -> Iterator[Row | BadRow]:
    """Rows of one listed file.

    Raises:
        SourceError: the file is gone, changed since it was listed, or unreadable.
    """
    path = Path(file["path"])
    digest = file_hash(path) if path.is_file() else "no such file"
    if digest != file["sha256"]:
        raise SourceError(
            f"a listed file must not change during a run. Received: {path} had sha256 {file['sha256'][:12]}, now {digest[:12]}"
        )
    return _tfds_rows(path, form) if file["kind"] == "tfds" else file_reader.read(path, form)


def _tfds_rows(path: Path, form: Form) -> Iterator[Row | BadRow]:
    """Rows of one record file of a prepared TFDS data set with the features title, description and label (0-based)."""
    import tensorflow_datasets as tfds

    features, labels = tfds.builder_from_directory(path.parent).info.features, form.labels
    try:
        for number, raw in enumerate(records.raw_records(str(path), ""), 1):
            row = features.deserialize_example_np(raw)
            label = int(row["label"])
            if 0 <= label < len(labels):
                yield Row(
                    number,
                    label,
                    row["title"].decode("utf-8", "replace"),
                    row["description"].decode("utf-8", "replace"),
                )
            else:
                yield BadRow(
                    number, "label", str(label), f"is outside the labels (expected 0 to {len(labels) - 1})", True
                )
    except ValueError as error:
        raise SourceError(str(error)) from error


class Account:
    """Where each row went. Rows in = rows out + quarantined + duplicates, by file and in all."""

    def __init__(self, form: Form, log):
        self.form, self.log = form, log
        self.files, self.foreign, self.foreign_rows = [], Counter(), 0
        self.conflicts = self.leaked = 0
        self.first_foreign, self.first_quarantined = {}, {}
        self.splits = {split: Counter() for split in records.SPLITS}

    def open(self, file: dict) -> None:
        self.own = {"in": 0, "out": 0, "quarantined": 0, "duplicates": 0}
        self.numbers = set()
        self.files.append({**{key: file[key] for key in ("path", "split", "span", "sha256")}, **self.own})
        self.own = self.files[-1]

    def quarantine(self, row: BadRow) -> None:
        """Writes the row to the quarantine file and remembers the first of each kind for the verdict."""
        self.own["quarantined"] += 1
        path = self.own["path"]
        shown = quarantine.shown(row.value)
        self.log.writerow(quarantine.cells(path, row))
        finding = f"{path}, line {row.line}, column {row.column}: {row.value[:60]!r} {row.reason}"
        if len(self.first_quarantined) < _BAD_ROWS_SHOWN:  # one of each kind
            self.first_quarantined.setdefault((row.column, row.reason), finding)
        if row.foreign:
            self.foreign_rows += 1
            self.numbers.add(shown.strip()[:20])
            if shown[:20] in self.foreign or len(self.foreign) < _FOREIGN:
                self.foreign[shown[:20]] += 1
            if len(self.first_foreign) < _BAD_ROWS_SHOWN:
                self.first_foreign.setdefault(shown[:20], finding)

    def take(self, row: Row, split: str) -> None:
        self.own["out"] += 1
        self.splits.setdefault(split, Counter())[self.form.labels[row.label]] += 1
        self.numbers.add(str(row.label + self.form.first_label))

    def close(self) -> None:
        """Marks a file whose numbers run from 0 where 1 is the first class, or from 1 where it is 0."""
        count, first = len(self.form.labels), self.form.first_label
        other = 1 - first
        there, absent = (str(n) for n in ((other, first + count - 1) if first else (other + count - 1, first)))
        self.own["off_by_one"] = bool({there, f"{there}.0"} & self.numbers) and absent not in self.numbers

    def to_json(self) -> dict:
        rows = {name: sum(f[name] for f in self.files) for name in ("in", "out", "quarantined", "duplicates")}
        assert rows["in"] == rows["out"] + rows["quarantined"] + rows["duplicates"], rows
        return {
            "files": self.files,
            "rows": rows,
            "splits": {split: dict(sorted(own.items())) for split, own in self.splits.items()},
            "foreign": dict(self.foreign.most_common()),
            "foreign_rows": self.foreign_rows,
            "first_label": self.form.first_label,
            "conflicts": self.conflicts,
            "leaked": self.leaked,
            "first_foreign": list(self.first_foreign.values()),
            "first_quarantined": list(self.first_quarantined.values()),
        }


def _hashes(file: dict, form: Form) -> Iterator[str]:
    """The hash of each readable row of a file; none where the file cannot be read, which `ingest` reports."""
    with contextlib.suppress(SourceError):
        for row in read_file(file, form):
            if isinstance(row, Row):
                yield text_cleaning.row_hash(text_cleaning.join(row.title, row.description))


def ingest(
    files: list[dict],
    form: Form,
    eval_fraction: float,
    test_fraction: float,
    writer,
    kept_out: Path,
    fresh_fraction: float = 0.0,
    fresh_from: str = "labelled",
) -> tuple[dict, dict]:
    """Writes every row to its split or to the quarantine file; returns the account of rows and the profile of train rows.

    Rows in = rows out + quarantined + duplicates. A duplicate is a train row with the normalised text and label of an earlier row, or
    with the text of a test row (`leaked` counts these) or of a fresh row: no model is trained on rows that it is judged by.

    Raises:
        SourceError: files cannot be read to their ends; the message names all of them, and first bad rows of the others.
    """
    given_test = any(f["split"] == "test" for f in files)
    seen, test_seen = {}, set()  # row hash -> set of its labels, as bits
    fresh = fresh_rows.owners(files, lambda file: _hashes(file, form), fresh_from, fresh_fraction)
    known = array("Q")  # row hashes of train and eval: later runs leave these out when they judge this run's model
    total, spans, held_out = Profile(form.labels), {}, {"eval": Sample(), "test": Sample()}
    unread = []

    def take(row: Row | BadRow, file: dict, own: Profile) -> None:
        account.own["in"] += 1
        if isinstance(row, BadRow):
            account.quarantine(row)
            return
        joined = text_cleaning.join(row.title, row.description)
        key = text_cleaning.row_hash(joined)
        number, bit = int(key, 16), 1 << row.label
        if file["split"] == "test":
            split = "test"
            test_seen.add(number)
        elif number in test_seen or seen.get(number, 0) & bit:
            account.leaked += number in test_seen
            account.own["duplicates"] += 1
            return
        elif number in fresh:
            if fresh[number] != file["path"]:
                account.own["duplicates"] += 1
                return
            fresh[number] = ""  # taken
            account.take(row, records.FRESH)
            writer.write(records.FRESH, joined, row.label, file["span"])
            return
        else:
            split = place(key, eval_fraction, 0.0 if given_test else test_fraction)
            account.conflicts += number in seen
            seen[number] = seen.get(number, 0) | bit
        account.take(row, split)
        words = words_of(joined)
        if split != "train":
            held_out[split].add(words, row.label)
        if split != "test":
            known.append(number)
            total.add(row.title, joined, words, row.label)
            if file["span"]:
                own.add(row.title, joined, words, row.label)
        writer.write(split, joined, row.label)

    kept_out.mkdir(parents=True, exist_ok=True)
    with open(kept_out / "rows.csv", "w", newline="", encoding="utf-8") as out:
        log = csv.writer(out)
        log.writerow(["source", "line", "column", "value", "reason"])
        account, span, own = Account(form, log), None, Profile(form.labels)
        # Test files first, so that a train row that is also a test row is recognised; the rest span by span.
        ordered = sorted(files, key=lambda f: (f["split"] != "test", f["span"], f["path"]))
        for file, after in zip(ordered, [*ordered[1:], None]):
            if file["split"] == "train" and file["span"] != span:
                span, own = file["span"], Profile(form.labels)
            account.open(file)
            try:
                for row in read_file(file, form):
                    take(row, file, own)
            except SourceError as error:
                unread.append(str(error))
            account.close()
            if span and (after is None or after["span"] != span):
                spans[span] = own.to_json(_SPAN_WORDS)
    if unread:
        raise SourceError(_unreadable(unread, account))
    seen_rows.save(kept_out / seen_rows.FILE, known)
    profile = total.to_json()
    profile["agreement"] = {split: confusion(profile, sample.rows) for split, sample in held_out.items()}
    return account.to_json(), {"train": profile, "spans": spans}


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
    with records.Writer(examples.uri) as writer:
        account, profile = ingest(
            json.loads(files),
            written,
            eval_fraction,
            test_fraction,
            writer,
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
