"""Starting and stopping: environment, secrets, ports and processes, with small programs in Airflow's place."""

import importlib
import importlib.util
import json
import os
import socket
import stat
import subprocess
import sys
import threading

import pytest

from components.core import fileio, paths, processes
from pipelines.airflow_stack import airflow_secrets, airflow_settings, stack, stack_health, stack_state


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("NEWSDESK_HOME", str(tmp_path / "home"))
    for name in list(os.environ):
        if name.startswith("AIRFLOW__"):
            monkeypatch.delenv(name)
    return tmp_path / "home"


@pytest.fixture
def free_ports(monkeypatch):
    for name in ("NEWSDESK_AIRFLOW_PORT", "NEWSDESK_MLFLOW_PORT"):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            monkeypatch.setenv(name, str(probe.getsockname()[1]))


def test_airflow_runs_from_the_state_folder_on_this_machine_alone(state):
    env = airflow_settings.airflow_env({})
    assert env["AIRFLOW_HOME"] == str(state / "airflow")
    assert env["AIRFLOW__CORE__DAGS_FOLDER"] == str(paths.REPOSITORY / "dags")
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert env["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"
    assert int(env["AIRFLOW__CORE__PARALLELISM"]) <= 4


def test_the_callers_own_switches_stay_but_not_those_that_open_doors():
    env = airflow_settings.airflow_env({"AIRFLOW__CORE__PARALLELISM": "2", "AIRFLOW__API__HOST": "0.0.0.0"})
    assert env["AIRFLOW__CORE__PARALLELISM"] == "2"
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"


CELERY = {
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "AIRFLOW__CELERY__BROKER_URL": "redis://127.0.0.1/0",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://desk@db/airflow",
}


def test_with_celery_the_last_worker_alone_takes_trainings():
    env = airflow_settings.airflow_env({**CELERY, "NEWSDESK_WORKERS": "3"})
    workers = airflow_settings.workers(env)
    queues = {name: words[words.index("--queues") + 1].split(",") for name, words in workers.items()}
    assert list(queues) == ["worker-1", "worker-2", "worker-3"]
    assert all("default" in names for names in queues.values())
    assert [name for name, names in queues.items() if "training" in names] == ["worker-3"]
    assert airflow_settings.workers(airflow_settings.airflow_env({})) == {}


@pytest.mark.parametrize("text", ["0", "17", "two", "٣"])
def test_a_number_of_workers_that_is_none_is_refused_by_name(text):
    with pytest.raises(airflow_settings.SetupError, match="NEWSDESK_WORKERS must be a whole number"):
        airflow_settings.workers(airflow_settings.airflow_env({**CELERY, "NEWSDESK_WORKERS": text}))


@pytest.mark.parametrize("missing", ["AIRFLOW__CELERY__BROKER_URL", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
def test_celery_without_a_broker_or_on_sqlite_is_refused_with_the_variable_to_set(missing):
    with pytest.raises(airflow_settings.SetupError, match=missing):
        airflow_settings.airflow_env({name: value for name, value in CELERY.items() if name != missing})


def test_a_worker_is_a_part_with_a_state_of_its_own(state):
    me = processes.entry_of(os.getpid())
    fileio.write_json(stack_state.file(), {"worker-2": {"pid": 0, "started": "", "state": "down"}, "worker-1": me})
    parts = {part.name: part.up for part in stack_state.parts()}
    assert parts["worker-1"] and not parts["worker-2"]
    assert "the worker-2 is down" in stack_state.warning()


def test_two_that_make_the_secrets_at_once_have_the_same(state, at_once, monkeypatch):
    other, write = at_once(airflow_secrets.keys), airflow_secrets._write_private

    def between(path, text):  # nothing was there, and nothing is written yet
        if not other.started:
            other.start()
        write(path, text)

    monkeypatch.setattr(airflow_secrets, "_write_private", between)
    assert airflow_secrets.keys() == other.result()


def test_secrets_are_made_once_are_different_everywhere_and_private(state, monkeypatch, tmp_path):
    first, again = airflow_settings.airflow_env({}), airflow_settings.airflow_env({})
    assert first["AIRFLOW__API_AUTH__JWT_SECRET"] == again["AIRFLOW__API_AUTH__JWT_SECRET"]
    for name in ("secrets.json", "passwords.json"):
        assert stat.S_IMODE((state / "airflow" / name).stat().st_mode) == 0o600
    password = airflow_secrets.password()
    assert len(password) >= 12
    monkeypatch.setenv("NEWSDESK_HOME", str(tmp_path / "other"))
    other = airflow_settings.airflow_env({})
    for name in ("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"):
        assert other[name] != first[name]
    assert airflow_secrets.password() != password


@pytest.mark.parametrize("text", ["0", "65536", "x", "80 80", "-1", "٣"])
def test_a_port_that_is_none_is_refused_by_name(monkeypatch, text):
    monkeypatch.setenv("NEWSDESK_AIRFLOW_PORT", text)
    with pytest.raises(airflow_settings.SetupError, match="NEWSDESK_AIRFLOW_PORT"):
        airflow_settings.airflow_port()


def test_a_missing_environment_is_named_with_the_remedy(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("NEWSDESK_TFX_PYTHON", str(tmp_path / "nowhere" / "python"))
    assert stack.main(["up"]) == 1
    assert "make setup" in capsys.readouterr().err


def test_a_taken_port_is_named_with_the_variable_that_moves_it(free_ports):
    with socket.socket() as other:
        other.bind(("127.0.0.1", airflow_settings.airflow_port()))
        other.listen()
        with pytest.raises(airflow_settings.SetupError, match=r"Port \d+ .* is taken .*NEWSDESK_AIRFLOW_PORT="):
            stack._check_ports(["api-server"])
    stack._check_ports(["api-server"])


# Starts a child in a process group of its own and ignores SIGTERM, as a scheduler with a task may.
STUBBORN = (
    "import os, signal, subprocess, sys\n"
    "child = 'import os, signal; os.setpgid(0, 0); print(\"ready\", flush=True); signal.pause()'\n"
    "p = subprocess.Popen([sys.executable, '-c', child], stdout=subprocess.PIPE)\n"
    "p.stdout.readline(); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "open(sys.argv[1], 'w').write(str(p.pid)); signal.pause()"
)


def wait_for(path):
    while not (path.exists() and path.read_text()):
        pass
    return int(path.read_text())


def test_ending_takes_the_whole_session_and_a_stubborn_process_too(tmp_path):
    process = processes.spawn(
        [sys.executable, "-c", STUBBORN, str(tmp_path / "pid")], os.environ, tmp_path, tmp_path / "log"
    )
    entry = processes.entry(process)
    child = wait_for(tmp_path / "pid")
    assert processes.alive(entry)
    assert set(processes.members(entry)) == {process.pid, child}
    assert processes.end([entry], grace=0.2) == [process.pid]
    assert not processes.alive(entry) and processes.members(entry) == []
    process.wait()


def test_a_number_that_was_given_to_another_process_is_left_alone(tmp_path):
    other = processes.spawn([sys.executable, "-c", "input()"], os.environ, tmp_path, tmp_path / "log")
    stale = {"pid": other.pid, "started": "1"}
    try:
        assert not processes.alive(stale)
        assert processes.members(stale) == []
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("own", [True, False])
def test_the_sessions_of_the_caller_and_of_a_container_are_not_ended(own):
    # Never `end` here: if this failed it would take the whole test run along.
    assert processes.members({"pid": os.getsid(0) if own else 0, "started": None}) == []


def test_down_with_nothing_running_says_so_and_succeeds(free_ports, monkeypatch, capsys):
    monkeypatch.setenv("NEWSDESK_TFX_PYTHON", "/nowhere/python")
    assert stack.main(["down"]) == 0
    assert "Nothing was running" in capsys.readouterr().out


def test_status_fails_while_nothing_runs(free_ports, capsys):
    assert stack.main(["status"]) == 1
    assert "scheduler      not running" in capsys.readouterr().out


def test_a_part_that_dies_again_and_again_ends_the_wait_with_the_end_of_its_log(free_ports):
    fileio.write_text(stack_health.log_file("scheduler"), "no such table")
    me = processes.entry_of(os.getpid())
    dead = {"pid": me["pid"], "started": "1", "restarts": stack_health.ATTEMPTS}
    fileio.write_json(stack_state.file(), {"scheduler": dead, "supervisor": me})
    with pytest.raises(airflow_settings.SetupError, match=r"(?s)scheduler fails each time.*no such table"):
        stack_health.wait_until_healthy({})


def test_a_running_stack_keeps_its_ports_and_says_so_where_others_are_asked_for(free_ports, capsys):
    fileio.write_json(airflow_settings.ports_file(), {"NEWSDESK_AIRFLOW_PORT": 18080, "NEWSDESK_MLFLOW_PORT": 15000})
    assert (airflow_settings.airflow_port(), airflow_settings.mlflow_port()) == (18080, 15000)
    assert airflow_settings.airflow_port(asked=True) == int(os.environ["NEWSDESK_AIRFLOW_PORT"])
    stack._report_kept_ports()
    assert "api-server already runs on port 18080" in capsys.readouterr().out


def test_sqlite_waits_for_its_lock_in_every_process_of_airflow():
    env = airflow_settings.airflow_env({})
    for name in ("SQL_ALCHEMY_CONNECT_ARGS", "SQL_ALCHEMY_CONNECT_ARGS_ASYNC"):
        module, _, attribute = env[f"AIRFLOW__DATABASE__{name}"].rpartition(".")
        assert getattr(importlib.import_module(module), attribute)["timeout"] >= 30


@pytest.mark.parametrize("how", ["", "_CMD", "_SECRET"])
def test_one_setting_puts_airflow_on_postgresql(how):
    name = f"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN{how}"
    env = airflow_settings.airflow_env({name: "postgresql+psycopg2://desk:secret@db/airflow"})
    database = {key: value for key, value in env.items() if key.startswith("AIRFLOW__DATABASE__")}
    assert database == {name: "postgresql+psycopg2://desk:secret@db/airflow"}


def test_a_password_in_a_failed_command_s_output_is_not_shown():
    ended = subprocess.CompletedProcess([], 1, "cannot reach postgresql://desk:secret@db/airflow", "")
    with pytest.raises(airflow_settings.SetupError, match=r"desk:\*\*\*@db") as raised:
        airflow_settings.check_ended(["airflow"], ended)
    assert "secret" not in str(raised.value)


def test_two_who_prepare_at_once_migrate_one_after_the_other(state, monkeypatch):
    inside, seen = [], []

    def migrate(env, *words):
        inside.append(words)
        seen.append(len(inside))
        barrier.wait()
        inside.pop()

    barrier = threading.Barrier(2)
    monkeypatch.setattr(airflow_settings, "_run", migrate)
    threads = [threading.Thread(target=airflow_settings.prepare) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(4):  # two commands each
        barrier.wait()
    for thread in threads:
        thread.join()
    assert seen == [1] * 4


def test_a_test_run_that_still_lives_is_not_called_stale(state):
    fileio.write_json(
        airflow_settings.test_marker(), {"pid": os.getpid(), "started": processes.start_time(os.getpid())}
    )
    airflow_settings.end_stale_test()
    assert json.loads(airflow_settings.test_marker().read_text())["pid"] == os.getpid()


def test_a_killed_test_run_is_ended_in_airflows_database_and_its_marker_goes(state, monkeypatch, tmp_path):
    python = tmp_path / "bin" / "python"
    fileio.write_text(
        python, f'#!/bin/sh\ntest -f "$1" && grep -q "^def end_stale_runs" "$1" && touch {tmp_path}/ended\n'
    )
    python.chmod(0o700)
    monkeypatch.setenv("NEWSDESK_AIRFLOW_BIN", str(python.parent))
    fileio.write_json(airflow_settings.test_marker(), {"pid": os.getpid(), "started": "another process's"})
    airflow_settings.end_stale_test()
    assert (tmp_path / "ended").exists() and not airflow_settings.test_marker().exists()


def test_down_ends_the_node_server_and_says_so(free_ports, monkeypatch, tmp_path, capsys):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\necho \'{{"stopped": true}}\'\n')
    python.chmod(0o700)
    monkeypatch.setenv("NEWSDESK_TFX_PYTHON", str(python))
    assert stack.main(["down"]) == 0
    assert "The node server is stopped." in capsys.readouterr().out
    flag, module, verb = (tmp_path / "called").read_text().split()
    assert (flag, verb) == ("-m", "stop") and importlib.util.find_spec(module)


def test_bad_usage_is_exit_code_2(capsys):
    assert stack.main(["sideways"]) == 2
    assert "usage" in capsys.readouterr().err
