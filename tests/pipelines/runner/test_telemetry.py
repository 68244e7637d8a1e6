"""A closed run as OpenTelemetry's traces and metrics, received by a small HTTP server in a collector's place."""

import http.server
import json
import socket
import threading

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from components.core import env_file, fileio, paths, run_record
from pipelines import run_node
from pipelines.runner import node_process, openlineage_events, run_measurements, telemetry

RUN = "cli.20261128T000334.3d778d"
OUTCOME = {"state": "released", "reasons": ["good enough"], "version": 3, "metrics": {"accuracy": 0.9, "rows": 1000}}


@pytest.fixture(autouse=True)
def nothing_asked_for(monkeypatch):
    for name in ("", "TRACES_", "METRICS_"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}ENDPOINT", raising=False)


@pytest.fixture
def run(home_of_0_2_0):
    """A run whose nodes have all ended and which was not closed yet; its events, to be written anew."""
    path = paths.run_dir(RUN) / "events.jsonl"
    events = [event for event in fileio.read_json_lines(path) if event["node"] != "close"]
    for event in events:
        if event["state"] == "done":
            event["cost"] = {"cpu_seconds": 2.5, "peak_mb": 300.25}
    place = paths.home() / "artifacts" / "news-demo" / "Ingester" / "quarantine" / "1"
    place.mkdir(parents=True)
    account = {"in": 10_000, "out": 9_990, "quarantined": 7, "duplicates": 3}
    fileio.write_json(place / "report.json", {"rows": account})
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return events


def write(events) -> None:
    (paths.run_dir(RUN) / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))


