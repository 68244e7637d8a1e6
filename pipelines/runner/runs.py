"""A run's record: what was asked, what it resolved to, what each node said, and how it ended.

    runs/<run-id>/run.json       fixed when the run opens: configuration, files with hashes, champion, encoders, code
    runs/<run-id>/events.jsonl   one line each time a node starts or ends
    runs/<run-id>/verdict.json   the model gate's decision
    runs/<run-id>/outcome.json   written when the run closes

Standard library only, but for the resolving of a source.
"""

import dataclasses
import hashlib
from datetime import datetime, timezone

from components.core import clock, fileio, locks, paths, run_record
from components.core.records import RunRecord, Verdict
from components.core.states import Decision, NodeState, Release, RunState
from components.networks import encoder_content
from components.registry import model_registry, past_champion
from pipelines.config import run_config
from pipelines.config.settings import zone
from pipelines.flow import Node
from pipelines.runner import code_version, node_code


class Changed(run_record.RunError):
    """What a node computes with is no longer what its run was opened with."""


def check_unchanged(record: RunRecord, node: Node) -> None:
    """Holds the code and, for the nodes that read them, the encoders against the run's record.

    Called before a node starts and before its result counts: a result of other code under this run's cache keys would be
    taken for the right one by every later run.

    Raises:
        Changed: they differ; the message names what.
    """
    if not record.code_files:
        raise Changed(f"the run was opened by another version of Newsdesk. Received: {record.run}. Start a new run")
    changed = node_code.changed(record.code_files)
    if node.group == "model":
        changed += encoder_content.changed(record.encoders)
    if changed:
        shown = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise Changed(f"changed since run {record.run} was opened: {shown}. Put it back, or start a new run")


def open_run(run_id: str, request: run_config.Request, owner: int | None = None) -> RunRecord:
    """Takes the line, resolves the request to files and fixes the record; a run that is open already is continued.

    Raises:
        claims.Locked: another run holds the line.
        config.ConfigError, sources.SourceError: the request cannot be met.
    """
    paths.ensure()
    record = RunRecord.read(paths.run_dir(run_id) / "run.json")
    if record:
        locks.take_line(record.line, run_id, owner)
        return record
    run = run_config.resolve(request, run_config.settings())
    locks.take_line(run.line, run_id, owner)
    try:
        return _record(run_id, run, request)
    except BaseException:
        locks.free_line(run.line, run_id)
        raise


def _record(run_id: str, run: run_config.RunConfig, request: run_config.Request) -> RunRecord:
    """Resolves a run's files, champion and code, and writes them down for all its nodes."""
    from components.data import sources

    created = datetime.now(timezone.utc)
    as_of = clock.parse_time(request.as_of, "as_of") if request.as_of else created
    schedule = run_config.section(run_config.settings(), run.line, "schedule")
    last = sources.last_moment(as_of, request.interval is not None, zone(schedule.timezone))
    files, ignored = sources.resolve(run.source, run.window, last, new_day=request.interval is not None)
    champion, past = model_registry.champion(run.line), None
    if request.trigger == "backfill":
        champion, past = past_champion.judge(run.line, as_of)
        run = dataclasses.replace(run, release=Release.NEVER.value) if past else run
    resolved = run.to_json()
    try:
        encoders = encoder_content.resolve(resolved["network"], resolved["baseline"]["network"])
    except encoder_content.EncoderError as error:
        raise run_config.ConfigError(str(error)) from None
    record = {
        "run": run_id,
        "created": created.isoformat(timespec="seconds"),
        "trigger": request.trigger,
        "interval": list(request.interval) if request.interval else None,
        "as_of": as_of.isoformat(timespec="seconds"),
        "last_day": last.date().isoformat(),
        "config": resolved,
        "files": [f.to_json() for f in files],
        "ignored": ignored,
        "data_hash": hashlib.sha256("\n".join(f"{f.split} {f.sha256}" for f in files).encode()).hexdigest(),
        "champion": champion,
        "past": past,
        "encoders": encoders,
        **node_code.snapshot(),
        "source_code": code_version.snapshot(),
    }
    path = paths.run_dir(run_id) / "run.json"
    fileio.write_json(path, record)
    return RunRecord.from_json(record, path)


def refuse(run_id: str, reasons: list[str]) -> None:
    """Turns a blessed candidate into a refused one: a later check found something."""
    path = paths.run_dir(run_id) / "verdict.json"
    fileio.write_json(path, {**fileio.read_json(path), "decision": Decision.REFUSED, "reasons": reasons})


def close_run(run_id: str) -> dict:
    """Writes how the run ended and gives the line back; doing it twice changes nothing.

    Returns `state` (a `RunState`), `reasons`, `pushed`, `version`, and where there is one the `node` that ended the run.
    """
    folder = paths.run_dir(run_id)
    record = RunRecord.read(folder / "run.json")
    if record is None:
        return _without_version(run_id, RunState.FAILED, ["the run never opened"])
    outcome = outcome_of(run_id)
    fileio.write_json(folder / "outcome.json", outcome)
    locks.free_line(record.line, run_id)
    return outcome


def outcome_of(run_id: str) -> dict:
    """How a run stands, from its events and the gate's verdict."""
    folder = paths.run_dir(run_id)
    last = {}
    for event in fileio.read_json_lines(folder / "events.jsonl"):
        last[event["node"]] = event
    verdict = Verdict.read(folder / "verdict.json")
    release = fileio.read_json(folder / "release.json")
    for node_state, run_state in _ENDED_BY_NODE.items():
        event = next((event for event in last.values() if event["state"] == node_state), None)
        if event:
            reasons = event.get("reasons") or [event["headline"]]
            return {**_without_version(run_id, run_state, reasons), "node": event["node"]}
    if release:
        return {"run": run_id, "pushed": True, "reasons": verdict.reasons, "metrics": verdict.metrics, **release}
    if verdict:
        outcome = _without_version(run_id, RunState(verdict.decision), verdict.reasons)
        return {**outcome, "metrics": verdict.metrics}
    return _without_version(run_id, RunState.FAILED, ["the run did not reach a verdict"])


# The first of these that a node's last event has is how the run ended; a node that still runs at the end was killed.
_ENDED_BY_NODE = {
    NodeState.STOPPED: RunState.STOPPED,
    NodeState.LOCKED: RunState.LOCKED,
    NodeState.FAILED: RunState.FAILED,
    NodeState.RUNNING: RunState.FAILED,
}


def _without_version(run_id: str, state: RunState, reasons: list[str]) -> dict:
    return {"run": run_id, "state": state, "pushed": False, "version": None, "reasons": reasons}
