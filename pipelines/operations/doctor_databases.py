"""What `newsdesk doctor` checks of the databases of ML Metadata, MLflow and Airflow, and what `--repair` mends there."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from components.core import locks, sqlite_files
from components.registry import mlflow_db, model_registry, postgresql
from pipelines.airflow_stack import airflow_settings
from pipelines.operations.doctor_state import Finding, Mended
from pipelines.runner import mlmd_store


def databases() -> Iterator[Finding]:
    used = {name: postgresql.configured(name) for name in (postgresql.METADATA, postgresql.MLFLOW)}
    faults = {name: postgresql.fault(database) if database else "" for name, database in used.items()}
    for what, name in (("ML Metadata's database", postgresql.METADATA), ("MLflow's database", postgresql.MLFLOW)):
        file = mlmd_store.database() if name == postgresql.METADATA else mlflow_db.path()
        if used[name]:
            yield what, not faults[name], f"{used[name]} {_answers(faults[name])}"
        elif file.exists() and not sqlite_files.fault(file):
            yield what, True, f"SQLite, {file}"
    trouble = "" if faults[postgresql.METADATA] else metadata_fault()
    if trouble:
        yield "ML Metadata", False, f"{trouble}; --repair mends it"
    trouble = mlflow_fault()
    if trouble:
        yield (
            "MLflow",
            False,
            f"{mlflow_db.path()} cannot be read ({trouble}); --repair sets it aside and follows anew",
        )
    yield from _airflow()


def _answers(fault: str) -> str:
    return f"does not answer: {fault}" if fault else "answers"


def _airflow() -> Iterator[Finding]:
    """Airflow reads its address by itself; only one that stands in the environment as it is can be asked here."""
    if os.environ.get(postgresql.AIRFLOW, "").startswith("postgres"):
        database = postgresql.configured(postgresql.AIRFLOW)
        fault = postgresql.fault(database)
        yield "Airflow's database", not fault, f"{database} {_answers(fault)}"
        return
    path = airflow_settings.airflow_home() / "airflow.db"
    trouble = sqlite_files.fault(path)
    if trouble:
        says = (
            f"{path} cannot be read ({trouble}). It holds the history of Airflow's runs, no model; to begin a new one: "
        )
        yield "Airflow's database", False, f"{says}`make down; mv {path} {path}.damaged; make up`"


def metadata_fault() -> str:
    """What is wrong with ML Metadata's database: damaged, lost, with ids that would be given out twice, or rows that point to nothing."""
    path, highest = mlmd_store.database(), mlmd_store.highest_folder()
    if mlmd_store.server():
        return _server_fault(highest)
    if sqlite_files.empty(path):
        return (
            f"{path} is lost, and artifacts up to {highest} are there, which new ones would overwrite"
            if highest
            else ""
        )
    trouble = sqlite_files.fault(path)
    if trouble:
        return f"{path} cannot be read ({trouble})"
    try:
        if mlmd_store.last_id() < highest:
            return f"{path} gives out ids from {mlmd_store.last_id() + 1} on, and artifacts up to {highest} are there, which new ones would overwrite"
        return f"{path} has rows that point to nothing, left by a full disk" if mlmd_store.dangling() else ""
    except sqlite3.DatabaseError as error:
        return "" if "locked" in str(error) else f"{path} cannot be read ({error})"


def _server_fault(highest: int) -> str:
    """metadata_fault of a PostgreSQL database that answers."""
    if not postgresql.query(mlmd_store.server(), "SELECT to_regclass('mlmdenv') IS NOT NULL")[0][0]:
        return f"{mlmd_store.shown()} has no tables, and artifacts up to {highest} are there" if highest else ""
    last = mlmd_store.last_id()
    if last >= highest:
        return ""
    return f"{mlmd_store.shown()} gives out ids from {last + 1} on, and artifacts up to {highest} are there, which new ones would overwrite"


def repair_metadata() -> Iterator[Mended]:
    trouble, path = metadata_fault(), mlmd_store.database()
    if not trouble:
        return
    working = [
        line for line in model_registry.lines() if (held := locks.holder(line)) and held["lives"] and not held["silent"]
    ]
    if working:
        yield False, f"{trouble}; a run works on {', '.join(working)}: repeat this when it has ended"
        return
    if mlmd_store.server():
        above = mlmd_store.ensure() or mlmd_store.start_above_folders()
        yield True, f"{mlmd_store.shown()} goes on above artifact {above}"
        return
    if sqlite_files.empty(path) or not _readable(path):
        if path.exists():
            yield True, f"{path} is set aside as {sqlite_files.set_aside(path)}"
        yield (
            True,
            f"{path} is made anew and goes on above artifact {mlmd_store.ensure()}; earlier runs have no lineage in it",
        )
        return
    if mlmd_store.last_id() < mlmd_store.highest_folder():
        yield True, f"{path} goes on above artifact {mlmd_store.start_above_folders()}"
    rows = mlmd_store.mend()
    if rows:
        yield True, f"{rows} rows of {path} that pointed to nothing are removed"


def _readable(path: Path) -> bool:
    try:
        return not sqlite_files.fault(path) and mlmd_store.last_id() >= 0
    except sqlite3.DatabaseError:
        return False


def mlflow_fault() -> str:
    """Why MLflow's file cannot be used; empty where it can, where there is none, and where a server holds the database."""
    path = mlflow_db.path()
    if postgresql.configured(postgresql.MLFLOW):
        return ""
    if path.exists() and sqlite_files.empty(path):
        return "it is empty"
    return sqlite_files.fault(path)


def repair_mlflow() -> Iterator[Mended]:
    trouble, path = mlflow_fault(), mlflow_db.path()
    if not trouble:
        return
    yield (
        True,
        f"{path} ({trouble}) is set aside as {sqlite_files.set_aside(path)}; MLflow, if it runs, sees the new one after `make down; make up`",
    )


REPAIRS = (repair_metadata, repair_mlflow)
