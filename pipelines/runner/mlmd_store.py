"""What ML Metadata knows of a line's runs, read without TFX: executions, artifacts, and which run uses what.

Needs the package ml_metadata (0.2 s to import), which the Airflow environment lacks: `connect` gives None there.
"""

import contextlib
import fcntl
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from components.core import fileio, paths, sqlite_files

# Which column of ml_metadata's tables points to which; those that others point to come first.
_REFERENCES = (
    ("Event", "execution_id", "Execution"), ("Event", "artifact_id", "Artifact"), ("EventPath", "event_id", "Event"),
    ("Association", "execution_id", "Execution"), ("Association", "context_id", "Context"),
    ("Attribution", "artifact_id", "Artifact"), ("Attribution", "context_id", "Context"),
    ("ExecutionProperty", "execution_id", "Execution"), ("ArtifactProperty", "artifact_id", "Artifact"),
    ("ContextProperty", "context_id", "Context"),
)  # fmt: skip


class DatabaseDamaged(Exception):
    """The database cannot be read; the message names it and the command that sets it aside."""


def database() -> Path:
    return paths.home() / "metadata.sqlite"


def connect():
    """The metadata store, or None where there is no database or no package to read it with."""
    if sqlite_files.empty(database()) or find_spec("ml_metadata") is None:
        return None
    from ml_metadata import metadata_store
    from ml_metadata.proto import metadata_store_pb2 as pb

    return metadata_store.MetadataStore(_config(database(), pb.SqliteMetadataSourceConfig.READWRITE))


def _config(path: Path, mode: int):
    from ml_metadata.proto import metadata_store_pb2 as pb

    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = mode
    return config


