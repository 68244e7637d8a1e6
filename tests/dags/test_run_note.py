"""What Airflow itself shows of a run: the verdict as a note, and on every task a link to the run's report."""

import http.server
import json
import threading
from types import SimpleNamespace

import pytest
from newsdesk_dags import notifications, run_note
from test_notifications import REQUEST, RUN, closed, context, opened, serves, settings

from components.core import fileio
from pipelines.airflow_stack import airflow_settings
from pipelines.flow import FLOW


@pytest.fixture
def airflow(monkeypatch, home):
    """Takes the place of Airflow's api-server: logs in whoever has the password, and keeps what is written."""
    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        def answer(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append((self.command, self.path, body))
            content = json.dumps({"access_token": "t"}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PATCH = answer

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", f"http://127.0.0.1:{server.server_port}/")
        fileio.write_json(airflow_settings.airflow_home() / "passwords.json", {airflow_settings.USER: "secret"})
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield asked
        server.shutdown()


def test_the_verdict_stands_as_a_note_on_airflows_run_with_what_serves_now(airflow):
    opened()
    serves(3)
    reasons = [f"reason {number}" for number in range(5)]
    notifications.ended(context(), REQUEST, closed("refused", reasons=reasons))
    method, path, body = airflow[-1]
    assert (
        method == "PATCH"
        and path == "/api/v2/dags/news_retrain/dagRuns/manual__2026-03-02T09%3A00%3A00%2B00%3A00?update_mask=note"
    )
    assert body["note"].startswith("**refused** (news)\n\n- reason 0\n- reason 1\n- reason 2\n- and 2 more")
    assert "news: version 3 serves, accuracy 0.9123" in body["note"]


def test_a_long_note_is_cut_to_what_airflow_takes(airflow):
    run_note.write(SimpleNamespace(dag_id="news_retrain", run_id=RUN), "x" * 5000)
    assert len(airflow[-1][2]["note"]) == 1000


def test_where_nobody_answers_the_notices_still_go_out(monkeypatch, home):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://127.0.0.1:1")
    fileio.write_json(airflow_settings.airflow_home() / "passwords.json", {airflow_settings.USER: "secret"})
    settings('[news.notify]\nfile = "notices.jsonl"\n')
    opened()
    serves(3)
    notifications.ended(context(), REQUEST, closed("refused"))
    (notice,) = fileio.read_json_lines(home / "notices.jsonl")[:1]
    assert "news: version 3 serves, accuracy 0.9123;" in notice["text"]


def test_every_task_of_a_retraining_has_a_link_to_the_runs_report(monkeypatch):
    from news_retrain import dags

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://127.0.0.1:8080")
    tasks = dags[0].tasks
    assert len(tasks) == len(tuple(FLOW)) + 2, "`close` and `approve` besides the nodes"
    key = SimpleNamespace(dag_id="news_retrain", run_id=RUN)
    for task in tasks:
        (link,) = task.operator_extra_links
        assert link.name == "Run report"
        assert link.get_link(task, ti_key=key) == (
            "http://127.0.0.1:8080/dags/news_retrain/runs/manual__2026-03-02T09%3A00%3A00%2B00%3A00/plugin/newsdesk-run"
        )
