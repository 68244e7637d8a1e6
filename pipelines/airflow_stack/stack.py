"""Airflow and the MLflow UI on this machine: `python -m pipelines.airflow_stack.stack up | down | status | …`.

`up` starts what does not run yet and returns once Airflow is healthy; `run` does the same in the foreground (containers).
Standard library only; state and logs lie in `NEWSDESK_HOME/airflow`.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from components.core import errors, fileio, paths, processes
from components.registry import mlflow_db
from pipelines.airflow_stack import airflow_settings
from pipelines.airflow_stack.airflow_settings import SetupError
from pipelines.airflow_stack.rest_client import Rest, RestError
from pipelines.config import run_config
from pipelines.runner.node_process import environment, tfx_python

AIRFLOW_PARTS = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),  # logs are read from the same disk: no log server, no port
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
DAG_ID = "news_retrain"
HEALTH_SECONDS = 180  # a first start on two busy cores takes about 40
GRACE = 20  # seconds between SIGTERM and SIGKILL; a scheduler can hang on the former


def commands() -> dict[str, list[str]]:
    """The argument list of each process, by name.

    Raises:
        SetupError: one of the two environments is not installed.
    """
    mlflow = Path(tfx_python()).with_name("mlflow")
    if not mlflow.exists():
        raise SetupError(f"the TFX environment must be installed. Received: no {mlflow}. Run `make setup`.")
    root = paths.home()
    return {
        **{name: airflow_settings.airflow_command(*words) for name, words in AIRFLOW_PARTS.items()},
        "mlflow": [
            str(mlflow), "server", "--host", airflow_settings.bind_address(), "--port", str(airflow_settings.mlflow_port()),
            "--workers", "1", "--backend-store-uri", mlflow_db.address(),
            "--artifacts-destination", str(root / "mlflow-artifacts"),
        ],
    }  # fmt: skip


def up() -> None:
    """Starts what does not run, waits until Airflow is healthy and prints where everything is.

    Raises:
        SetupError: an environment is missing, a port is taken, or a process ended or did not become healthy.
    """
    paths.ensure()
    with _one_at_a_time():
        calls = commands()
        state = _state()
        missing = [name for name in calls if not processes.alive(state.get(name))]
        _check_ports(missing)
        if missing:
            print("Preparing the databases of Airflow and MLflow …", flush=True)
            airflow_settings.prepare()
            mlflow_db.ensure(partial(_upgrade_mlflow, calls["mlflow"][0]))
            # What is left of a part that died must not meet its successor.
            processes.end([state[name] for name in missing if name in state], GRACE)
        fileio.write_json(airflow_settings.ports_file(), dict(_ports().values()))
        for name in missing:
            env = _mlflow_env() if name == "mlflow" else airflow_settings.airflow_env()
            state[name] = processes.entry(processes.spawn(calls[name], env, paths.REPOSITORY, log_file(name)))
            fileio.write_json(_state_file(), state)
        _wait_until_healthy(state)
    _print_addresses(started=bool(missing))


def down() -> None:
    """Ends exactly the processes that `up` started, and the warm node server; says so when a port stays taken."""
    with _one_at_a_time():
        state = _state()
        killed = processes.end(state.values(), GRACE)
        _state_file().unlink(missing_ok=True)
    _stop_node_server()
    if killed:
        print(f"{len(killed)} processes did not leave within {GRACE} s and were killed.")
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
        raise SetupError("Airflow must be up to switch the schedule. Received: it is not running. Run `make up`.")
    try:
        rest = Rest(address())
        for dag_id, line in run_config.retrain_dags(run_config.settings()).items():
            rest.switch(dag_id, on)
            print(f"The schedule of {dag_id} (line {line}) is {'on' if on else 'off'}.")
    except RestError as error:
        raise SetupError(str(error)) from error


def status() -> bool:
    """Prints each process and Airflow's health; true if all is well."""
    state = _state()
    names = [*AIRFLOW_PARTS, "mlflow"]
    for name in names:
        running = processes.alive(state.get(name))
        print(f"{name:14} {'running, process ' + str(state[name]['pid']) if running else 'not running'}")
    waiting = unhealthy_parts()
    print(f"{'health':14} {'not healthy: ' + ', '.join(waiting) if waiting else 'ok'}")
    return not waiting and all(processes.alive(state.get(name)) for name in names)


def run() -> None:
    """`up`, then waits in the foreground for SIGTERM or SIGINT, or for a process to die, then `down`."""
    ended = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: ended.append(received))
    try:
        up()
        while not ended and all(processes.alive(entry) for entry in _state().values()):
            time.sleep(1)
        if not ended:
            raise SetupError(
                f"every process must keep running. Received: one ended; see {log_file('scheduler').parent}"
            )
    finally:
        down()


def is_up() -> bool:
    """Whether `up` started Airflow's api-server and scheduler and both still run."""
    state = _state()
    return all(processes.alive(state.get(name)) for name in ("api-server", "scheduler"))