def ensure() -> int:
    """Makes the database where it is missing or empty; returns the execution id it starts above, 0 where it was there.

    TFX names output folders by the execution's id. After a loss, ids from 1 would overwrite what earlier executions made.

    Raises:
        DatabaseDamaged: it is there and is no database.
    """
    if not sqlite_files.empty(database()):
        try:
            last_id()  # SQLite compares the file's size with its header at the first read
        except sqlite3.OperationalError:  # locked, or no room
            return 0
        except sqlite3.DatabaseError as error:
            raise DatabaseDamaged(
                f"{database()} cannot be read ({error}). `newsdesk doctor --repair` sets it aside and makes a new one."
            ) from error
        return 0
    from ml_metadata import metadata_store
    from ml_metadata.proto import metadata_store_pb2 as pb

    paths.ensure()
    with open(paths.home() / ".metadata.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not sqlite_files.empty(database()):  # another process was first
            return 0
        with tempfile.TemporaryDirectory(
            dir=paths.staging_dir(), prefix="metadata.", ignore_cleanup_errors=True
        ) as aside:
            made, above = Path(aside) / database().name, highest_folder()
            metadata_store.MetadataStore(_config(made, pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE))
            _start_above(made, above)
            os.replace(made, database())
        fileio.sync_folder(database().parent)
    return above


def highest_folder() -> int:
    """The highest execution id that an artifact's folder is named by; 0 where there is none."""
    outputs = (paths.home() / "artifacts").glob("*/*/[!.]*/[0-9]*")  # artifacts/<line>/<node>/<output>/<execution>
    return max((int(path.name) for path in outputs if path.name.isascii() and path.name.isdigit()), default=0)


def last_id() -> int:
    """The highest execution id that the database has given out."""
    with contextlib.closing(sqlite3.connect(f"{database().as_uri()}?mode=ro", uri=True, timeout=60)) as file:
        row = file.execute("SELECT seq FROM sqlite_sequence WHERE name = 'Execution'").fetchone()
    return int(row[0]) if row else 0


def start_above_folders() -> int:
    """Makes the database give out ids above every artifact folder; returns the id it goes on from."""
    above = highest_folder()
    _start_above(database(), above)
    return above


def _start_above(path: Path, number: int) -> None:
    """Sets the counter that SQLite keeps for AUTOINCREMENT (https://www.sqlite.org/autoinc.html); never lowers it."""
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as file, file:
        if not file.execute(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'Execution'", (number,)
        ).rowcount:
            file.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('Execution', ?)", (number,))


def executions(store, line: str, run: str) -> list[dict]:
    """What ran in a run, in order: `node`, `id`, `state`, `parameters`, `inputs` and `outputs`, each a list of artifacts.

    An artifact: `key` (the channel's name), `id`, `type`, `uri`, `state`, `made_by` (id of the execution that made it; another one
    where it came from the cache), `properties`.
    """
    from ml_metadata.proto import metadata_store_pb2 as pb

    own = _executions(store, line, run)
    if not own:
        return []
    events = store.get_events_by_execution_ids([e.id for e in own])
    artifacts = {a.id: a for a in store.get_artifacts_by_id(list({e.artifact_id for e in events}))}
    makers: dict[int, int] = {}
    for event in store.get_events_by_artifact_ids(list(artifacts)):
        if event.type == pb.Event.OUTPUT:
            makers[event.artifact_id] = min(event.execution_id, makers.get(event.artifact_id, event.execution_id))
    summaries = []
    for execution in sorted(own, key=lambda e: e.id):
        sides = {pb.Event.INPUT: [], pb.Event.OUTPUT: []}
        for event in events:
            if event.execution_id == execution.id and event.type in sides:
                artifact = artifacts[event.artifact_id]
                sides[event.type].append(
                    {
                        "key": event.path.steps[0].key, "id": artifact.id, "type": artifact.type, "uri": artifact.uri,
                        "state": pb.Artifact.State.Name(artifact.state), "made_by": makers.get(artifact.id),
                        "properties": _values(artifact.properties) | _values(artifact.custom_properties),
                    }
                )  # fmt: skip
        nodes = [c.name for c in store.get_contexts_by_execution(execution.id) if c.type == "node"]
        summaries.append(
            {
                "node": nodes[0].removeprefix(f"{line}.") if nodes else execution.type, "id": execution.id,
                "state": pb.Execution.State.Name(execution.last_known_state),
                "parameters": _values(execution.properties) | _values(execution.custom_properties),
                "inputs": sides[pb.Event.INPUT], "outputs": sides[pb.Event.OUTPUT],
            }
        )  # fmt: skip
    return summaries


def uses(store, line: str, runs: Iterable[str]) -> dict[str, set[str]]:
    """By run: the addresses of the artifacts it read or made, and `#<id>` of each of its executions."""
    by_run = {}
    for run in runs:
        ids = [e.id for e in _executions(store, line, run)]
        events = store.get_events_by_execution_ids(ids) if ids else []
        artifacts = store.get_artifacts_by_id(list({e.artifact_id for e in events})) if events else []
        by_run[run] = {a.uri for a in artifacts} | {f"#{number}" for number in ids}
    return by_run


def unfinished(store, line: str) -> list[tuple[int, str, str]]:
    """Executions recorded as running: id, run and node. A killed one stays so until its node runs again."""
    from ml_metadata.proto import metadata_store_pb2 as pb

    open_executions = []
    # Chosen here: ml_metadata 1.21 has no queries any more.
    for execution in (e for e in store.get_executions() if e.last_known_state == pb.Execution.RUNNING):
        named = {context.type: context.name for context in store.get_contexts_by_execution(execution.id)}
        run, node = named.get("pipeline_run", ""), named.get("node", "")
        if node.startswith(f"{line}.") and run.startswith(f"{line}."):
            open_executions.append((execution.id, run.removeprefix(f"{line}."), node.removeprefix(f"{line}.")))
    return open_executions


def close(store, ids: Sequence[int]) -> None:
    """Marks executions as failed."""
    from ml_metadata.proto import metadata_store_pb2 as pb

    executions = store.get_executions_by_id(ids)
    for execution in executions:
        execution.last_known_state = pb.Execution.FAILED
    if executions:
        store.put_executions(executions)


def mend() -> int:
    """Removes rows of the database that refer to nothing; returns how many there were.

    On a full disk SQLite withdraws the whole transaction, and ml_metadata 1.16 writes the rest of it nevertheless: events and
    associations of an execution that does not exist. The next execution gets its number, and could not be registered.
    """
    if sqlite_files.empty(database()):
        return 0
    with contextlib.closing(sqlite3.connect(database(), timeout=60, isolation_level=None)) as file:
        left = _dangling(file)
        # Checked first: a deletion locks the database even if it deletes nothing.
        return sum(file.execute(f"DELETE {rows}").rowcount for rows in left if _any(file, rows))


def dangling() -> bool:
    """Whether `mend` would remove something."""
    if sqlite_files.empty(database()):
        return False
    with contextlib.closing(sqlite3.connect(f"{database().as_uri()}?mode=ro", uri=True, timeout=60)) as file:
        return any(_any(file, rows) for rows in _dangling(file))


def _dangling(file: sqlite3.Connection) -> list[str]:
    """SQL for the rows of each table that refer to nothing."""
    there = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return [
        f"FROM {table} WHERE {column} NOT IN (SELECT id FROM {target})"  # noqa: S608  # names from the table above
        for table, column, target in _REFERENCES
        if {table, target} <= there
    ]


def _any(file: sqlite3.Connection, rows: str) -> bool:
    return file.execute(f"SELECT 1 {rows} LIMIT 1").fetchone() is not None


def vanished(store, line: str) -> list[str]:
    """Addresses of a line's live artifacts that no longer exist on disk."""
    from ml_metadata.proto import metadata_store_pb2 as pb

    root = paths.artifacts_dir(line)
    live = (a for a in store.get_artifacts() if a.state == pb.Artifact.LIVE)
    return sorted(a.uri for a in live if Path(a.uri).is_relative_to(root) and not Path(a.uri).exists())


def forget(store, uris: Sequence[str]) -> int:
    """Marks the artifacts at these addresses as deleted, so that no cache offers them and no input resolves to them.

    Returns how many there were. TFX takes a cached result only if all of its artifacts are live.
    """
    from ml_metadata.proto import metadata_store_pb2 as pb

    wanted = set(uris)
    artifacts = [a for a in store.get_artifacts() if a.uri in wanted and a.state != pb.Artifact.DELETED]
    for artifact in artifacts:
        artifact.state = pb.Artifact.DELETED
    if artifacts:
        store.put_artifacts(artifacts)
    return len(artifacts)


def _executions(store, line: str, run: str) -> list:
    context = store.get_context_by_type_and_name("pipeline_run", f"{line}.{run}")
    return store.get_executions_by_context(context.id) if context else []


def _values(properties) -> dict[str, Any]:
    kinds = ((name, value, value.WhichOneof("value")) for name, value in properties.items())
    return {
        name: getattr(value, kind)
        for name, value, kind in kinds
        if kind in ("int_value", "double_value", "string_value")
    }
