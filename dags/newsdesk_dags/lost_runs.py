"""Runs that hold a line and that Airflow no longer has: deleted, or ended without their `close`.

A run that waits for a free slot shows no life and keeps its line (`components/core/locks.py`). Airflow knows which of the two it is.
"""

from collections.abc import Callable, Iterable

from components.core import locks
from components.core.run_record import RETRAIN, airflow_id, run_of
from components.registry import model_registry

OPEN = ["queued", "running"]


def lost(dags: Iterable[str], count: Callable[..., int]) -> list[str]:
    """The runs that hold a line in silence and are not open in Airflow, by their folder name.

    dags: the DAGs that may have started them. count: `get_dr_count` of a task instance. A run whose Airflow id cannot be told
    from its folder name is left alone: its claim ends by itself (`locks.PATIENCE`).
    """
    runs = []
    for line in model_registry.lines():
        holder = locks.holder(line)
        if holder and holder["silent"]:
            known = named(holder["run"], {*dags, RETRAIN})
            if known and not count(dag_id=known[0], run_ids=[known[1]], states=OPEN):
                runs.append(holder["run"])
    return runs


def named(run: str, dags: Iterable[str]) -> tuple[str, str] | None:
    """(DAG, Airflow's own run id) of a run's folder name; None where that cannot be told."""
    name = airflow_id(run, "airflow")
    for dag in sorted(dags, key=len, reverse=True):  # the first line's name stands in those of all others
        for own in (name.removesuffix(f".{dag}"), name):
            if own and run_of(dag, own) == run:
                return dag, own
    return None
