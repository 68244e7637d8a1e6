"""A run's record: what was requested, what it resolved to, the state of each node, and how it ended.

runs/<run-id>/run.json       fixed when the run opens: configuration, files with hashes, champion, encoders, code
runs/<run-id>/events.jsonl   one line each time a node starts or ends
runs/<run-id>/tuning.json    the Tuner's trials, where the run asked for some
runs/<run-id>/verdict.json   the model gate's decision
runs/<run-id>/outcome.json   written when the run closes
"""

from pathlib import Path

from components.core import fileio, locks, paths, run_record
from components.core.records import RunRecord, Verdict
from components.core.states import Decision, NodeState, RunState
from components.networks import encoder_content
from pipelines.config import run_config
from pipelines.flow import Node
from pipelines.runner import node_code, run_inputs


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
        Locked: another run holds the line.
        ConfigError, SourceError: the request cannot be met.
    """
    paths.ensure()
    path = paths.run_dir(run_id) / "run.json"
    record = RunRecord.read(path)
    if record:
        locks.take_line(record.line, run_id, owner)
        return record
    lines = run_config.settings()
    run = run_config.resolve(request, lines)
    with locks.opening(run.line, run_id, owner):
        record = RunRecord.from_json({"run": run_id, **run_inputs.gather(run, request, lines)}, path)
        fileio.write_json(path, record)
    return record


def keep_trials(run_id: str, results: Path) -> None:
    """Copies a Tuner's trials into the run's folder: its artifact may be an earlier run's, and goes with that."""
    fileio.write_json(paths.run_dir(run_id) / run_record.TRIALS, fileio.read_json(results / "trials.json"))


def refuse(run_id: str, reasons: list[str]) -> None:
    """Turns a blessed candidate into a refused one: a later check found something."""
    path = paths.run_dir(run_id) / "verdict.json"
    fileio.write_json(path, {**fileio.read_json(path), "decision": Decision.REFUSED, "reasons": reasons})


def close_run(run_id: str) -> dict:
    """Writes how the run ended and gives the line back; doing it twice changes nothing.

    Returns `state` (a `RunState`), `reasons`, `pushed`, `version`, and, if a node ended the run, its name as `node`.
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
    """State of a run, from its events and the gate's verdict."""
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
