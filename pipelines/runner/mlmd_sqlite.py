"""ML Metadata's SQLite file, beneath ml_metadata: the ids it gives out, and rows that a full disk left behind. Standard library only."""

import contextlib
import sqlite3
from pathlib import Path

from components.core import paths, sqlite_files

# Which column of ml_metadata's tables points to which; those that others point to come first.
_REFERENCES = (
    ("Event", "execution_id", "Execution"),
    ("Event", "artifact_id", "Artifact"),
    ("EventPath", "event_id", "Event"),
    ("Association", "execution_id", "Execution"),
    ("Association", "context_id", "Context"),
    ("Attribution", "artifact_id", "Artifact"),
    ("Attribution", "context_id", "Context"),
    ("ExecutionProperty", "execution_id", "Execution"),
    ("ArtifactProperty", "artifact_id", "Artifact"),
    ("ContextProperty", "context_id", "Context"),
)


def database() -> Path:
    return paths.home() / "metadata.sqlite"


def last_id() -> int:
    """The highest execution id that the database has given out."""
    with contextlib.closing(sqlite3.connect(f"{database().as_uri()}?mode=ro", uri=True, timeout=60)) as file:
        row = file.execute("SELECT seq FROM sqlite_sequence WHERE name = 'Execution'").fetchone()
    return int(row[0]) if row else 0


def start_above(path: Path, number: int) -> None:
    """Sets the counter that SQLite keeps for AUTOINCREMENT (https://www.sqlite.org/autoinc.html); never lowers it."""
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as file, file:
        if not file.execute(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'Execution'", (number,)
        ).rowcount:
            file.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('Execution', ?)", (number,))


def mend() -> int:
    """Removes rows of the database that point to nothing; returns how many there were.

    On a full disk SQLite withdraws the whole transaction, and ml_metadata 1.16 writes the rest of it nevertheless: events and
    associations of an execution that does not exist. The next execution gets its number, and could not be registered.
    """
    if sqlite_files.empty(database()):
        return 0
    with contextlib.closing(sqlite3.connect(database(), timeout=60, isolation_level=None)) as file:
        left = _dangling(file)
        # Looked for first: a deletion locks the database, even one that finds nothing.
        return sum(file.execute(f"DELETE {rows}").rowcount for rows in left if _any(file, rows))


def dangling() -> bool:
    """Whether `mend` would find something."""
    if sqlite_files.empty(database()):
        return False
    with contextlib.closing(sqlite3.connect(f"{database().as_uri()}?mode=ro", uri=True, timeout=60)) as file:
        return any(_any(file, rows) for rows in _dangling(file))


def _dangling(file: sqlite3.Connection) -> list[str]:
    """SQL for the rows of each table that point to nothing."""
    there = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return [
        f"FROM {table} WHERE {column} NOT IN (SELECT id FROM {target})"  # noqa: S608  # names from the table above
        for table, column, target in _REFERENCES
        if {table, target} <= there
    ]


def _any(file: sqlite3.Connection, rows: str) -> bool:
    return file.execute(f"SELECT 1 {rows} LIMIT 1").fetchone() is not None
