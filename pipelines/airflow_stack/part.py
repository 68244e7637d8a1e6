"""One part of the stack as the process of a container or pod, without a supervisor: `python -m pipelines.airflow_stack.part NAME`.

    prepare                   makes the databases that are missing and brings their tables to the installed versions; ends
    api-server, scheduler, dag-processor, triggerer, mlflow, predictor
    worker QUEUE[,QUEUE …]    a Celery worker
    task PROGRAM …            what an executor starts for one task (KubernetesExecutor), with the environment of this stack
    health NAME               exit code 0: well. Only the api-server knows of the scheduler, the dag-processor and the triggerer; while it
                              does not answer, they count as well, so that one part that is down restarts no other

The part takes this process's place, so that signals reach it. All parts share `NEWSDESK_HOME`, where keys and passwords are, and find the
api-server by `NEWSDESK_AIRFLOW_HOST`.
"""

import os
import socket
import sys

from components.core import env_file, errors
from components.core.validation import ConfigError
from pipelines.airflow_stack import airflow_settings, create_databases, stack, stack_health
from pipelines.airflow_stack.airflow_settings import SetupError

WORKER = "worker"
NAMES = (*stack.AIRFLOW_PARTS, "mlflow", "predictor")
USAGE = f"usage: part prepare | {' | '.join(NAMES)} | worker QUEUES | task PROGRAM … | health NAME"


def call_of(words: list[str]) -> tuple[list[str], dict[str, str]] | None:
    """Argument list and environment of a part; None where the words name none.

    Raises:
        SetupError: an environment is not installed, or a setting is missing.
    """
    env = airflow_settings.airflow_env()
    if words[:1] == [WORKER] and len(words) == 2:
        return airflow_settings.airflow_command(*airflow_settings.worker(WORKER, words[1])), env
    if words[:1] == ["task"] and len(words) > 1:
        return words[1:], env  # found by the environment's PATH, which begins with Airflow's programs
    if len(words) != 1 or words[0] not in NAMES:
        return None
    return stack.commands()[words[0]], stack.environments().get(words[0], env)


def is_well(name: str) -> bool:
    """What a container's health check asks."""
    if name == "mlflow":
        return stack_health.mlflow_answers()
    if name == WORKER:
        return _worker_answers()
    unhealthy = stack_health.unhealthy_airflow()
    if name == "api-server":
        return unhealthy is not None
    return name not in (unhealthy or [])


def _worker_answers() -> bool:
    """Whether the worker of this host answers over the broker."""
    from celery import Celery

    broker = airflow_settings.airflow_env().get(airflow_settings.BROKER)
    reply = Celery(broker=broker).control.ping([f"{WORKER}@{socket.gethostname()}"], timeout=5)
    return bool(reply)


def main(words: list[str]) -> int:
    """Exit code 0 done or well, 1 failed or not well, 2 bad usage; a part has its own."""
    try:
        env_file.load()
        if words == ["prepare"]:
            code = create_databases.main()
            if not code:
                stack.prepare()
            return code
        if words[:1] == ["health"] and len(words) == 2 and words[1] in (*stack.AIRFLOW_PARTS, "mlflow", WORKER):
            return 0 if is_well(words[1]) else 1
        call, env = call_of(words) or ([], {})
    except (SetupError, ConfigError, errors.HomeError) as error:
        print(error, file=sys.stderr)
        return 1
    if not call:
        print(USAGE, file=sys.stderr)
        return 2
    sys.stdout.flush()
    os.execvpe(call[0], call, env)  # noqa: S606 - an argument list, no shell


if __name__ == "__main__":
    os.umask(0o077)  # databases, logs and XComs are this user's business
    sys.exit(main(sys.argv[1:]))
