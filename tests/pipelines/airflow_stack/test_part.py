"""One part of the stack as the process of a container."""

import json

import pytest

from components.core import paths
from pipelines.airflow_stack import airflow_settings, part, stack_health


@pytest.mark.parametrize("words", [[], ["worker"], ["scheduler", "now"], ["supervisor"], ["health", "postgres"]])
def test_an_unknown_part_is_bad_usage(words, newsdesk_home, capsys):
    assert part.main(words) == 2
    assert capsys.readouterr().err.startswith("usage: part prepare | api-server")


def test_a_part_takes_the_place_of_this_process(newsdesk_home, monkeypatch):
    became = []
    monkeypatch.setattr(part.os, "execvpe", lambda *what: became.append(what))
    monkeypatch.setenv("NEWSDESK_AIRFLOW_HOST", "desk.example")
    monkeypatch.setenv("NEWSDESK_AIRFLOW_PORT", "8089")
    if not airflow_settings.airflow_bin().exists():
        pytest.skip("the Airflow environment is not installed")
    part.main(["scheduler"])
    [(program, call, env)] = became
    assert program == call[0] and call[2:] == ["scheduler", "--skip-serve-logs"]
    assert env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://desk.example:8089/execution/"
    assert env["NEWSDESK_HOME"] == str(paths.home())


def test_a_task_of_an_executor_gets_this_stack_s_environment(newsdesk_home, monkeypatch):
    became = []
    monkeypatch.setattr(part.os, "execvpe", lambda *what: became.append(what))
    call = ["python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string", "{}"]
    part.main(["task", *call])
    [(program, words, env)] = became
    assert (program, words) == ("python", call)
    assert env["PATH"].startswith(str(airflow_settings.airflow_bin()))
    assert env["AIRFLOW__API_AUTH__JWT_SECRET"]


def test_a_part_is_well_unless_the_api_server_says_otherwise(newsdesk_home, monkeypatch):
    health = {name: {"status": "healthy"} for name in ("metadatabase", "scheduler", "dag_processor")}
    asked = []

    def answer(url):
        asked.append(url)
        return answers.pop()

    monkeypatch.setattr(stack_health, "_ask", answer)
    for name, replies in {"api-server": [0, 0, 1], "scheduler": [0, 0, 0], "triggerer": [0, 1, 0]}.items():
        answers = [
            None,
            json.dumps(health).encode(),
            json.dumps({**health, "triggerer": {"status": "healthy"}}).encode(),
        ]
        assert [part.main(["health", name]) for _ in range(3)] == replies, name
    assert set(asked) == {f"{airflow_settings.address()}/api/v2/monitor/health"}


def test_a_setting_that_is_missing_ends_it_with_its_name(newsdesk_home, monkeypatch, capsys):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.delenv(airflow_settings.BROKER, raising=False)
    assert part.main(["worker", "default"]) == 1
    assert airflow_settings.BROKER in capsys.readouterr().err
