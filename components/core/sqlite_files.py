"""SQLite files of other programs (ML Metadata, MLflow, Airflow): checks them, and sets a damaged one aside.

Standard library only.
"""

import contextlib
import os
import sqlite3
from datetime import datetime, timezone
from pathlib import Path

_BESIDE = ("", "-wal", "-shm", "-journal")  # SQLite's own files beside the database


def fault(path: Path) -> str:
    """Why a database cannot be read; empty where it can, and where there is no file."""
    if not path.is_file():
        return ""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30)) as database:
            (answer,) = database.execute("PRAGMA quick_check(1)").fetchone()
            return "" if answer == "ok" else str(answer)
    except sqlite3.DatabaseError as error:
        busy = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
        return "" if busy else str(error)  # another process is writing: no damage


def empty(path: Path) -> bool:
    """Whether there is no file or an empty one, in which SQLite would create a new database."""
    return not path.is_file() or path.stat().st_size == 0


def set_aside(path: Path) -> Path:
    """Renames a database together with SQLite's files beside it; returns the new path."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in _BESIDE:
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{aside}{suffix}")
    return aside