@pytest.fixture
def received():
    """Whatever a collector was sent, by path; each message is parsed by the protocol's own definition too."""
    kinds = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}
    messages = {path: [] for path in kinds}

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            json_format.ParseDict(body, kinds[self.path]())  # an unknown field or a wrong type is an error
            messages[self.path].append(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        messages["address"] = f"http://127.0.0.1:{server.server_port}"
        yield messages
        server.shutdown()


def spans_of(message) -> list[dict]:
    [resource] = message["resourceSpans"]
    assert values(resource["resource"]["attributes"])["service.name"] == "newsdesk"
    [scope] = resource["scopeSpans"]
    return scope["spans"]


def values(attributes) -> dict:
    """Attributes as plain values; int64 is a string in this encoding."""

    def plain(value):
        [(kind, content)] = value.items()
        return int(content) if kind == "intValue" else content

    return {each["key"]: plain(each["value"]) for each in attributes}


def points(message) -> dict:
    """By metric: (attributes without the line, value or sum, temporality) of each point."""
    [resource] = message["resourceMetrics"]
    [scope] = resource["scopeMetrics"]
    found = {}
    for metric in scope["metrics"]:
        [kind] = {"sum", "gauge", "histogram"} & set(metric)
        for point in metric[kind]["dataPoints"]:
            attributes = values(point["attributes"])
            assert attributes.pop("line") == "news-demo"
            value = point.get("sum", point.get("asDouble", point.get("asInt")))
            found.setdefault(metric["name"], []).append(
                (attributes, float(value), metric[kind].get("aggregationTemporality"))
            )
    return found


def test_a_run_is_one_trace_with_a_span_a_node_and_what_each_cost(run, received, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received["address"])
    telemetry.closed(RUN, OUTCOME)
    [message] = received["/v1/traces"]
    *nodes, root = spans_of(message)
    assert (root["name"], root.get("parentSpanId"), root.get("status", {}).get("code")) == (
        "retrain news-demo",
        None,
        None,
    )
    assert {span["traceId"] for span in (root, *nodes)} == {openlineage_events.run_uuid(RUN).replace("-", "")}
    assert [span["name"] for span in nodes] == [event["node"] for event in run if event["state"] != "running"]
    assert {span["parentSpanId"] for span in nodes} == {root["spanId"]}
    of_run = values(root["attributes"])
    assert (of_run["newsdesk.state"], of_run["newsdesk.version"], of_run["newsdesk.accuracy"]) == ("released", 3, 0.9)
    assert (of_run["newsdesk.rows.in"], of_run["newsdesk.rows.quarantined"]) == (10_000, 7)
    trainer = next(span for span in nodes if span["name"] == "Trainer")
    of_trainer = values(trainer["attributes"])
    assert (of_trainer["newsdesk.state"], of_trainer["newsdesk.cached"]) == ("done", False)
    assert (of_trainer["newsdesk.cpu_seconds"], of_trainer["newsdesk.peak_memory_bytes"]) == (2.5, 300_250_000)
    assert int(trainer["endTimeUnixNano"]) - int(trainer["startTimeUnixNano"]) == 25_700_000_000
    assert int(root["startTimeUnixNano"]) <= min(int(span["startTimeUnixNano"]) for span in nodes)
    champion = next(span for span in nodes if span["name"] == "Champion")
    assert values(champion["attributes"])["newsdesk.state"] == "skipped" and "code" not in champion.get("status", {})


def test_metrics_of_a_run_are_differences_and_name_champion_rows_and_nodes(run, received, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", received["address"] + "/v1/metrics")
    telemetry.closed(RUN, OUTCOME)
    assert received["/v1/traces"] == []
    [message] = received["/v1/metrics"]
    found = points(message)
    assert set(found) == {metric.name for metric in run_measurements.METRICS}
    assert found["newsdesk.runs"] == [({"state": "released"}, 1.0, 1)]  # 1: delta
    assert ({"node": "Trainer", "state": "done"}, 25.7, 1) in found["newsdesk.node.duration"]
    assert ({"node": "Trainer"}, 2.5, 1) in found["newsdesk.node.cpu.time"]
    assert ({"kind": "quarantined"}, 7.0, None) in found["newsdesk.rows"]
    assert found["newsdesk.champion.accuracy"] == [({}, 0.882, None)]
    assert found["newsdesk.pointer.version"] == [({}, 1.0, None)]
    assert found["newsdesk.candidate.accuracy"] == [({}, 0.9, None)]


def test_a_failed_attempt_and_a_killed_one_are_errors_beside_the_one_that_went_well(run, received, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received["address"])
    trainer = next(event for event in run if event["node"] == "Trainer" and event["state"] == "done")
    started = {**trainer, "state": "running", "seconds": 0}
    failed = {**trainer, "state": "failed", "reasons": ["the disk is full"]}
    gate = next(event for event in run if event["node"] == "ModelGate" and event["state"] == "running")
    write([started, started, failed, started, trainer, gate])
    telemetry.closed(RUN, {"state": "failed", "reasons": ["killed"]})
    *nodes, root = spans_of(received["/v1/traces"][0])
    assert root["status"] == {"message": "killed", "code": 2}
    states = [(span["name"], values(span["attributes"])["newsdesk.state"], span.get("status", {})) for span in nodes]
    killed = {"message": "its process was killed or still ran when the run was closed", "code": 2}
    assert states == [
        ("Trainer", "running", killed),
        ("Trainer", "failed", {"message": "the disk is full", "code": 2}),
        ("Trainer", "done", {}),
        ("ModelGate", "running", killed),
    ]


def test_closing_again_sends_nothing_and_a_run_taken_up_again_only_what_is_new(run, received, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received["address"])
    telemetry.closed(RUN, OUTCOME)
    run_record.add_event(RUN, "close", "closed")
    telemetry.closed(RUN, OUTCOME)
    assert [len(received[path]) for path in ("/v1/traces", "/v1/metrics")] == [1, 1]
    run_record.add_event(RUN, "Registrar", "done", 4.0)
    telemetry.closed(RUN, OUTCOME)
    first, second = map(spans_of, received["/v1/traces"])
    assert [span["spanId"] for span in [*second[: len(first) - 1], second[-1]]] == [span["spanId"] for span in first]
    assert points(received["/v1/metrics"][1])["newsdesk.node.duration"] == [
        ({"node": "Registrar", "state": "done"}, 4.0, 1)
    ]


def test_nothing_is_sent_unless_asked_for(run, received, capsys):
    telemetry.closed(RUN, OUTCOME)
    assert received["/v1/traces"] == [] and capsys.readouterr() == ("", "")


def test_the_address_may_stand_in_newsdesk_env_and_reaches_the_node_that_closes(newsdesk_home):
    env_file.file().parent.mkdir(parents=True, exist_ok=True)
    env_file.file().write_text("OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318\n")
    env_file.file().chmod(0o600)
    environ = {}
    env_file.load(environ)
    assert node_process.environment(environ)["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"


def test_a_collector_that_is_away_costs_a_line_in_the_log_and_not_the_run(run, monkeypatch, capsys):
    with socket.socket() as unused:  # bound and not listening: refused at once
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
        code = run_node.execute(run_node.parse(["--node", "close", "--run-id", RUN]))
    out, err = capsys.readouterr()
    assert code == 0 and json.loads(out)["outcome"]["state"] == "released"
    assert f"OpenTelemetry: the trace of run {RUN} could not be sent" in err
    assert f"OpenTelemetry: the metrics of run {RUN} could not be sent" in err
