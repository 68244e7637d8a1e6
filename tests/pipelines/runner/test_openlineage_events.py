"""A run's events for OpenLineage, read from a file and by a small HTTP server in a catalogue's place."""

import dataclasses
import http.server
import json
import threading

import pytest

from components.core import paths
from components.core.records import RunRecord
from pipelines import run_node
from pipelines.runner import openlineage_events

RUN = "cli.20261128T000334.3d778d"


@pytest.fixture
def record(home_of_0_2_0):
    return RunRecord.read(paths.run_dir(RUN) / "run.json")


@pytest.fixture
def events(tmp_path, monkeypatch):
    """Sends events to a file; calling it gives them."""
    path = tmp_path / "events.jsonl"
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "file")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", str(path))
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__APPEND", "true")
    return lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_released_run_names_its_files_its_version_and_its_verdict(record, events):
    openlineage_events.opened(record)
    outcome = {"state": "released", "reasons": ["good enough"], "version": 3, "metrics": {"accuracy": 0.9}}
    openlineage_events.closed(record, outcome)
    start, complete = events()
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert start["job"] == {**start["job"], "namespace": "newsdesk", "name": "news-demo.retrain"}
    assert start["outputs"] == []
    (output,) = complete["outputs"]
    assert (output["name"], output["facets"]["version"]["datasetVersion"]) == ("models/news-demo", "3")
    assert [(given["name"], given["facets"]["version"]["datasetVersion"]) for given in complete["inputs"]] == [
        (file["path"], file["sha256"]) for file in record.files
    ]
    verdict = complete["run"]["facets"]["newsdesk_run"]
    assert (verdict["state"], verdict["reasons"], verdict["accuracy"]) == ("released", ["good enough"], 0.9)
    assert (verdict["dataHash"], verdict["preset"]) == (record.data_hash, "bag")


@pytest.mark.parametrize(("state", "kind"), [("refused", "COMPLETE"), ("stopped", "FAIL"), ("failed", "FAIL")])
def test_a_refused_run_is_complete_and_broken_data_fail_it_with_the_reasons(record, events, state, kind):
    openlineage_events.closed(record, {"state": state, "reasons": ["row 7: no label", "row 9: no text"]})
    (sent,) = events()
    assert sent["eventType"] == kind and sent["outputs"] == []
    message = sent["run"]["facets"].get("errorMessage", {}).get("message")
    assert message == ("row 7: no label; row 9: no text" if kind == "FAIL" else None)


def test_the_interval_of_a_scheduled_run_is_its_nominal_time(record, events):
    interval = ["2026-01-27T00:00:00+00:00", "2026-01-28T00:00:00+00:00"]
    openlineage_events.opened(dataclasses.replace(record, interval=interval))
    times = events()[0]["run"]["facets"]["nominalTime"]
    assert [times["nominalStartTime"], times["nominalEndTime"]] == interval


def test_nothing_is_sent_unless_asked_for(record, monkeypatch, capsys):
    monkeypatch.delenv("OPENLINEAGE_URL", raising=False)
    openlineage_events.opened(record)
    assert capsys.readouterr() == ("", "")


def test_an_http_catalogue_gets_the_same_event(record, monkeypatch):
    received = []

    class Catalogue(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *words):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Catalogue) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{server.server_port}")
        openlineage_events.opened(record)
        server.shutdown()
    ((path, sent),) = received
    assert path == "/api/v1/lineage" and sent["eventType"] == "START" and sent["job"]["name"] == "news-demo.retrain"


def test_a_catalogue_that_is_away_costs_a_line_in_the_log_and_not_the_run(record, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "file")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", str(tmp_path / "none" / "there" / "events.jsonl"))
    code = run_node.execute(run_node.parse(["--node", "close", "--run-id", RUN]))
    out, err = capsys.readouterr()
    assert code == 0 and json.loads(out)["outcome"]["state"] == "released"
    assert f"OpenLineage: the event COMPLETE of run {RUN} was not sent" in err
