"""Helpers of the data tests: small sources, and the data nodes run on them once, for real."""

import csv
import datetime as dt
import io
import json
import random
from collections.abc import Sequence
from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.types.standard_artifacts import ExampleAnomalies, Examples

from components.artifacts import Quarantine, Verdict
from components.core import paths
from components.data import demo_corpus, sources, tfrecords
from components.data.row_format import form_of
from components.data_gate import DataGate
from components.ingester import Ingester
from pipelines.config import run_config
from pipelines.reports import after_node

LABELS = ("World", "Sports", "Business", "Sci/Tech")
FORM = form_of("news", LABELS)
AS_OF = dt.datetime(2026, 11, 22, tzinfo=dt.timezone.utc)


def articles(count: int, seed: int = 1, drifted: bool = False) -> list[tuple[int, str, str]]:
    """`count` different articles as (class number from 1, title, description), the classes in turn."""
    rng, found = random.Random(seed), {}
    while len(found) < count:
        label = len(found) % 4
        title, description = demo_corpus.article(rng, label, dt.date(2026, 1, 31), drifted)
        found.setdefault(demo_corpus.normalised(title, description), (label + 1, title, description))
    return list(found.values())


def as_csv(rows, header: bool = False, **form) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, **{"quoting": csv.QUOTE_ALL, "lineterminator": "\n", **form})
    writer.writerows([("label", "title", "description")] * header + list(rows))
    return out.getvalue().encode()


def source(folder: Path, train=None, test=None) -> Path:
    """A folder with train.csv and test.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.csv").write_bytes(as_csv(articles(600, 1) if train is None else train))
    (folder / "test.csv").write_bytes(as_csv(articles(100, 2) if test is None else test))
    return folder


def span(folder: Path, day: str, rows, finished: bool = True) -> Path:
    path = folder / day
    path.mkdir(parents=True)
    (path / "train.csv").write_bytes(as_csv(rows))
    if finished:
        (path / "_SUCCESS").touch()
    return path


def listed(folder: Path, window: str = "all") -> list[dict]:
    return [f.to_json() for f in sources.resolve(str(folder), window, AS_OF)[0]]


def no_anomalies(folder: Path) -> Path:
    """A folder as ExampleValidator leaves it where every split is as the schema says."""
    for split in tfrecords.SPLITS:
        path = folder / f"Split-{split}" / "SchemaDiff.pb"
        path.parent.mkdir(parents=True)
        path.write_bytes(anomalies_pb2.Anomalies().SerializeToString())
    return folder


class Ingested:
    """The Ingester's artifacts on a source: `account`, `profile`, `quarantined` (rows of the file), `examples`, `quarantine`; `labels`."""

    def __init__(self, folder: Path, out: Path, window: str = "all", labels: Sequence[str] = LABELS, **data):
        self.labels = labels
        self.examples, self.quarantine = Examples(), Quarantine()
        self.examples.uri, self.quarantine.uri = str(out / "examples"), str(out / "quarantine")
        self.limits = run_config.DataConfig(**data)
        Ingester.test_call(
            files=json.dumps(listed(folder, window)), form=json.dumps(run_config.line_file("news")["files"]),
            labels=json.dumps(labels), code="",
            first_label=self.limits.first_label, eval_fraction=self.limits.eval_fraction,
            test_fraction=self.limits.test_fraction, fresh_fraction=self.limits.fresh_fraction,
            fresh_from=self.limits.fresh_from, examples=self.examples, quarantine=self.quarantine,
        )  # fmt: skip
        self.account = json.loads((out / "quarantine" / "report.json").read_text())
        self.profile = json.loads((out / "quarantine" / "profile.json").read_text())
        with open(out / "quarantine" / "rows.csv", newline="", encoding="utf-8") as file:
            self.quarantined = list(csv.DictReader(file))

    @property
    def balanced(self) -> bool:
        """Whether no row was lost, in all and in the quarantine file."""
        rows = self.account["rows"]
        out = sum(sum(per.values()) for per in self.account["splits"].values())
        whole = rows["in"] == rows["out"] + rows["quarantined"] + rows["duplicates"]
        return whole and rows["out"] == out and len(self.quarantined) == rows["quarantined"]


class Judged:
    """DataGate's verdict on what was ingested: `told` (verdict.json), `folder`, `artifact`. anomalies: ExampleValidator's folder, by
    default one that found none."""

    def __init__(self, ingested: Ingested, out: Path, origin=None, champion=None, anomalies: Path | None = None):

        self.artifact, found = Verdict(), ExampleAnomalies()
        self.folder = out / "verdict"
        self.folder.mkdir(parents=True)
        self.artifact.uri, found.uri = str(self.folder), str(anomalies or no_anomalies(out / "anomalies"))
        DataGate.test_call(
            line="news", labels=json.dumps(ingested.labels), limits=json.dumps(ingested.limits.model_dump()), code="",
            suite=(paths.REPOSITORY / "data_schemas" / "news" / "expectations.json").read_text(),
            origin=json.dumps(origin or {"source": "s", "window": "all", "hash": "h", "ignored": ["2026-11-23/: still being written (no _SUCCESS)"]}), champion=json.dumps(champion),
            examples=ingested.examples, anomalies=found, quarantine=ingested.quarantine, verdict=self.artifact,
        )  # fmt: skip
        after_node.draw("DataGate", "run", {"verdict": str(self.folder)})
        self.told = json.loads((self.folder / "verdict.json").read_text())

    def __getitem__(self, name: str) -> dict:
        return next(f for f in self.told["findings"] if f["check"] == name)

    @property
    def outcomes(self) -> dict[str, str]:
        return {f["check"]: f["outcome"] for f in self.told["findings"]}


def judge(folder: Path, out: Path, **data) -> Judged:
    """A source's verdict, without a champion."""
    return Judged(Ingested(folder, out, **data), out)
