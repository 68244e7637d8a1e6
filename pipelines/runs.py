"""A run's record: what was asked, what it resolved to, what each node said, and how it ended.

    runs/<run-id>/run.json       fixed when the run opens: configuration, files with hashes, champion, code hash
    runs/<run-id>/events.jsonl   one line each time a node starts or ends
    runs/<run-id>/verdict.json   the model gate's decision
    runs/<run-id>/outcome.json   written when the run closes

Standard library only, but for the resolving of a source.
"""

import hashlib
import os
import re
import sysconfig
from datetime import datetime, timezone
from importlib.metadata import distributions
from pathlib import Path

from pipelines import claims, config, home, registry

RETRAIN = "news_retrain"  # the DAG of the first line; a further line's has its name behind it
CODE = ("components", "data_schemas")


class RunError(Exception):
    """A run's record is missing or does not fit what was asked."""


def run_id_from(name: str) -> str:
    """A folder name for a run id from outside (Airflow's hold `:` and `+`), one for one."""
    plain = "".join(c if (c.isalnum() and c.isascii()) or c in "._-" else "_" for c in name)[:150].lstrip("._-")
    return plain if plain == name else f"{plain}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def run_of(dag_id: str, airflow_id: str) -> str:
    """The folder name of a DAG's run. Airflow's ids are unique within a DAG: two lines on one cron have runs of the same id."""
    return run_id_from(airflow_id if dag_id == RETRAIN else f"{airflow_id}.{dag_id}")


def airflow_id(run_id: str, trigger: str) -> str:
    """Airflow's own id of a run: the folder name has its `:` and `+` replaced, and its hash says whether they were put back right.

    Empty for a run that Airflow did not start, and for one whose id holds something else that was replaced.
    """
    if trigger in ("cli", ""):
        return ""
    found = re.fullmatch(r"(.*T\d\d)_(\d\d)_(\d\d(?:\.\d+)?)([_-])(\d\d)_(\d\d)(.*)\.[0-9a-f]{8}", run_id)
    if found:
        day, minute, second, sign, hours, minutes, rest = found.groups()
        name = f"{day}:{minute}:{second}{sign.replace('_', '+')}{hours}:{minutes}{rest}"
        return name.partition(f".{RETRAIN}_")[0] if run_id_from(name) == run_id else ""
    return "" if re.search(r"\.[0-9a-f]{8}$", run_id) else run_id


