"""Airflow and the MLflow UI on this machine: `python -m pipelines.airflow_stack.stack up | down | status | …`.

`up` starts what is not running and returns once Airflow is healthy; `run` does the same in the foreground (containers).
State and logs are in `NEWSDESK_HOME/airflow`.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from components.core import clock, env_file, errors, fileio, paths, processes
from components.registry import mlflow_db
from pipelines.airflow_stack import airflow_settings, stack_state, stack_summary, supervisor, worker_machine
from pipelines.airflow_stack.airflow_settings import SetupError
from pipelines.airflow_stack.rest_client import Rest, RestError
from pipelines.airflow_stack.stack_health import address, log_file, log_tail, unhealthy_parts, wait_until_healthy
from pipelines.config import run_config
from pipelines.config.lines import retrain_dags
from pipelines.reports import status as status_line
from pipelines.runner.node_process import environment, tfx_python

AIRFLOW_PARTS = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),  # logs are read from the same disk: no log server, no port
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
GRACE = 20  # seconds between SIGTERM and SIGKILL; a scheduler can hang on SIGTERM


def commands() -> dict[str, list[str]]:
    """The argument list of each process, by name.

    Raises:
        SetupError: one of the two environments is not installed.
    """
    mlflow = Path(tfx_python()).with_name("mlflow")
    if not mlflow.exists():
        raise SetupError(f"The TFX environment is not installed: {mlflow} is missing. Run `make setup`.")
    root, workers = paths.home(), airflow_settings.workers(airflow_settings.airflow_env())
    return {
        **{name: airflow_settings.airflow_command(*words) for name, words in {**AIRFLOW_PARTS, **workers}.items()},
        "mlflow": [
            str(mlflow), "server", "--host", airflow_settings.bind_address(), "--port", str(airflow_settings.mlflow_port()),
            "--workers", "1", "--artifacts-destination", str(root / "mlflow-artifacts"),
        ],
        "predictor": [tfx_python(), "-m", "pipelines.serving.answers"],
    }  # fmt: skip


def environments() -> dict[str, dict[str, str]]:
    """The environment of each part that is no part of Airflow, by name; `airflow_settings.airflow_env` is that of the others."""
    return {"mlflow": _mlflow_env(), "predictor": environment()}


def prepare() -> None:
    """Brings the databases of Airflow and MLflow to the installed versions; instant when that was done.

    Raises:
        SetupError: an environment is missing, or a step failed.
    """
    airflow_settings.prepare()
    worker_machine.describe()
    mlflow_db.ensure(partial(_upgrade_mlflow, commands()["mlflow"][0]))


def up() -> None:
    """Starts what is not running, waits until Airflow is healthy and prints the addresses.

    Raises:
        SetupError: an environment is missing, a port is taken, or a part keeps failing or does not become healthy.
    """
    _here_only("up")
    paths.ensure()
    with _one_at_a_time():
        state, calls = stack_state.read(), commands()
        missing = [part.name for part in stack_state.parts(state) if not part.up] if state else [*calls]
        if any(part.up for part in stack_state.parts(state)):
            _report_kept_ports()
        else:
            _check_ports([name for name in calls if name in missing])
            fileio.write_json(airflow_settings.ports_file(), dict(_ports().values()))
        supervised = state and stack_state.SUPERVISOR not in missing
        if not supervised:
            print("Preparing the databases of Airflow and MLflow …", flush=True)
            prepare()
            _start_supervisor()
        wait_until_healthy({part.name: part.restarts for part in stack_state.parts(state)})
    stack_summary.show(started=bool(missing))


def _start_supervisor() -> None:
    call = [sys.executable, "-m", "pipelines.airflow_stack.stack", "supervise"]
    process = processes.spawn(call, os.environ, paths.REPOSITORY, log_file(stack_state.SUPERVISOR))
    wanted = processes.entry(process)
    while process.poll() is None and (stack_state.read().get(stack_state.SUPERVISOR) or {}).get("pid") != wanted["pid"]:
        time.sleep(0.1)
    if process.returncode is not None:
        raise SetupError(
            f"The supervisor ended as soon as it was started. The end of its log:\n{log_tail(stack_state.SUPERVISOR)}"
        )


def supervise() -> None:
    """The supervisor's process, started by `up`: keeps the parts running until SIGTERM. `down` stops the parts."""
    ended = []
    signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
    env, others = airflow_settings.airflow_env(), environments()
    programs = {
        name: supervisor.Program(call, others.get(name, env), log_file(name), name in _ports())
        for name, call in commands().items()
    }
    supervisor.Supervisor(programs, lambda line: print(f"{clock.now()} {line}", flush=True)).run(lambda: bool(ended))


def down() -> None:
    """Stops exactly the processes that `up` started, and the warm node server; reports a port that is still taken."""
    _here_only("down")
    with _one_at_a_time():
        # The supervisor first: it restarts what ends. Once it is gone, the state file is complete.
        processes.end([e for e in [stack_state.read().get(stack_state.SUPERVISOR)] if e], GRACE)
        state = stack_state.read()
        leaving = state.pop("leaving", None) or []
        killed = processes.end([*state.values(), *leaving], GRACE)
        stack_state.file().unlink(missing_ok=True)
    _stop_node_server()
    if killed:
        print(f"{len(killed)} processes did not stop within {GRACE} s and were killed.")
    for name, port in (("Airflow", airflow_settings.airflow_port()), ("MLflow", airflow_settings.mlflow_port())):
        if processes.port_taken(port, airflow_settings.bind_address()):
            print(f"Port {port} ({name}) is still taken, by a process that Newsdesk did not start.")
    airflow_settings.ports_file().unlink(missing_ok=True)
    print("Airflow and MLflow are down: no process left." if state else "Nothing was running.")


