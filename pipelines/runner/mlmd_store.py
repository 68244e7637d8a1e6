"""What ML Metadata knows of a line's runs, read without TFX: executions, artifacts, and which run uses what.

The database is PostgreSQL where `NEWSDESK_METADATA_DATABASE` names one, else a SQLite file in the state folder. `connection_config`
is the only place that says so. Needs the package ml_metadata (0.2 s to import), which the Airflow environment lacks: `connect`
gives None there.
"""

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from components.core import fileio, paths, sqlite_files
from components.registry import postgresql
from pipelines.runner import mlmd_sqlite
from pipelines.runner.mlmd_sqlite import database as database


class DatabaseDamaged(Exception):
    """The database cannot be read; the message names it and the command that sets it aside."""


def server() -> postgresql.Database | None:
    """The PostgreSQL database, None where the SQLite file serves."""
    return postgresql.configured(postgresql.METADATA)


def shown() -> str:
    """The database's address for people."""
    return str(server() or database())


def connection_config(path: Path | None = None, create: bool = False):
    """How ml_metadata and TFX connect; with the password, so it stays in memory.

    path: the SQLite file, where it is not the one in the state folder. create: makes that file.
    """
    from ml_metadata.proto import metadata_store_pb2 as pb

    config, postgres = pb.ConnectionConfig(), None if path else server()
    if postgres:
        fields = {
            "host": postgres.host,
            "port": str(postgres.port),
            "user": postgres.user,
            "password": postgres.password,
        }
        config.postgresql.MergeFrom(pb.PostgreSQLDatabaseConfig(**fields, dbname=postgres.name, skip_db_creation=True))
        if postgres.sslmode:
            config.postgresql.ssloption.sslmode = postgres.sslmode
        return config
    modes = pb.SqliteMetadataSourceConfig
    config.sqlite.filename_uri = str(path or database())
    config.sqlite.connection_mode = modes.READWRITE_OPENCREATE if create else modes.READWRITE
    return config


def connect():
    """The metadata store, or None where there is no database or no package to read it with."""
    if find_spec("ml_metadata") is None or (not server() and sqlite_files.empty(database())):
        return None
    from ml_metadata import metadata_store

    return metadata_store.MetadataStore(connection_config())


def ensure() -> int:
    """Makes the database's tables where they are missing; returns the execution id it starts above, 0 where they were there.

    TFX names output folders by the execution's id. After a loss, ids from 1 would overwrite what earlier executions made.

    Raises:
        DatabaseDamaged: it is there and is no database, or the server does not answer.
    """
    postgres = server()
    return _ensure_tables(postgres) if postgres else _ensure_file()


def _ensure_tables(postgres: postgresql.Database) -> int:
    from ml_metadata import metadata_store

    trouble = postgresql.fault(postgres)
    if trouble:
        raise DatabaseDamaged(f"ML Metadata's database must answer. Received: {postgres}: {trouble}")
    with _one_at_a_time():
        if postgresql.query(postgres, "SELECT to_regclass('mlmdenv') IS NOT NULL")[0][0]:
            return 0
        metadata_store.MetadataStore(connection_config())
        return start_above_folders()


def _ensure_file() -> int:
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

    with _one_at_a_time():
        if not sqlite_files.empty(database()):  # another process was first
            return 0
        with tempfile.TemporaryDirectory(
            dir=paths.staging_dir(), prefix="metadata.", ignore_cleanup_errors=True
        ) as aside:
            made, above = Path(aside) / database().name, highest_folder()
            metadata_store.MetadataStore(connection_config(made, create=True))
            mlmd_sqlite.start_above(made, above)
            os.replace(made, database())
        fileio.sync(database().parent)
    return above


def _one_at_a_time() -> contextlib.AbstractContextManager:
    paths.ensure()
    return fileio.locked(paths.home() / ".metadata.lock")


def highest_folder() -> int:
    """The highest execution id that an artifact's folder is named by; 0 where there is none."""
    outputs = (paths.home() / "artifacts").glob("*/*/[!.]*/[0-9]*")  # artifacts/<line>/<node>/<output>/<execution>
    return max((int(path.name) for path in outputs if path.name.isascii() and path.name.isdigit()), default=0)


def last_id() -> int:
    """The highest execution id that the database has given out."""
    postgres = server()
    if not postgres:
        return mlmd_sqlite.last_id()
    [(last, given)] = postgresql.query(postgres, "SELECT last_value, is_called FROM execution_id_seq")
    return last if given else 0


def start_above_folders() -> int:
    """Makes the database give out ids above every artifact folder; returns the id it goes on from."""
    above, postgres = highest_folder(), server()
    if not postgres:
        mlmd_sqlite.start_above(database(), above)
    elif above > last_id():
        postgresql.query(postgres, "SELECT setval('execution_id_seq', %s)", (above,))
    return above


def mend() -> int:
    """Removes rows that point to nothing, which a full disk leaves in a SQLite file; returns how many there were."""
    return 0 if server() else mlmd_sqlite.mend()


def dangling() -> bool:
    """Whether `mend` would find something."""
    return not server() and mlmd_sqlite.dangling()


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
    listed = []
    for execution in sorted(own, key=lambda e: e.id):
        sides = {pb.Event.INPUT: [], pb.Event.OUTPUT: []}
        for event in events:
            if event.execution_id == execution.id and event.type in sides:
                artifact = artifacts[event.artifact_id]
                sides[event.type].append(
                    {
                        "key": event.path.steps[0].key,
                        "id": artifact.id,
                        "type": artifact.type,
                        "uri": artifact.uri,
                        "state": pb.Artifact.State.Name(artifact.state),
                        "made_by": makers.get(artifact.id),
                        "properties": _values(artifact.properties) | _values(artifact.custom_properties),
                    }
                )
        nodes = [c.name for c in store.get_contexts_by_execution(execution.id) if c.type == "node"]
        listed.append(
            {
                "node": nodes[0].removeprefix(f"{line}.") if nodes else execution.type,
                "id": execution.id,
                "state": pb.Execution.State.Name(execution.last_known_state),
                "parameters": _values(execution.properties) | _values(execution.custom_properties),
                "inputs": sides[pb.Event.INPUT],
                "outputs": sides[pb.Event.OUTPUT],
            }
        )
    return listed


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