def code_hash() -> str:
    """sha256 over the code and data that can change what a run computes, and over the installed library versions."""
    digest = hashlib.sha256()
    for folder in CODE:
        for path in sorted((home.REPOSITORY / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(home.REPOSITORY)}\0".encode() + path.read_bytes())
    digest.update(library_hash().encode())
    return digest.hexdigest()


def library_hash() -> str:
    """sha256 over the names and versions of the packages installed in this environment.

    Its own folder only: setuptools adds one with packages of its own to the path whenever something imports it.
    """
    found = distributions(path=[sysconfig.get_paths()["purelib"]])
    return hashlib.sha256("\n".join(sorted(f"{d.metadata['Name']}=={d.version}" for d in found)).encode()).hexdigest()


def load(run_id: str) -> dict:
    """The record of an open or ended run.

    Raises:
        RunError: no such run.
    """
    record = home.read_json(home.run_dir(run_id) / "run.json")
    if record is None:
        raise RunError(f"a run must be opened by its first node. Received: run id {run_id!r}, which has no record")
    return record


def open_run(run_id: str, request: config.Request, owner: int | None = None) -> dict:
    """Takes the line, resolves the request to files and fixes the record; a run that is open already is continued.

    Raises:
        claims.Locked: another run holds the line.
        config.ConfigError, sources.SourceError: the request cannot be met.
    """
    home.ensure()
    record = home.read_json(home.run_dir(run_id) / "run.json")
    if record:
        claims.take_line(record["config"]["line"], run_id, owner)
        return record
    run = config.resolve(request, config.settings())
    claims.take_line(run.line, run_id, owner)
    try:
        return _record(run_id, run, request)
    except BaseException:
        claims.free_line(run.line, run_id)
        raise


def _record(run_id: str, run: config.RunConfig, request: config.Request) -> dict:
    """Resolves a run's files, champion and code, and writes them down for all its nodes."""
    from pipelines import sources

    created = datetime.now(timezone.utc)
    as_of = config.parse_time(request.as_of, "as_of") if request.as_of else created
    files, ignored = sources.resolve(run.source, run.window, as_of)
    record = {
        "run": run_id,
        "created": created.isoformat(timespec="seconds"),
        "trigger": request.trigger,
        "interval": list(request.interval) if request.interval else None,
        "as_of": as_of.isoformat(timespec="seconds"),
        "config": run.to_json(),
        "files": [f.to_json() for f in files],
        "ignored": ignored,
        "data_hash": hashlib.sha256("\n".join(f"{f.split} {f.sha256}" for f in files).encode()).hexdigest(),
        "champion": registry.champion(run.line),
        "code": code_hash(),
    }
    home.write_json(home.run_dir(run_id) / "run.json", record)
    return record


def refuse(run_id: str, reasons: list[str]) -> None:
    """Turns a blessed candidate into a refused one: a later check found something."""
    path = home.run_dir(run_id) / "verdict.json"
    home.write_json(path, {**home.read_json(path), "decision": "refused", "reasons": reasons})


def close_run(run_id: str) -> dict:
    """Writes how the run ended and gives the line back; doing it twice changes nothing.

    Returns `state` ("released", "refused", "unchanged", "held", "stopped", "failed"), `reasons`, `pushed`, `version`.
    """
    folder = home.run_dir(run_id)
    record = home.read_json(folder / "run.json")
    if record is None:
        return {"run": run_id, "state": "failed", "pushed": False, "version": None, "reasons": ["the run never opened"]}
    outcome = outcome_of(run_id)
    home.write_json(folder / "outcome.json", outcome)
    claims.free_line(record["config"]["line"], run_id)
    return outcome


def outcome_of(run_id: str) -> dict:
    """How a run stands, from its events and the gate's verdict."""
    folder = home.run_dir(run_id)
    last = {}
    for event in home.read_json_lines(folder / "events.jsonl"):
        last[event["node"]] = event
    verdict = home.read_json(folder / "verdict.json")
    release = home.read_json(folder / "release.json")
    for state in ("stopped", "locked", "failed", "running"):
        found = [event for event in last.values() if event["state"] == state]
        if found:
            ended = "failed" if state == "running" else state
            return {
                "run": run_id, "state": ended, "node": found[0]["node"], "pushed": False, "version": None,
                "reasons": found[0].get("reasons") or [found[0]["headline"]],
            }  # fmt: skip
    if release:
        return {"run": run_id, "pushed": True, **release, "reasons": verdict["reasons"], "metrics": verdict["metrics"]}
    if verdict:
        return {
            "run": run_id, "state": verdict["decision"], "pushed": False, "version": None,
            "reasons": verdict["reasons"], "metrics": verdict["metrics"],
        }  # fmt: skip
    return {
        "run": run_id,
        "state": "failed",
        "pushed": False,
        "version": None,
        "reasons": ["the run did not reach a verdict"],
    }


def add_event(run_id: str, node: str, state: str, seconds: float = 0, headline: str = "", **more) -> None:
    """Appends one event to the run's record and, where `NEWSDESK_EVENTS` names a file, to that."""
    event = {"time": home.now(), "run": run_id, "node": node, "state": state}
    event |= {"seconds": round(seconds, 1), "headline": headline, **more}
    home.append_json(home.run_dir(run_id) / "events.jsonl", event)
    if os.environ.get("NEWSDESK_EVENTS"):
        home.append_json(Path(os.environ["NEWSDESK_EVENTS"]), event)


def last_event(run_id: str, node: str) -> dict | None:
    """The latest event of a node in a run."""
    events = home.read_json_lines(home.run_dir(run_id) / "events.jsonl")
    return next((event for event in reversed(events) if event["node"] == node), None)
