"""`python -m pipelines.run_node --node … --run-id … --config …` runs one node of a run.

stdout's last line is a JSON result (`node`, `run`, `state`, `seconds`, `headline`, `reasons`); the log goes to stderr.
Exit codes: 0 done, 99 skipped, 3 data stop, 4 locked by another run, 2 bad usage, 1 failed. `--node close` ends a run.

Usually the warm node server answers (`pipelines/runner/node_server.py`); with NEWSDESK_COLD=1, or when the server cannot, the
same function runs in this process, with the same result. This module is importable without TFX.
"""

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

from components.core import fileio, locks, paths, progress, run_record
from components.core.records import RunRecord, Verdict
from components.core.states import DataDecision, Decision, NodeState, Release
from components.data.sources import SourceError
from components.registry import manifest, model_registry
from components.registry.lost_champion import is_lost
from pipelines.config import run_config
from pipelines.flow import FLOW, NODES
from pipelines.reports import after_node
from pipelines.runner import (
    line_folder,
    mlflow_mirror,
    mlmd_store,
    node_client,
    node_cost,
    openlineage_events,
    runs,
    telemetry,
)

_DISK_FULL = ("No space left on device", "database or disk is full")  # messages of the system and of SQLite
_MIN_FREE = 1 << 20  # bytes; with less than this on the disk an error is reported as a full disk
HEARTBEAT = 30  # seconds between two renewals of the line's lock


class Terminated(Exception):
    """SIGTERM arrived: an ordinary exception, so that TFX closes the node's execution on the way out."""


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run_node", description="Runs one node of a retraining run.")
    parser.add_argument("--node", required=True, choices=[*NODES, "close"])
    parser.add_argument("--run-id", required=True)
    parser.add_argument("--config", default="{}", help="the run's parameters as JSON; read by the first node only")
    parser.add_argument("--attempt", default="", help="changes when a scheduler starts the same node again")
    parser.add_argument("--owner", type=int, help="process that stands for the whole run")
    return parser.parse_args(argv)


def execute(args: argparse.Namespace) -> int:
    """Runs the node in this process, prints its result and returns the exit code."""
    started, trace, cost = time.monotonic(), "", {}
    run_id = run_record.run_id_from(args.run_id)
    try:
        # What a node prints is log; standard output holds the result alone.
        with contextlib.redirect_stdout(sys.stderr), node_cost.measured() as cost:
            result = _close(run_id) if args.node == "close" else _run(args, run_id)
    except Exception as error:
        state, reasons = _explain(error)
        trace = traceback.format_exc() if state is NodeState.FAILED else ""
        result = {"state": state, "headline": reasons[0], "reasons": reasons}
    result = {
        "node": args.node,
        "run": run_id,
        "reasons": [],
        **result,
        "seconds": round(time.monotonic() - started, 1),
    }
    with contextlib.suppress(OSError):  # an unwritable home was the reason; it has been said
        more = {"reasons": result["reasons"], "attempt": args.attempt, "artifacts": result.get("artifacts", {})}
        more["cost"] = cost
        run_record.add_event(run_id, args.node, result["state"], result["seconds"], result["headline"], **more)
    # The result goes out before the log: standard error may be a file on the disk that is full.
    print(json.dumps(result, ensure_ascii=False), flush=True)
    if trace or result["reasons"]:
        _log(trace, *result["reasons"])
    return NodeState(result["state"]).exit_code


def _log(*texts: str) -> None:
    """Writes to standard error; what cannot be written is lost, and does not end the node."""
    try:
        print(*filter(None, texts), sep="\n", file=sys.stderr, flush=True)
    except OSError:
        with open(os.devnull, "w") as nowhere:  # else Python tries once more at its end, and exits with 120
            os.dup2(nowhere.fileno(), 2)


def _run(args: argparse.Namespace, run_id: str) -> dict:
    node = NODES[args.node]
    if node is FLOW[0]:
        record = runs.open_run(run_id, run_config.Request.from_json(json.loads(args.config)), args.owner)
        line_folder.check(record.line, record.config.labels)
        openlineage_events.opened(record)
    else:
        record = run_record.load(run_id)
        locks.take_line(record.line, run_id, args.owner, node.name, args.attempt)
    runs.check_unchanged(record, node)
    skip = _skip(record, node)
    if skip:
        return {"state": NodeState.SKIPPED, "headline": skip}
    with _heartbeat(record.line, run_id), _terminable(), _alone(run_id, node.name):
        before = run_record.last_event(run_id, node.name)
        ended_well = before is not None and before["state"] in (NodeState.DONE, NodeState.CACHED)
        again = ended_well and before.get("attempt", "") != args.attempt
        run_record.add_event(run_id, node.name, NodeState.RUNNING)
        _prepare_metadata(node is FLOW[0] or before is not None)
        from pipelines.runner import tfx_launcher  # TFX: already imported in the warm server

        with progress.to(progress.file(run_id, node.name)):
            launched = tfx_launcher.launch(record, node.name, args.attempt, again)
    if "tuner_results" in launched.uris:
        runs.keep_trials(run_id, Path(launched.uris["tuner_results"]))
    headline = launched.properties.get("headline") or node.does
    if launched.properties.get("decision") == DataDecision.STOP:
        after_node.draw(node.name, run_id, launched.uris)
        reasons = fileio.read_json(Path(launched.uris["verdict"]) / "verdict.json")["reasons"]
        return {"state": NodeState.STOPPED, "headline": headline, "reasons": reasons, "artifacts": launched.uris}
    if node.name == "Canary" and launched.properties.get("blessed") != 1:
        runs.refuse(run_id, [f"the canary refused it: {headline}"])
    if launched.properties.get("refused"):  # by the Pusher or the Registrar: nothing was released
        runs.refuse(run_id, [launched.properties["refused"]])
    after_node.draw(node.name, run_id, launched.uris)
    mlflow_mirror.after(node.name, run_id)
    return {"state": launched.state, "headline": headline, "artifacts": launched.uris}