def schedule(on: bool) -> None:
    """Switches the schedule of every line on or off.

    Raises:
        SetupError: the stack is not up, or Airflow does not know the DAG.
    """
    if not is_up():
        raise SetupError("Airflow is not running; start it with `make up`.")
    try:
        rest = Rest(address())
        for dag_id, line in retrain_dags(run_config.settings()).items():
            rest.switch(dag_id, on)
            print(f"The schedule of {dag_id} (line {line}) is {'on' if on else 'off'}.")
    except RestError as error:
        raise SetupError(str(error)) from error


def status() -> bool:
    """Prints each process and Airflow's health; returns whether everything runs and is healthy."""
    parts = stack_state.parts() or [stack_state.Part(name, False, "", 0, 0) for name in stack_state.NAMES]
    for part in parts:
        print(f"{part.name:14} {part.text()}")
    waiting = unhealthy_parts()
    print(f"{'health':14} {'not healthy: ' + ', '.join(waiting) if waiting else 'ok'}")
    print(*status_line.texts(), sep="\n")
    return not waiting and all(part.up for part in parts)


def run() -> None:
    """`up`, then waits in the foreground for SIGTERM or SIGINT, then `down`; restarts a supervisor that was killed."""
    ended = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: ended.append(received))
    try:
        up()
        while not ended:
            if not processes.alive(stack_state.read().get(stack_state.SUPERVISOR)):
                _start_supervisor()
            time.sleep(1)
    finally:
        down()


def is_up() -> bool:
    """Whether Airflow's api-server and scheduler both run."""
    state = stack_state.read()
    return all(processes.alive(state.get(name)) for name in ("api-server", "scheduler"))


def _here_only(verb: str) -> None:
    host = stack_state.elsewhere()
    if host:
        raise SetupError(
            f"The stack of {paths.home()} runs on {host}: run `make {verb}` there. `make workers` starts workers on this machine."
        )


def _ports() -> dict[str, tuple[str, int]]:
    """Environment variable and number of each server's port, for a stack that is about to start."""
    return {
        "api-server": ("NEWSDESK_AIRFLOW_PORT", airflow_settings.airflow_port(asked=True)),
        "mlflow": ("NEWSDESK_MLFLOW_PORT", airflow_settings.mlflow_port(asked=True)),
    }


def _report_kept_ports() -> None:
    """A running stack keeps its ports; prints so if others were requested."""
    running = {"api-server": airflow_settings.airflow_port(), "mlflow": airflow_settings.mlflow_port()}
    for name, (variable, port) in _ports().items():
        if port != running[name]:
            print(f"The {name} already runs on port {running[name]}; to use {variable}={port}, run `make down` first.")


def _check_ports(missing: list[str]) -> None:
    for name, (variable, port) in _ports().items():
        if name in missing and processes.port_taken(port, airflow_settings.bind_address()):
            raise SetupError(
                f"Port {port} of the {name} is taken by another program. "
                f"Stop that program, or choose another port: {variable}=… make up"
            )


def _mlflow_env() -> dict[str, str]:
    return {
        **environment(),
        "MLFLOW_BACKEND_STORE_URI": mlflow_db.address(),  # not an argument, which everybody sees: it may hold a password
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def _upgrade_mlflow(program: str, uri: str) -> None:
    call = [program, "db", "upgrade", uri]
    if not uri.startswith("sqlite"):  # no password among the arguments, which everybody sees
        call = [tfx_python(), "-m", "components.registry.mlflow_sync"]
    ended = subprocess.run(call, env=_mlflow_env(), cwd=paths.REPOSITORY, capture_output=True, text=True)
    airflow_settings.check_ended(call, ended)


def _stop_node_server() -> None:
    if not Path(tfx_python()).exists():
        return
    call = [tfx_python(), "-m", "pipelines.runner.node_server", "stop"]
    with contextlib.suppress(subprocess.TimeoutExpired, ValueError):
        ended = subprocess.run(
            call, cwd=paths.REPOSITORY, env=environment(), timeout=60, capture_output=True, check=False
        )
        if json.loads(ended.stdout or b"{}").get("stopped"):
            print("The node server is stopped.")


def _one_at_a_time() -> contextlib.AbstractContextManager:
    folder = airflow_settings.airflow_home()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return fileio.locked(folder / "stack.lock")


def main(arguments: list[str]) -> int:
    """Exit code 0 done, 1 failed or not running, 2 bad usage."""
    verbs = {
        "up": up, "down": down, "status": status, "run": run, "supervise": supervise,
        "workers": worker_machine.run, "schedule-on": lambda: schedule(True), "schedule-off": lambda: schedule(False),
    }  # fmt: skip
    if len(arguments) != 1 or arguments[0] not in verbs:
        print(f"usage: python -m pipelines.airflow_stack.stack {' | '.join(verbs)}", file=sys.stderr)
        return 2
    try:
        env_file.load()
        return 1 if verbs[arguments[0]]() is False else 0
    except (SetupError, errors.HomeError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; `make down` ends what was started.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    os.umask(0o077)  # databases, logs and XComs are this user's business
    sys.exit(main(sys.argv[1:]))
