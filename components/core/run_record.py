"""The record of a run and its events, as every node reads and writes them. Standard library only.

runs/<run-id>/run.json       fixed when the run opens: configuration, files with hashes, champion, code hash
runs/<run-id>/events.jsonl   one line each time a node starts or ends
runs/<run-id>/tuning.json    the Tuner's trials, where the run asked for some
"""

import hashlib
import os
import re
from pathlib import Path

from components.core import clock, fileio, paths
from components.core.records import RunRecord

TRIALS = "tuning.json"
RETRAIN = "news_retrain"  # the DAG of the first line; a further line's has its name behind it


class RunError(Exception):
    """A run's record is missing or does not fit what was asked."""


def run_id_from(name: str) -> str:
    """The folder name of a run id from outside (Airflow's hold `:` and `+`); different ids give different names."""
    plain = "".join(c if (c.isalnum() and c.isascii()) or c in "._-" else "_" for c in name)[:150].lstrip("._-")
    plain = plain or "run"  # a name without a letter or digit
    return plain if plain == name else f"{plain}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def run_of(dag_id: str, airflow_id: str) -> str:
    """The folder name of a DAG's run. Airflow's ids are unique only within a DAG, so the DAG is part of the name."""
    return run_id_from(airflow_id if dag_id == RETRAIN else f"{airflow_id}.{dag_id}")


def airflow_id(run_id: str, trigger: str) -> str:
    """Airflow's own id of a run: restores the `:` and `+` that the folder name lacks; the name's hash verifies the result.

    Empty for a run that Airflow did not start, and for an id in which other characters were replaced.
    """
    if trigger in ("cli", ""):
        return ""
    match = re.fullmatch(r"(.*T\d\d)_(\d\d)_(\d\d(?:\.\d+)?)([_-])(\d\d)_(\d\d)(.*)\.[0-9a-f]{8}", run_id)
    if match:
        day, minute, second, sign, hours, minutes, rest = match.groups()
        name = f"{day}:{minute}:{second}{sign.replace('_', '+')}{hours}:{minutes}{rest}"
        return name.partition(f".{RETRAIN}_")[0] if run_id_from(name) == run_id else ""
    return "" if re.search(r"\.[0-9a-f]{8}$", run_id) else run_id


def load(run_id: str) -> RunRecord:
    """The record of an open or ended run.

    Raises:
        RunError: no such run. DamagedFile: the record holds something else.
    """
    record = RunRecord.read(paths.run_dir(run_id) / "run.json")
    if record is None:
        raise RunError(f"a run must be opened by its first node. Received: run id {run_id!r}, which has no record")
    return record


def add_event(run_id: str, node: str, state: str, seconds: float = 0, headline: str = "", **more) -> None:
    """Appends one event to the run's record and, where `NEWSDESK_EVENTS` names a file, to that."""
    event = {"time": clock.now(), "run": run_id, "node": node, "state": state}
    event |= {"seconds": round(seconds, 1), "headline": headline, **more}
    fileio.append_json(paths.run_dir(run_id) / "events.jsonl", event)
    if os.environ.get("NEWSDESK_EVENTS"):
        fileio.append_json(Path(os.environ["NEWSDESK_EVENTS"]), event)


def tuning(run_id: str) -> dict | None:
    """The search of a run: `rows`, `trials` (all of them) and `best` (the chosen one); None where there was none."""
    kept = fileio.read_json(paths.run_dir(run_id) / TRIALS)
    return kept and {**kept, "best": next(trial for trial in kept["trials"] if trial["best"])}


def events(run_id: str) -> list[dict]:
    """All events of a run, oldest first."""
    return fileio.read_json_lines(paths.run_dir(run_id) / "events.jsonl")


def last_event(run_id: str, node: str) -> dict | None:
    """The latest event of a node in a run."""
    return next((event for event in reversed(events(run_id)) if event["node"] == node), None)
