"""Ingester: the run's listed files become Examples.

Reads: the list of files that the door resolved, each with its hash. Makes: Examples (train, eval, test) and Quarantine.
Refuses: a file that changed since it was listed, or that cannot be read as a whole; single bad rows go to quarantine.

Splits go by a hash of the normalised text, so a row keeps its place when more data arrives, and the same article never
lies on both sides. A test file stays the test split, row for row; a test share is taken out of train only without one.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples

from components import examples as records
from components import reading, text
from components.artifacts import Quarantine
from pipelines.registry import file_hash
from pipelines.sources import SourceError

_SHOWN = 200  # characters of a value in the quarantine file


def place(row_hash: str, eval_fraction: float, test_fraction: float) -> str:
    """The split of a row: a fixed point of 0..1 from its hash, the same whatever else the source holds."""
    point = int(row_hash[:8], 16) / 0x100000000
    if point < test_fraction:
        return "test"
    return "eval" if point < test_fraction + eval_fraction else "train"


def spreadsheet_safe(value: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return "'" + value if value[:1] in "=+-@\t\r" else value


def read_file(file: dict, labels: list[str]) -> Iterator[reading.Row | reading.BadRow]:
    """Rows of one listed file.

    Raises:
        SourceError: the file is gone, changed since it was listed, or unreadable.
    """
    path = Path(file["path"])
    found = file_hash(path) if path.is_file() else "no such file"
    if found != file["sha256"]:
        raise SourceError(f"a listed file must stay as it was. Received: {path} had sha256 {file['sha256'][:12]}, now {found[:12]}")
    if file["kind"] == "tfds":
        return _tfds_rows(path, labels)
    return reading.read(path, labels)


def _tfds_rows(path: Path, labels: list[str]) -> Iterator[reading.Row | reading.BadRow]:
    """Rows of one record file of a prepared TFDS data set with the features title, description and label (0-based)."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(path.parent)
    for number, raw in enumerate(tf.data.TFRecordDataset(str(path)).as_numpy_iterator(), 1):
        row = builder.info.features.deserialize_example_np(raw)
        label = int(row["label"])
        if not 0 <= label < len(labels):
            yield reading.BadRow(number, "label", str(label), f"is outside the labels (expected 0 to {len(labels) - 1})", True)
        else:
            yield reading.Row(number, label, row["title"].decode(), row["description"].decode())


def ingest(files: list[dict], labels: list[str], eval_fraction: float, test_fraction: float, writer, quarantine: Path) -> dict:
    """Writes every row to its split or to the quarantine file, and returns the account of rows.

    Rows in = rows out + quarantined + duplicates. A duplicate is a train row whose normalised text and label came before, or
    whose text is a test row's (`leaked` counts these): nothing is trained on what it will be judged by.

    Raises:
        SourceError: a file cannot be read as a whole.
    """
    given_test = any(f["split"] == "test" for f in files)
    counts, per_class, seen, test_seen = Counter(), {s: Counter() for s in records.SPLITS}, {}, set()
    account = {"files": [], "foreign": Counter(), "conflicts": 0, "leaked": 0, "first_foreign": [], "first_quarantined": []}
    quarantine.mkdir(parents=True, exist_ok=True)
    with open(quarantine / "rows.csv", "w", newline="", encoding="utf-8") as out:
        log = csv.writer(out)
        log.writerow(["source", "line", "column", "value", "reason"])
        # Test files first, so that a train row that is also a test row is known when it comes by.
        for file in sorted(files, key=lambda f: f["split"] != "test"):
            own = Counter()
            for row in read_file(file, labels):
                own["in"] += 1
                if isinstance(row, reading.BadRow):
                    own["quarantined"] += 1
                    shown = row.value[:_SHOWN].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
                    log.writerow([file["path"], row.line, row.column, spreadsheet_safe(shown), row.reason])
                    finding = f"{file['path']}, line {row.line}, column {row.column}: {shown[:60]!r} {row.reason}"
                    if row.foreign:
                        account["foreign"][shown[:20]] += 1
                        account["first_foreign"] = [*account["first_foreign"], finding][:5]
                    account["first_quarantined"] = [*account["first_quarantined"], finding][:5]
                    continue
                joined = text.join(row.title, row.description)
                key = text.row_hash(joined)
                split = _split_of(file, key, given_test, eval_fraction, test_fraction)
                if file["split"] == "test":
                    test_seen.add(key)
                elif key in test_seen or seen.get(key) == row.label:
                    account["leaked"] += key in test_seen
                    own["duplicates"] += 1
                    continue
                else:
                    account["conflicts"] += key in seen
                    seen.setdefault(key, row.label)
                own["out"] += 1
                per_class[split][labels[row.label]] += 1
                writer.write(split, joined, row.label)
            account["files"].append({"path": file["path"], "split": file["split"], "span": file["span"], **own})
            counts.update(own)
    rows = {name: counts[name] for name in ("in", "out", "quarantined", "duplicates")}
    assert rows["in"] == rows["out"] + rows["quarantined"] + rows["duplicates"], rows
    splits = {split: dict(sorted(per_class[split].items())) for split in records.SPLITS}
    return {**account, "foreign": dict(account["foreign"]), "rows": rows, "splits": splits}


def _split_of(file: dict, key: str, given_test: bool, eval_fraction: float, test_fraction: float) -> str:
    if file["split"] == "test":
        return "test"
    return place(key, eval_fraction, 0.0 if given_test else test_fraction)


@component
def Ingester(
    files: Parameter[str],
    labels: Parameter[str],
    eval_fraction: Parameter[float],
    test_fraction: Parameter[float],
    code: Parameter[str],
    examples: OutputArtifact[Examples],
    quarantine: OutputArtifact[Quarantine],
):
    """files: JSON list of `pipelines.sources.SourceFile`; labels: JSON list; code: hash of code and libraries, for the cache."""
    listed, names = json.loads(files), json.loads(labels)
    with records.Writer(examples.uri) as writer:
        account = ingest(listed, names, eval_fraction, test_fraction, writer, Path(quarantine.uri))
    Path(quarantine.uri, "report.json").write_text(json.dumps(account, indent=1, ensure_ascii=False))
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
