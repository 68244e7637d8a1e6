"""MLflow's database: a PostgreSQL one where `NEWSDESK_MLFLOW_DATABASE` names it, else a file, made aside and put in place whole.

MLflow makes its tables one after another, and what a crash or a full disk leaves of them in a file it can neither use nor finish.
Standard library only: `make up` needs it in one environment, the Registrar in the other.
"""

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from components.core import fileio, paths
from components.registry import postgresql

BUSY = 60  # seconds to wait for SQLite's lock


def path() -> Path:
    return paths.home() / "mlflow.db"


def artifacts() -> Path:
    """What candidates leave there: `<id of MLflow's run>/artifacts/…`."""
    return paths.home() / "mlflow-artifacts"


def address(file: Path | None = None) -> str:
    """As MLflow takes it for its tracking and its registry, with the password; with patience where others use the file too."""
    if file:
        return f"sqlite:///{file}"
    database = postgresql.configured(postgresql.MLFLOW)
    return database.sqlalchemy if database else f"sqlite:///{path()}?timeout={BUSY}"


def shown() -> str:
    """The address for people: without the password."""
    database = postgresql.configured(postgresql.MLFLOW)
    return str(database) if database else address()


def query(sql: str, values: Sequence = ()) -> list[tuple]:
    """The rows of one statement that reads. Placeholders are `?`.

    Raises:
        sqlite3.Error, psycopg2.Error: the database, or a table of it, cannot be read.
    """
    database = postgresql.configured(postgresql.MLFLOW)
    if database:
        return postgresql.query(database, sql.replace("?", "%s"), values)
    with contextlib.closing(sqlite3.connect(f"{path().as_uri()}?mode=ro", uri=True)) as file:
        return file.execute(sql, values).fetchall()


def artifact_folders(line: str) -> list[tuple[str, Path]]:
    """The folders with what MLflow shows of a line's candidates, each with the candidate's run id.

    Raises:
        sqlite3.Error, psycopg2.Error: the database, or a table of it, cannot be read.
    """
    if not postgresql.configured(postgresql.MLFLOW) and not path().exists():
        return []
    rows = query(
        "SELECT run.value, run.run_uuid FROM tags AS run JOIN tags AS line ON line.run_uuid = run.run_uuid"
        " WHERE run.key = 'newsdesk.run' AND line.key = 'newsdesk.line' AND line.value = ?",
        [line],
    )
    folders = [(run, artifacts() / uuid) for run, uuid in sorted(rows)]
    return [(run, folder) for run, folder in folders if folder.is_dir()]


def ensure(upgrade: Callable[[str], None]) -> None:
    """Makes the database where there is none. upgrade: does what `mlflow db upgrade ADDRESS` does, on a database without tables."""
    database = postgresql.configured(postgresql.MLFLOW)
    if database:
        with _one_at_a_time():  # MLflow's own check and its making of tables are two steps
            if not postgresql.query(database, "SELECT to_regclass('alembic_version') IS NOT NULL")[0][0]:
                upgrade(database.sqlalchemy)
        return
    if path().exists():
        return
    with tempfile.TemporaryDirectory(dir=paths.staging_dir(), prefix="mlflow.", ignore_cleanup_errors=True) as aside:
        made = Path(aside) / path().name
        upgrade(address(made))
        # Where that fails (a network file system, for one) the database works as it is.
        with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(made)) as database:
            database.execute("PRAGMA journal_mode=WAL")  # kept in the file: who reads does not keep others from writing
        with contextlib.suppress(FileExistsError):  # another process was first
            os.link(made, path())
        fileio.sync(path().parent)


def _one_at_a_time() -> contextlib.AbstractContextManager:
    paths.ensure()
    return fileio.locked(paths.home() / ".mlflow.lock")
