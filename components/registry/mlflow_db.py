"""MLflow's database file: made aside and put in place whole.

MLflow makes its tables one after another, and what a crash or a full disk leaves of them it can neither use nor finish.
Standard library only: `make up` needs it in one environment, the Registrar in the other.
"""

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

from components.core import fileio, paths

BUSY = 60  # seconds to wait for SQLite's lock


def path() -> Path:
    return paths.home() / "mlflow.db"


def address(file: Path | None = None) -> str:
    """As MLflow takes it for its tracking and its registry; with patience where others use the file too."""
    return f"sqlite:///{file}" if file else f"sqlite:///{path()}?timeout={BUSY}"


def ensure(upgrade: Callable[[str], None]) -> None:
    """Makes the database where there is none. upgrade: does what `mlflow db upgrade ADDRESS` does, on a file that is not there yet."""
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
