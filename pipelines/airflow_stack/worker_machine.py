"""A further machine: Celery workers for the stack of another one, `make workers`.

Both see one `NEWSDESK_HOME` under the same path (records name files by it), with its keys, its `newsdesk.env` and the locks in it: the file
system must keep `flock` between machines, as NFS 4 does. The checkout may be anywhere; its code must be equal.
"""

import hashlib
import re
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

from components.core import clock, fileio, paths, processes
from components.registry import postgresql
from pipelines.airflow_stack import airflow_settings, stack_health, supervisor
from pipelines.airflow_stack.airflow_settings import SetupError

GRACE = 90  # seconds between SIGTERM and SIGKILL: a training saves its checkpoint first
ADDRESSES = (airflow_settings.BROKER, postgresql.AIRFLOW, postgresql.METADATA, postgresql.MLFLOW)
_LOCAL = re.compile(r"[/@](localhost|127\.[0-9.]+|\[::1\])[:/]")


def file() -> Path:
    return airflow_settings.airflow_home() / "machine.json"


def describe() -> None:
    """Records what a further machine must have in common with this one."""
    fileio.write_json(
        file(), {"host": socket.gethostname(), "home": str(paths.home()), "code": code(), "written": clock.now()}
    )


def code() -> str:
    """A hash of the project's own modules."""
    digest = hashlib.sha256()
    for room in ("components", "dags", "pipelines"):
        for path in sorted((paths.REPOSITORY / room).rglob("*.py")):
            digest.update(f"{path.relative_to(paths.REPOSITORY)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def check(env: Mapping[str, str]) -> None:
    """Finds out, before a worker takes a task, whether it could do its work.

    env: as `airflow_settings.airflow_env` gives it.

    Raises:
        SetupError: something differs from the first machine, or does not answer; the message says what to do.
    """
    first, host = fileio.read_json(file()), socket.gethostname()
    if first is None:
        raise SetupError(
            f"NEWSDESK_HOME must be the state folder of a stack that was started on another machine. Received: {paths.home()}, "
            f"without {file().name}. Share that folder, and run `make up` on the first machine."
        )
    if not airflow_settings.uses_celery(env):
        raise SetupError(
            f"Workers on several machines need AIRFLOW__CORE__EXECUTOR=CeleryExecutor. Received: {env.get('AIRFLOW__CORE__EXECUTOR')}. "
            "Set it in newsdesk.env (docker/several-workers.env) and restart the stack."
        )
    if first["host"] == host:
        raise SetupError(
            f"The stack runs on this machine, {host}, which has its workers already. For more of them set NEWSDESK_WORKERS and run `make up`."
        )
    if first["home"] != str(paths.home()):
        raise SetupError(
            f"The state folder must have the same path on every machine, because records name files by it: {first['home']} on {first['host']}. "
            f"Received: {paths.home()}. Mount it there, or set NEWSDESK_HOME."
        )
    if first["code"] != code():
        raise SetupError(
            f"The code in {paths.REPOSITORY} differs from that on {first['host']}. Check the same commit out on both, then restart the stack."
        )
    local = [name for name in ADDRESSES if _LOCAL.search(env.get(name, ""))]
    if local:
        raise SetupError(
            f"{', '.join(local)} must name the host of the server, as every machine sees it. Received: an address of this machine, {host}. "
            "Correct it in newsdesk.env, and restart the stack."
        )
    if stack_health.unhealthy_airflow() is None:
        raise SetupError(
            f"Airflow's api-server must answer at {airflow_settings.address()}. On {first['host']} set NEWSDESK_BIND to an address that this "
            "machine reaches, and NEWSDESK_AIRFLOW_HOST to that host in newsdesk.env; then `make up`."
        )


def run() -> None:
    """Keeps this machine's workers running until SIGTERM or SIGINT, then ends them; a task under way may finish within GRACE seconds.

    Raises:
        SetupError: as `check`.
    """
    env, host = airflow_settings.airflow_env(), socket.gethostname()
    check(env)
    state = airflow_settings.airflow_home() / f"workers.{host}.json"
    programs = {
        name: supervisor.Program(airflow_settings.airflow_command(*words), env, stack_health.log_file(f"{name}.{host}"))
        for name, words in airflow_settings.workers(env).items()
    }
    ended: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: ended.append(received))
    print(
        f"{len(programs)} workers of {host} for the stack on {fileio.read_json(file())['host']}; Ctrl-C ends them.",
        flush=True,
    )
    keeper = supervisor.Supervisor(programs, lambda line: print(f"{clock.now()} {line}", flush=True), file=state)
    try:
        keeper.run(lambda: bool(ended))
    finally:
        left = {name: entry for name, entry in (fileio.read_json(state) or {}).items() if name in programs}
        processes.end(list(left.values()), GRACE)
        state.unlink(missing_ok=True)
