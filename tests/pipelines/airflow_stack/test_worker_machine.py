"""A further machine for a stack: what is checked before it takes a task, and whose processes a state file speaks of."""

import os
import socket
import time

import pytest

from components.core import fileio, paths
from pipelines.airflow_stack import airflow_settings, stack, stack_health, stack_state, worker_machine
from pipelines.airflow_stack.airflow_settings import SetupError
from pipelines.airflow_stack.supervisor import Supervisor

ENV = {
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "AIRFLOW__CELERY__BROKER_URL": "redis://:secret@broker:6379/0",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://desk:secret@db:5432/airflow",
}


@pytest.fixture
def first(newsdesk_home, monkeypatch):
    """The first machine's record, changed at will; the api-server answers."""
    monkeypatch.setattr(stack_health, "unhealthy_airflow", list)
    monkeypatch.setattr(worker_machine, "code", lambda: "equal")

    def write(**changed):
        worker_machine.describe()
        record = {**fileio.read_json(worker_machine.file()), "host": "first", **changed}
        fileio.write_json(worker_machine.file(), record)

    write()
    return write


def test_a_machine_that_shares_folder_code_and_servers_may_work(first):
    worker_machine.check(ENV)


def test_what_differs_is_said_with_what_to_do(first, monkeypatch):
    def fails(match, env=ENV, **changed):
        first(**changed)
        with pytest.raises(SetupError, match=match) as raised:
            worker_machine.check(env)
        assert "secret" not in str(raised.value)

    fails(f"the same path on every machine.*: /srv/desk on first. Received: {paths.home()}", home="/srv/desk")
    fails("The code in .* differs from that on first", code="other")
    fails("The stack runs on this machine", host=socket.gethostname())
    fails(
        "need AIRFLOW__CORE__EXECUTOR=CeleryExecutor. Received: LocalExecutor",
        {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor"},
    )
    for name, address in {
        "AIRFLOW__CELERY__BROKER_URL": "redis://:secret@127.0.0.1:6379/0",
        "NEWSDESK_METADATA_DATABASE": "postgresql://desk:secret@localhost:5432/metadata",
        "NEWSDESK_MLFLOW_DATABASE": "postgresql://localhost/mlflow",
    }.items():
        fails(f"{name} must name the host of the server", {**ENV, name: address})
    monkeypatch.setattr(stack_health, "unhealthy_airflow", lambda: None)
    fails("api-server must answer at http://127.0.0.1:.*On first set NEWSDESK_BIND")
    worker_machine.file().unlink()
    with pytest.raises(SetupError, match="without machine"):
        worker_machine.check(ENV)


def test_the_code_s_hash_is_that_of_every_module():
    once = worker_machine.code()
    assert len(once) == 64 and once == worker_machine.code()


def supervised(host, age=0.0):
    entry = {"pid": os.getpid(), "started": "another machine's", "state": "up", "since": "2026-11-28T00:00:00+00:00"}
    state = dict.fromkeys(stack_state.NAMES, entry) | {"supervisor": {**entry, "host": host}}
    fileio.write_json(stack_state.file(), state)
    seen = time.time() - age
    os.utime(stack_state.file(), (seen, seen))


def test_a_stack_of_another_machine_is_up_by_its_supervisor_s_word_while_that_lives(newsdesk_home):
    supervised("first")
    assert stack_state.elsewhere() == "first"
    assert all(part.up for part in stack_state.parts()) and stack_state.warning() == ""
    supervised("first", age=3600)
    assert stack_state.elsewhere() == "" and not any(part.up for part in stack_state.parts())
    supervised(socket.gethostname())
    assert stack_state.elsewhere() == "" and not any(part.up for part in stack_state.parts())


@pytest.mark.parametrize("verb", ["up", "down"])
def test_a_stack_of_another_machine_is_not_started_twice_or_ended_from_here(verb, newsdesk_home, capsys):
    supervised("first")
    assert stack.main([verb]) == 1
    assert f"runs on first: run `make {verb}` there" in capsys.readouterr().err
    assert stack_state.file().exists()


def test_a_supervisor_with_a_file_of_its_own_leaves_the_stack_s_alone(newsdesk_home, tmp_path):
    airflow_settings.airflow_home().mkdir(parents=True)
    own = Supervisor({}, print, file=tmp_path / "workers.json")
    own.begin()
    own.look()
    assert fileio.read_json(tmp_path / "workers.json")["supervisor"]["host"] == socket.gethostname()
    assert not stack_state.file().exists()
