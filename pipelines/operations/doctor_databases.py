"""What `newsdesk doctor` checks of the databases of ML Metadata, MLflow and Airflow, and what `--repair` repairs there."""

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
    fault = "" if faults[postgresql.METADATA] else metadata_fault()
    if fault:
        anew = not mlmd_store.server() and not _readable(mlmd_store.database())
        remedy = "makes a new database that continues above the existing ids" if anew else "corrects it"
        yield "ML Metadata", False, f"{fault}; --repair {remedy}"
    fault = mlflow_fault()
    if fault:
        remedy = "--repair sets it aside and makes a new one from the registry"
        yield "MLflow", False, f"{mlflow_db.path()} cannot be read ({fault}); {remedy}"
    yield from _airflow()


def _answers(fault: str) -> str:
    return f"does not answer: {fault}" if fault else "answers"


def _airflow() -> Iterator[Finding]:
    """Airflow reads its own address; only one that is in the environment as plain text can be checked here."""
    if os.environ.get(postgresql.AIRFLOW, "").startswith("postgres"):
        database = postgresql.configured(postgresql.AIRFLOW)
        fault = postgresql.fault(database)
        yield "Airflow's database", not fault, f"{database} {_answers(fault)}"
        return
    path = airflow_settings.airflow_home() / "airflow.db"
    fault = sqlite_files.fault(path)
    if fault:
        message = f"{path} cannot be read ({fault}). It holds the history of Airflow's runs, no model. To start with a new one: "
        yield "Airflow's database", False, f"{message}`make down; mv {path} {path}.damaged; make up`"


def metadata_fault() -> str:
    """What is wrong with ML Metadata's database: damaged, lost, about to reuse ids, or with rows that refer to nothing; empty if nothing."""
    path, highest = mlmd_store.database(), mlmd_store.highest_folder()
    if mlmd_store.server():
        return _server_fault(highest)
    if sqlite_files.empty(path):
        return (
            f"{path} is lost; a new one would reuse the ids of artifacts up to {highest} and overwrite them"
            if highest
            else ""
        )
    fault = sqlite_files.fault(path)
    if fault:
        return f"{path} cannot be read ({fault})"
    try:
        if mlmd_store.last_id() < highest:
            return f"{path} would give the next artifact id {mlmd_store.last_id() + 1}, but artifacts up to {highest} exist and would be overwritten"
        return f"{path} has rows that refer to nothing, left by a full disk" if mlmd_store.dangling() else ""
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
    fault, path = metadata_fault(), mlmd_store.database()
    if not fault:
        return
    working = [
        line for line in model_registry.lines() if (held := locks.holder(line)) and held["lives"] and not held["silent"]
    ]
    if working:
        yield False, f"{fault}; a run works on {', '.join(working)}: run this again when it has ended"
        return
    if mlmd_store.server():
        above = mlmd_store.ensure() or mlmd_store.start_above_folders()
        yield True, f"{mlmd_store.shown()} continues above artifact {above}"
        return
    if not _readable(path):
        if path.exists():
            yield True, f"moved {path} to {sqlite_files.set_aside(path)}"
        yield (
            True,
            f"made a new {path} that continues above artifact {mlmd_store.ensure()}; it has no lineage of earlier runs",
        )
        return
    if mlmd_store.last_id() < mlmd_store.highest_folder():
        yield True, f"{path} continues above artifact {mlmd_store.start_above_folders()}"
    rows = mlmd_store.mend()
    if rows:
        yield True, f"removed {rows} rows of {path} that referred to nothing"


def _readable(path: Path) -> bool:
    try:
        return not sqlite_files.empty(path) and not sqlite_files.fault(path) and mlmd_store.last_id() >= 0
    except sqlite3.DatabaseError:
        return False


def mlflow_fault() -> str:
    """Why MLflow's file cannot be used; empty if it can, if there is none, and if a server holds the database."""
    path = mlflow_db.path()
    if postgresql.configured(postgresql.MLFLOW):
        return ""
    if path.exists() and sqlite_files.empty(path):
        return "it is empty"
    return sqlite_files.fault(path)


def repair_mlflow() -> Iterator[Mended]:
    fault, path = mlflow_fault(), mlflow_db.path()
    if not fault:
        return
    yield (
        True,
        f"moved {path} ({fault}) to {sqlite_files.set_aside(path)}; if MLflow is running, restart it: `make down; make up`",
    )


REPAIRS = (repair_metadata, repair_mlflow)
