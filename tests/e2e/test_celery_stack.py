"""Airflow on PostgreSQL with two Celery workers over Redis and real TFX: where tasks run, a worker killed in the middle of a training,
the broker and the database gone for a while.

Takes about five minutes.
"""

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest
import servers_kit
import stack_kit

from components.core import fileio, paths, run_record
from components.registry import model_registry, postgresql
from pipelines.airflow_stack import airflow_settings, stack_health, stack_state
from pipelines.runner import node_process

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which(node_process.tfx_python()), reason="the TFX environment is not installed"),
]
DAG, LINE = "news_retrain", "news-demo"
# Equal retrains follow one another: these tests are not about the gate.
SETTINGS = """
[news-demo.schedule]
cron = "0 0 29 2 *"
source = "{source}"
preset = "bag"

[news-demo.gates]
floor = 0.5
alpha = 1e-9
margin = 0.3
max_flips = 0.49
flip_margin = 0.49
"""
LONG = {"training.epochs": 12, "training.patience": 12, "training.batch_size": 64}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack")
    call = [node_process.tfx_python(), "-m", "pipelines.cli.main", "demo", str(folder / "news"), "--articles", "6000"]
    subprocess.run(call, cwd=paths.REPOSITORY, check=True, capture_output=True)
    with servers_kit.servers() as (postgres, redis):
        home = folder / "home"
        home.mkdir(mode=0o700)
        variables = {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            # 0.0.0.0 reaches this machine, and is no address that a second machine refuses.
            "AIRFLOW__CELERY__BROKER_URL": f"redis://0.0.0.0:{redis.port}/0",
            postgresql.AIRFLOW: postgres.address("newsdesk_airflow", "postgresql+psycopg2", "0.0.0.0"),
            postgresql.METADATA: postgres.address("newsdesk_metadata", host="0.0.0.0"),
            postgresql.MLFLOW: postgres.address("newsdesk_mlflow", host="0.0.0.0"),
        }
        fileio.write_text(home / "newsdesk.env", "".join(f"{name}={value}\n" for name, value in variables.items()))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NEWSDESK_HOME", str(home))
            for name in variables:
                patch.delenv(name, raising=False)
            made = [sys.executable, "-m", "pipelines.airflow_stack.create_databases"]
            printed = subprocess.run(made, cwd=paths.REPOSITORY, check=True, capture_output=True, text=True).stdout
        assert printed.count("created") == 3
        with stack_kit.running(folder, SETTINGS.format(source=folder / "news")) as running:
            running.postgres, running.redis = postgres, redis
            running.databases = {
                name: postgresql.configured(name, variables) for name in variables if "DATABASE" in name
            }
            yield running


@pytest.fixture(autouse=True)
def newsdesk_home(stack, monkeypatch):
    monkeypatch.setenv("NEWSDESK_HOME", str(stack.home))


def rows(stack, database, sql):
    return postgresql.query(stack.databases[database], sql)


def start(stack, run, conf):
    stack.rest.trigger(DAG, run, conf)


def working(stack, run, task):
    """Waits until the task works, with training steps done."""
    folder = paths.run_dir(run_record.run_id_from(run))
    stack.until(lambda: stack.tasks(DAG, run).get(task) == "running" and list(folder.glob("progress*")))


def outcome(run):
    return fileio.read_json(paths.run_dir(run_record.run_id_from(run)) / "outcome.json")


def test_two_workers_share_a_run_and_one_of_them_takes_the_trainings(stack):
    assert stack.trigger(DAG, "first", {}) == "success"
    assert outcome("first")["state"] == "released"
    queues = dict(rows(stack, postgresql.AIRFLOW, "SELECT task_id, queue FROM task_instance"))
    assert {task for task, queue in queues.items() if queue == "training"} == {"Tuner", "Trainer", "Baseline"}
    received = {
        name: stack_health.log_file(name).read_text(errors="replace").count("received [celery")
        for name in ("worker-1", "worker-2")
    }
    assert min(received.values()) > 0
    done = rows(stack, postgresql.AIRFLOW, "SELECT count(*) FROM task_instance WHERE state = 'success'")[0][0]
    assert sum(received.values()) >= done > 10
    assert rows(stack, postgresql.METADATA, "SELECT count(*) FROM execution")[0][0] > 10
    assert rows(stack, postgresql.MLFLOW, "SELECT count(*) FROM runs") == [(1,)]
    assert not list(stack.home.rglob("*.sqlite")) and not (stack.home / "airflow" / "airflow.db").exists()


@pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("unshare"), reason="a host name of one's own needs root and unshare"
)
def test_workers_of_a_second_machine_share_the_runs_and_the_state_folder(stack, tmp_path):
    """The second machine is a host name, a checkout and a socket folder of its own; the state folder is shared."""
    checkout = tmp_path / "checkout"
    for room in ("components", "dags", "data_schemas", "pipelines"):
        shutil.copytree(paths.REPOSITORY / room, checkout / room, ignore=shutil.ignore_patterns("__pycache__"))
    own = {
        "PYTHONPATH": str(checkout),
        "NEWSDESK_AIRFLOW_BIN": str(airflow_settings.airflow_bin()),
        "NEWSDESK_TFX_PYTHON": node_process.tfx_python(),
        "NEWSDESK_SOCKETS": str(tmp_path / "sockets"),
    }
    call = ["unshare", "--uts", "sh", "-c", 'hostname second && exec "$@"', "sh"]
    call += [sys.executable, "-m", "pipelines.airflow_stack.stack"]
    refused = subprocess.run([*call, "up"], cwd=checkout, env={**os.environ, **own}, capture_output=True, text=True)
    assert refused.returncode == 1 and "run `make up` there" in refused.stderr
    with open(tmp_path / "workers.log", "wb") as log:
        workers = subprocess.Popen(
            [*call, "workers"], cwd=checkout, env={**os.environ, **own}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        logs = [stack_health.log_file(f"worker-{number}.second") for number in (1, 2)]
        stack.until(
            lambda: workers.poll() is not None or all(log.exists() and "ready." in log.read_text() for log in logs)
        )
        assert workers.poll() is None, (tmp_path / "workers.log").read_text()
        assert stack.trigger(DAG, "spread", {"seed": 5}) == "success"
    finally:
        workers.terminate()
        assert workers.wait(120) == 0
    where = rows(
        stack,
        postgresql.AIRFLOW,
        "SELECT DISTINCT hostname FROM task_instance WHERE run_id = 'spread' AND hostname <> ''",
    )
    assert {host for (host,) in where} == {"second", socket.getfqdn()}
    assert outcome("spread")["state"] in ("released", "refused")
    assert not (stack.home / "airflow" / "workers.second.json").exists()
    assert not [log for log in logs if "Traceback" in log.read_text()]


def test_a_worker_killed_in_a_training_costs_an_attempt_and_no_second_version(stack):
    start(stack, "killed", {"seed": 2, "set": LONG})
    working(stack, "killed", "Trainer")
    killed = stack.kill("worker-2")
    assert stack.ended(DAG, "killed") == "success"
    stack.back(killed)
    assert outcome("killed")["state"] in ("released", "refused")
    versions = [
        card["version"] for card in model_registry.versions(LINE) if card["run"] == run_record.run_id_from("killed")
    ]
    assert len(versions) == (outcome("killed")["state"] == "released")
    assert any(part.restarts for part in stack_state.parts() if part.name == "worker-2")


@pytest.mark.parametrize("server", ["redis", "postgres"])
def test_a_run_survives_that_a_server_is_gone_for_a_while(stack, server):
    run = f"without-{server}"
    start(stack, run, {"seed": 3 if server == "redis" else 4, "set": LONG})
    working(stack, run, "Trainer")
    getattr(stack, server).stop()
    if server == "postgres":
        stack.until(stack_health.unhealthy_parts)
    else:
        log = stack_health.log_file("worker-1")
        stack.until(lambda: "Connection to broker lost" in log.read_text(errors="replace"))
    getattr(stack, server).start()
    assert stack.ended(DAG, run) == "success", json.dumps(stack.tasks(DAG, run))
    stack.until(lambda: not stack_health.unhealthy_parts())
