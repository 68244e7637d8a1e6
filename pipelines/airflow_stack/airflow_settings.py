"""How Airflow runs here: `airflow_env` gives its environment variables, `prepare` makes its database ready.

Everything lives in `NEWSDESK_HOME/airflow`.
"""

import hashlib
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from components.core import fileio, paths, processes
from pipelines.airflow_stack import airflow_secrets
from pipelines.airflow_stack.airflow_secrets import USER
from pipelines.airflow_stack.stack_state import WORKER
from pipelines.config import run_config
from pipelines.config.approval_settings import approvers
from pipelines.runner.node_process import tfx_python

HEAVY_POOL = "heavy"
BUSY = {"timeout": 60}  # seconds for SQLite's lock; Airflow imports this by name, and sets WAL itself
BUSY_ASYNC = {"timeout": 60}  # Airflow adds to the one above
_CONNECTION = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
BROKER = "AIRFLOW__CELERY__BROKER_URL"
_SUFFIXES = ("", "_CMD", "_SECRET")  # Airflow takes an address itself, or the name of what tells it

DEFAULT_QUEUE, TRAINING_QUEUE = "default", "training"
PARALLELISM = 4  # tasks at a time; Airflow's own default forks 32 workers
_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]+@")


class SetupError(Exception):
    """A part of the installation is missing, or a preparation step failed; the message names the remedy."""


def airflow_home() -> Path:
    return paths.home() / "airflow"


def airflow_bin() -> Path:
    """The `bin` folder of the Airflow environment: `NEWSDESK_AIRFLOW_BIN`, or the one in the repository."""
    return Path(os.environ.get("NEWSDESK_AIRFLOW_BIN") or paths.REPOSITORY / ".venv-airflow" / "bin")


def airflow_command(*words: str) -> list[str]:
    """The argument list of an Airflow command.

    Raises:
        SetupError: Airflow is not installed.
    """
    program = airflow_bin() / "airflow"
    if not program.exists():
        raise SetupError(f"The Airflow environment is not installed: {program} is missing. Run `make setup`.")
    return [str(airflow_bin() / "python"), str(program), *words]


