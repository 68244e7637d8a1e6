"""Whether the stack is healthy, where it answers and where its logs are."""

import json
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from pipelines.airflow_stack import airflow_settings, stack_state
from pipelines.airflow_stack.airflow_settings import SetupError

HEALTH_SECONDS = 180  # a first start on two busy cores takes about 40
ATTEMPTS = 3  # failed starts of one part before `make up` gives up


def unhealthy_parts() -> list[str]:
    """Names of the parts that do not answer or report that they are unhealthy."""
    waiting = [] if mlflow_answers() else ["mlflow"]
    unhealthy = unhealthy_airflow()
    return (["api-server"] if unhealthy is None else unhealthy) + waiting


def mlflow_answers() -> bool:
    return _ask(f"http://127.0.0.1:{airflow_settings.mlflow_port()}/health") is not None


def unhealthy_airflow() -> list[str] | None:
    """Names of Airflow's parts that report that they are unhealthy; None where the api-server does not answer."""
    answer = _ask(f"{address()}/api/v2/monitor/health")
    if answer is None:
        return None
    health = json.loads(answer)
    parts = {
        "metadatabase": "metadatabase",
        "scheduler": "scheduler",
        "dag_processor": "dag-processor",
        "triggerer": "triggerer",
    }
    return [name for part, name in parts.items() if (health.get(part) or {}).get("status") != "healthy"]


def _ask(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read()
    except OSError:  # refused, timed out, or an HTTP error: URLError is one too
        return None


def address() -> str:
    """The URL of Airflow's api-server."""
    return airflow_settings.address()


def log_file(name: str) -> Path:
    """The log of one part of the stack."""
    return airflow_settings.airflow_home() / "logs" / f"{name}.log"


def wait_until_healthy(restarts: Mapping[str, int]) -> None:
    """Waits until every part is healthy and prints what it waits for.

    restarts: how often each part had been restarted before the wait.

    Raises:
        SetupError: a part fails again and again, or the stack is not healthy after HEALTH_SECONDS.
    """
    began, shown = time.monotonic(), None
    while waiting := unhealthy_parts():
        parts = stack_state.parts()
        for part in parts:
            if part.restarts >= restarts.get(part.name, 0) + ATTEMPTS or (part is parts[-1] and not part.up):
                raise SetupError(
                    f"The {part.name} fails each time it is started. The end of {log_file(part.name)}:\n{log_tail(part.name)}"
                )
        if time.monotonic() - began > HEALTH_SECONDS:
            raise SetupError(
                f"Airflow is not healthy after {HEALTH_SECONDS} s; it still waits for {', '.join(waiting)}. "
                f"The end of {log_file('api-server')}:\n{log_tail('api-server')}"
            )
        line = f"Waiting for {', '.join(waiting)} …"
        if line != shown:
            print(line, flush=True)
            shown = line
        time.sleep(1)


def log_tail(name: str, lines: int = 15) -> str:
    """The last lines of a part's log."""
    try:
        return "\n".join(log_file(name).read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"
