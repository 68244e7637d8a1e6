"""Grafana's dashboard: each metric and label that it asks for is one that the code sends."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram

from components.core import fileio, paths
from components.core.records import RunRecord
from pipelines.runner import run_measurements
from pipelines.serving.metrics import Metrics

DASHBOARD = Path(__file__).resolve().parents[1] / "docker/grafana/newsdesk.json"
RUN = "cli.20261128T000334.3d778d"
UNITS = {"s": "_seconds", "By": "_bytes"}
PARTS = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
OF_PROMETHEUS = {"instance", "job", "le"}


def by_opentelemetry() -> set[str]:
    """Prometheus' names of the metrics of runs: dots are underscores, then the unit, then the kind."""
    return {
        metric.name.replace(".", "_") + UNITS.get(metric.unit, "") + part
        for metric in run_measurements.METRICS
        for part in PARTS[metric.kind]
    }


def by_the_server() -> dict[str, tuple[str, ...]]:
    """Names and labels of what `newsdesk serve` counts."""
    metrics, kinds = Metrics(), {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}
    own = {
        each._name + part: each._labelnames
        for each in vars(metrics).values()
        if type(each) in kinds
        for part in PARTS[kinds[type(each)]]
    }
    of_process = [sample.name for family in metrics.registry.collect() for sample in family.samples]
    return {**own, **{name: () for name in of_process if name.startswith("process_")}}


@pytest.fixture(scope="module")
def panels():
    return json.loads(DASHBOARD.read_text())["panels"]


@pytest.fixture(scope="module")
def queries(panels):
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def test_each_metric_that_it_asks_for_is_sent(queries):
    asked = {name for query in queries for name in re.findall(r"\b(?:newsdesk|process)_\w+", query)}
    assert asked - by_opentelemetry() - set(by_the_server()) == set()
    assert not by_opentelemetry() & set(by_the_server())  # a name that two senders have would be one curve


def test_it_shows_all_that_is_sent(queries):
    shown = " ".join(queries)
    names = {metric.name.replace(".", "_") for metric in run_measurements.METRICS}
    names |= {re.sub("_(total|bucket|sum|count)$", "", name) for name in by_the_server() if name.startswith("newsdesk")}
    assert [name for name in sorted(names) if not re.search(rf"\b{name}", shown)] == []


def test_each_label_is_one_of_the_metric_that_it_stands_with(queries, home_of_0_2_0):
    record = RunRecord.read(paths.run_dir(RUN) / "run.json")
    events = fileio.read_json_lines(paths.run_dir(RUN) / "events.jsonl")
    events = [{**event, "cost": {"cpu_seconds": 1.0, "peak_mb": 1.0}} for event in events]
    place = Path(events[1]["artifacts"]["quarantine"])
    place.mkdir(parents=True)
    fileio.write_json(place / "report.json", {"rows": {"in": 1}})
    outcome = {"state": "released", "metrics": {"accuracy": 0.9}}
    known = {name: set(labels) for name, labels in by_the_server().items()}
    for metric, _, attributes in run_measurements.measurements(
        record, outcome, list(run_measurements.attempts(events, 0))
    ):
        for part in PARTS[metric.kind]:
            known[metric.name.replace(".", "_") + UNITS.get(metric.unit, "") + part] = {"line", *attributes}
    for query in queries:
        labels = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
        labels |= {label for group in re.findall(r"\{([^}]*)\}", query) for label in re.findall(r"(\w+)[!=]", group)}
        for name in re.findall(r"\b(?:newsdesk|process)_\w+", query):
            assert labels - OF_PROMETHEUS <= known[name], query


def test_panels_have_numbers_of_their_own_and_do_not_cover_each_other(panels):
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) < 24
