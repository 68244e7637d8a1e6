"""What `newsdesk doctor` checks of the databases of ML Metadata, MLflow and Airflow, and what `--repair` mends there."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from components.core import locks, sqlite_files
from components.registry import mlflow_db, model_registry
from pipelines.airflow_stack import airflow_settings
from pipelines.operations.doctor_state import Finding, Mended
from pipelines.runner import mlmd_store


def databases() -> Iterator[Finding]:
    trouble = metadata_fault()
    if trouble:
        yield "ML Metadata", False, f"{trouble}; --repair mends it"
    trouble = mlflow_fault()
    if trouble:
        yield (
            "MLflow",
            False,
            f"{mlflow_db.path()} cannot be read ({trouble}); --repair sets it aside and follows anew",
        )
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
    """Why MLflow's database cannot be used; empty where it can, and where there is none."""
    path = mlflow_db.path()
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