def _prepare_metadata(after_a_failure: bool) -> None:
    """Makes ML Metadata's database fit to register an execution in.

    after_a_failure: an attempt may have ended on a full disk, this node's own or, before a run's first node, one of an earlier run.

    Raises:
        mlmd.DatabaseDamaged: it cannot be read.
    """
    above = mlmd_store.ensure()
    if after_a_failure:
        mlmd_store.mend()
    if above:
        _log(
            f"{mlmd_store.shown()} was empty or missing; it continues above the artifact folders found, with id {above + 1}"
        )


def _skip(record: RunRecord, node) -> str:
    """Why a node has nothing to do in this run; empty where it has."""
    if node.name == "Tuner" and not record.config.tuning.get("trials"):
        return "tuning.trials is 0: the settings are used as they are"
    if node.name == "Baseline" and record.config.family == record.config.baseline["family"]:
        return f"the candidate is of the baseline's own family, {record.config.family}"
    past = record.past
    if node.name == "Champion" and not record.champion:
        return "no version knows so few rows" if past else "the line has no champion yet"
    if node.name == "Champion" and is_lost(record.champion):
        return f"version {record.champion['version']} is recorded as lost: {record.champion['event']['reason']}"
    if node.name == "Champion" and _serves_already(record):
        return "the candidate is the model that serves now"
    if node.blessed:
        verdict = Verdict.read(paths.run_dir(record.run) / "verdict.json")
        if not verdict or verdict.decision != Decision.BLESSED:
            return f"{verdict.decision}: {verdict.reasons[0]}" if verdict else "no verdict"
        if past:
            return f"blessed, and not released: version {past['serves']}, which serves, knows the rows up to {past['knows']}"
        if record.config.release == Release.NEVER:
            return "blessed, and not released because release=never"
    return ""


def _serves_already(record: RunRecord) -> bool:
    """Whether the run's candidate is the champion byte for byte, so that comparing them would tell nothing.

    Raises:
        model_registry.RegistryError: it would be, but the champion's folder is damaged.
    """
    made, pointer = run_record.last_event(record.run, "Trainer") or {}, record.champion
    folder = Path(made.get("artifacts", {}).get("model", ""), "Format-Serving")
    if not folder.is_dir() or manifest.content_digest(manifest.folder_hashes(folder)) != pointer["digest"]:
        return False
    model_registry.verify(model_registry.served_folder(record.line, pointer["version"]))
    return True


def _close(run_id: str) -> dict:
    outcome = runs.close_run(run_id)
    if openlineage_events.wanted() and (record := RunRecord.read(paths.run_dir(run_id) / "run.json")):
        openlineage_events.closed(record, outcome)
    telemetry.closed(run_id, outcome)
    return {"state": NodeState.CLOSED, "headline": outcome["state"], "outcome": outcome}


_STATE_OF_ERROR = {
    SourceError: NodeState.STOPPED,
    locks.Locked: NodeState.LOCKED,
    locks.Superseded: NodeState.SUPERSEDED,
    run_config.ConfigError: NodeState.USAGE,
}


def _explain(error: Exception) -> tuple[NodeState, list[str]]:
    """State and reasons for an exception or what caused it."""
    cause: BaseException | None = error
    full = False
    while cause is not None:
        for kind, state in _STATE_OF_ERROR.items():
            if isinstance(cause, kind):
                return state, [str(cause)]
        full = full or any(text in str(cause) for text in _DISK_FULL)
        cause = cause.__cause__ or cause.__context__
    reason, root = f"{type(error).__name__}: {error}", paths.home()
    free = shutil.disk_usage(root).free if root.is_dir() else _MIN_FREE
    if full or free < _MIN_FREE:
        reason = (
            f"the disk is full: {root} has {free / 2**20:,.1f} MB left. "
            f"`newsdesk clean` and `make clean` free some. {reason[:300]}"
        )
    return NodeState.FAILED, [reason]


@contextlib.contextmanager
def _heartbeat(line: str, run_id: str):
    """Keeps the line's lock fresh while a node works."""
    ended = threading.Event()

    def beat():
        while not ended.wait(HEARTBEAT):
            locks.keep_line(line, run_id)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()


@contextlib.contextmanager
def _alone(run_id: str, node: str):
    """Waits until an earlier attempt of the same node has gone: a scheduler that was killed may start it a second time."""
    with open(paths.run_dir(run_id) / f".{node}.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{node}: an earlier attempt of this run still works; waiting for it", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _terminable():
    """Turns SIGTERM into an exception while a node works."""

    def end(number, frame):
        raise Terminated("the node was asked to stop (SIGTERM)")

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main() -> int:
    args = parse()
    paths.restrict_umask()
    if args.node == "close" or os.environ.get("NEWSDESK_COLD"):
        return execute(args)
    return node_client.call(sys.argv[1:], otherwise=lambda: execute(args))


if __name__ == "__main__":
    sys.exit(main())