def unhealthy_parts() -> list[str]:
    """Names of the parts that do not answer or do not report as healthy."""
    waiting = [] if _ask(f"http://127.0.0.1:{airflow_settings.mlflow_port()}/health") else ["mlflow"]
    answer = _ask(f"{address()}/api/v2/monitor/health")
    if answer is None:
        return ["api-server", *waiting]
    health = json.loads(answer)
    parts = {
        "metadatabase": "metadatabase",
        "scheduler": "scheduler",
        "dag_processor": "dag-processor",
        "triggerer": "triggerer",
    }
    return [name for part, name in parts.items() if (health.get(part) or {}).get("status") != "healthy"] + waiting


def _ask(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read()
    except OSError:  # refused, timed out, or an HTTP error: URLError is one too
        return None


def address() -> str:
    return f"http://127.0.0.1:{airflow_settings.airflow_port()}"


def log_file(name: str) -> Path:
    return airflow_settings.airflow_home() / "logs" / f"{name}.log"


def _ports() -> dict[str, tuple[str, int]]:
    """Environment variable and number of each server's port."""
    return {
        "api-server": ("NEWSDESK_AIRFLOW_PORT", airflow_settings.airflow_port()),
        "mlflow": ("NEWSDESK_MLFLOW_PORT", airflow_settings.mlflow_port()),
    }


def _check_ports(missing: list[str]) -> None:
    for name, (variable, port) in _ports().items():
        if name in missing and processes.port_taken(port, airflow_settings.bind_address()):
            raise SetupError(
                f"the port of {name} must be free. Received: port {port} is taken by another program. "
                f"Stop that, or choose another port: {variable}=… make up"
            )


def _wait_until_healthy(state: dict) -> None:
    began, shown = time.monotonic(), None
    while waiting := unhealthy_parts():
        for name, entry in state.items():
            if not processes.alive(entry):
                raise SetupError(
                    f"{name} must keep running. Received: it ended; the end of {log_file(name)}:\n{_tail(name)}"
                )
        seconds = time.monotonic() - began
        if seconds > HEALTH_SECONDS:
            raise SetupError(
                f"Airflow must be healthy within {HEALTH_SECONDS} s. Received: waiting for {', '.join(waiting)}; "
                f"the end of {log_file('api-server')}:\n{_tail('api-server')}"
            )
        line = f"Waiting for {', '.join(waiting)} …"
        if line != shown:
            print(line, flush=True)
            shown = line
        time.sleep(1)


def _print_addresses(started: bool) -> None:
    print(
        f"""{"Airflow and MLflow are up." if started else "Airflow and MLflow were up already."}
  Airflow   {address()}   user {airflow_settings.USER}, password {airflow_settings.password()}
  MLflow    http://127.0.0.1:{airflow_settings.mlflow_port()}
  logs      {log_file("scheduler").parent}
{_schedule_line()}
`make retrain` runs it once now; `make down` stops everything.""",
        flush=True,
    )


def _schedule_line() -> str:
    lines = run_config.settings()
    line = run_config.scheduled_line(lines)
    cron = lines.get(line, {}).get("schedule", {}).get("cron")
    with contextlib.suppress(RestError):
        dag = Rest(address()).dag(DAG_ID)
        if not dag["is_paused"] if dag else cron:
            return (
                f"The schedule of {DAG_ID} is on ({cron or 'daily'}, line {line}); `make schedule-off` switches it off."
            )
    return f"The schedule is off until you switch on `{DAG_ID}` with the toggle beside its name, or with `make schedule-on`."


def _tail(name: str, lines: int = 15) -> str:
    try:
        return "\n".join(log_file(name).read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"


def _mlflow_env() -> dict[str, str]:
    return {**environment(), "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def _upgrade_mlflow(program: str, uri: str) -> None:
    call = [program, "db", "upgrade", uri]
    ended = subprocess.run(call, env=_mlflow_env(), cwd=paths.REPOSITORY, capture_output=True, text=True)
    airflow_settings.check_ended(call, ended)


def _stop_node_server() -> None:
    if not (paths.REPOSITORY / "pipelines" / "node_server.py").exists() or not Path(tfx_python()).exists():
        return
    call = [tfx_python(), "-m", "pipelines.runner.node_server", "stop"]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(call, cwd=paths.REPOSITORY, env=environment(), timeout=60, check=False)


def _state_file() -> Path:
    return airflow_settings.airflow_home() / "stack.json"


def _state() -> dict[str, dict]:
    return fileio.read_json(_state_file()) or {}


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    folder = airflow_settings.airflow_home()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(folder / "stack.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(arguments: list[str]) -> int:
    """Exit code 0 done, 1 failed or not running, 2 bad usage."""
    verbs = {
        "up": up, "down": down, "status": status, "run": run,
        "schedule-on": lambda: schedule(True), "schedule-off": lambda: schedule(False),
    }  # fmt: skip
    if len(arguments) != 1 or arguments[0] not in verbs:
        print(f"usage: python -m pipelines.airflow_stack.stack {' | '.join(verbs)}", file=sys.stderr)
        return 2
    try:
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