def port(name: str, default: int, asked: bool = False) -> int:
    """The port of the stack that was started, else the one in the environment variable `name`, else the default.

    asked: the variable first: for a stack that is about to start.

    Raises:
        SetupError: it is no port number.
    """
    given, recorded = os.environ.get(name), (fileio.read_json(ports_file()) or {}).get(name)
    text = str((given or recorded if asked else recorded or given) or default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise SetupError(f"a port must be a whole number in 1..65535. Received: {name}={text[:20]!r}")
    return int(text)


def ports_file() -> Path:
    """Where a running stack keeps its ports, so that every later command finds it."""
    return airflow_home() / "ports.json"


def airflow_port(asked: bool = False) -> int:
    return port("NEWSDESK_AIRFLOW_PORT", 8080, asked)


def mlflow_port(asked: bool = False) -> int:
    return port("NEWSDESK_MLFLOW_PORT", 5000, asked)


def bind_address() -> str:
    """Where the two servers listen: this machine alone, unless `NEWSDESK_BIND` overrides it (inside a container)."""
    return os.environ.get("NEWSDESK_BIND") or "127.0.0.1"


def address() -> str:
    """Where the api-server answers the other parts: on this machine, unless `NEWSDESK_AIRFLOW_HOST` names the one it runs on."""
    return f"http://{os.environ.get('NEWSDESK_AIRFLOW_HOST') or '127.0.0.1'}:{airflow_port()}"


def _approvers() -> list[str]:
    """Who has a login of this Airflow besides `admin`, as `[<line>.approval]` of newsdesk.toml names them."""
    try:
        return [name for name in approvers(run_config.settings()) if name != USER]
    except run_config.ConfigError:  # Airflow shows it, as the import error of its DAGs
        return []


def airflow_env(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every Airflow process of this project; makes its folder and its secrets where they are missing.

    Other `AIRFLOW__…` variables of the caller stay, so that Airflow's own switches (executor, database) can be used.
    """
    environ = dict(os.environ if environ is None else environ)
    keys = airflow_secrets.keys()
    folder = airflow_home()
    defaults = {
        **_executor(environ),
        "AIRFLOW__CORE__PARALLELISM": str(PARALLELISM),
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(PARALLELISM),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        **_database(environ),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        # A dead scheduler's tasks are found after a minute, not after five.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "60",
        # A task that starts while the api-server is busy or still starting waits for it. Airflow's own limit is 5 s.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
    }
    fixed = {
        "NEWSDESK_HOME": str(paths.home()),
        "NEWSDESK_TFX_PYTHON": tfx_python(),
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(paths.REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(paths.REPOSITORY / "dags" / "plugins"),
        "AIRFLOW__CORE__FERNET_KEY": keys["fernet"],
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
            [f"{USER}:admin", *(f"{name}:user" for name in _approvers())]
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(airflow_secrets.password_file()),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address()}/execution/",
        "AIRFLOW__API__HOST": bind_address(),
        "AIRFLOW__API__PORT": str(airflow_port()),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{airflow_port()}",
        "AIRFLOW__API__SECRET_KEY": keys["api"],
        "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt"],
        # The triggerer imports the trigger behind an asset by name; only the dag-processor adds this folder.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(paths.REPOSITORY / "dags"), environ.get("PYTHONPATH")])),
        # `python -m airflow` inside a task and plug-ins must find the same interpreter.
        "PATH": f"{airflow_bin()}{os.pathsep}{environ.get('PATH', os.defpath)}",
    }
    return {**defaults, **environ, **fixed}


def workers(environ: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The Celery workers of this stack: by name, the words after `airflow`; none unless Airflow uses the CeleryExecutor.

    The last one alone takes the queue of trainings.
    environ: as `airflow_env` gives it.

    Raises:
        SetupError: NEWSDESK_WORKERS is no number in 1..16.
    """
    if not uses_celery(environ):
        return {}
    text = environ.get("NEWSDESK_WORKERS") or "2"
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 16):
        raise SetupError(f"NEWSDESK_WORKERS must be a whole number in 1..16. Received: {text[:20]!r}")
    names = [f"{WORKER}{number}" for number in range(1, int(text) + 1)]
    queues = {name: f"{DEFAULT_QUEUE},{TRAINING_QUEUE}" if name == names[-1] else DEFAULT_QUEUE for name in names}
    return {name: worker(name, queues[name]) for name in names}


def worker(name: str, queues: str) -> tuple[str, ...]:
    """The words after `airflow` that start a Celery worker. queues: joined by commas. Logs are read from the shared folder, so it serves none."""
    return ("celery", "worker", "--skip-serve-logs", "--celery-hostname", f"{name}@%h", "--queues", queues)


def uses_celery(environ: Mapping[str, str]) -> bool:
    return "CeleryExecutor" in environ.get("AIRFLOW__CORE__EXECUTOR", "")


def _executor(environ: Mapping[str, str]) -> dict[str, str]:
    """The LocalExecutor, or what the CeleryExecutor needs where the caller chose that.

    Raises:
        SetupError: the CeleryExecutor without a broker, or with SQLite, which several processes of several machines cannot share.
    """
    if not uses_celery(environ):
        return {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor"}
    if not any(environ.get(BROKER + suffix) for suffix in _SUFFIXES):
        raise SetupError(
            f"The CeleryExecutor needs a broker: set {BROKER}=redis://HOST:6379/0, or choose the LocalExecutor."
        )
    if _database(environ):
        raise SetupError(
            f"The CeleryExecutor needs PostgreSQL: set {_CONNECTION}=postgresql+psycopg2://USER:PASSWORD@HOST/DATABASE."
        )
    return {
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(PARALLELISM // 2),
        # Longer than a node may take: a task that the broker hands out twice would run twice.
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
    }


def _database(environ: Mapping[str, str]) -> dict[str, str]:
    """SQLite with patience, unless the caller names a database in Airflow's own way: an address, a command or a secret."""
    given = [environ[_CONNECTION + suffix] for suffix in _SUFFIXES if environ.get(_CONNECTION + suffix)]
    if given and not given[0].startswith("sqlite"):
        return {}
    return {
        **({} if given else {_CONNECTION: f"sqlite:///{airflow_home() / 'airflow.db'}"}),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS": "pipelines.airflow_stack.airflow_settings.BUSY",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS_ASYNC": "pipelines.airflow_stack.airflow_settings.BUSY_ASYNC",
    }


def prepare() -> None:
    """Brings Airflow's database to the installed version and makes the pool of heavy tasks; instant when that was done.

    Raises:
        SetupError: Airflow is not installed, or one of its commands failed.
    """
    paths.ensure()
    env = airflow_env()
    with fileio.locked(airflow_home() / "prepare.lock"):  # two migrations of one database at once make each other fail
        _prepare(env)


def _prepare(env: Mapping[str, str]) -> None:
    database = "".join(env.get(_CONNECTION + suffix, "") for suffix in _SUFFIXES)
    done = hashlib.sha256("\n".join([_airflow_version(), database, HEAVY_POOL]).encode()).hexdigest()
    stamp = airflow_home() / "prepared"
    gone = database.startswith("sqlite:///") and not Path(database.removeprefix("sqlite:///")).exists()
    if stamp.exists() and stamp.read_text() == done and not gone:
        end_stale_test()
        return
    _run(env, "db", "migrate")
    _run(env, "pools", "set", HEAVY_POOL, "1", "trainings, one at a time")
    fileio.write_text(stamp, done)


def test_marker() -> Path:
    """Names the process of the `airflow dags test` that runs now; left behind by one that was killed."""
    return airflow_home() / "test-run.json"


def end_stale_test() -> None:
    """Ends the runs in Airflow's database that a killed `airflow dags test` left "running"; they would block the next one.

    Raises:
        SetupError: Airflow's database cannot be changed.
    """
    marker = fileio.read_json(test_marker())
    if marker is None or processes.alive(marker):
        return
    call = [str(airflow_bin() / "python"), str(paths.REPOSITORY / "dags" / "newsdesk_dags" / "stale_test_runs.py")]
    check_ended(call, subprocess.run(call, env=airflow_env(), cwd=paths.REPOSITORY, capture_output=True, text=True))
    test_marker().unlink(missing_ok=True)


def _run(env: Mapping[str, str], *words: str) -> None:
    call = airflow_command(*words)
    check_ended(call[1:], subprocess.run(call, env=env, cwd=paths.REPOSITORY, capture_output=True, text=True))


def check_ended(call: list[str], ended: subprocess.CompletedProcess) -> None:
    """Raises SetupError with the end of what a command printed, where it failed."""
    if ended.returncode:
        tail = _PASSWORD.sub(r"\1***@", "\n".join((ended.stdout + ended.stderr).strip().splitlines()[-15:]))
        raise SetupError(f"`{' '.join(call)}` failed with exit code {ended.returncode}:\n{tail}")


def _airflow_version() -> str:
    versions = sorted(airflow_bin().parent.glob("lib/python3*/site-packages/apache_airflow_core-*.dist-info"))
    return versions[-1].name if versions else ""
