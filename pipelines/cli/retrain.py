"""`newsdesk retrain`: the flow's nodes one after the other through the same door that Airflow uses, with a progress display."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from components.core import fileio, locks, paths, run_record
from components.core.states import DataDecision, ExitCode, NodeState, Release, RunState
from pipelines.config import run_config
from pipelines.flow import FLOW, Node
from pipelines.runner import node_process
from pipelines.runner.progress_display import ProgressDisplay

DATA_NODES = tuple(node for node in FLOW if node.group == "data")


def new_run_id(kind: str) -> str:
    return f"{kind}.{datetime.now(timezone.utc):%Y%m%dT%H%M%S}.{uuid.uuid4().hex[:6]}"


def check_request(request: dict) -> None:
    """What can be known without TensorFlow, so that it is said within a second and before a run opens.

    Raises:
        ConfigError: a request that no run could meet, or a folder that is not there. Locked: another run holds the line.
    """
    run = run_config.resolve(run_config.Request.from_json(request), run_config.settings())
    run_config.check_folder(run.source)
    holder = locks.holder(run.line)
    if holder and holder["lives"]:
        raise locks.Locked(run.line, holder)


def run(request: dict, as_json: bool) -> int:
    """One run; prints a line a node and the verdict. Returns the command's exit code; raises as `check_request`."""
    check_request(request)
    run_id, ended, interrupted = new_run_id("cli"), None, False
    with _interruptible():
        try:
            ended = _nodes(run_id, FLOW, request)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            outcome = _door("close", run_id, {})[1].get("outcome", {})
    if ended:
        outcome = {**outcome, "state": ended["state"], "reasons": ended["reasons"]}
    if as_json:
        print(json.dumps(outcome, indent=1, ensure_ascii=False))
    else:
        print(summary(run_id, outcome))
    if interrupted:
        return ExitCode.INTERRUPTED
    return RunState(outcome.get("state", RunState.FAILED)).exit_code


def check(request: dict, as_json: bool) -> int:
    """The data verdict of a source, without training. Its run leaves no model and no pointer behind."""
    check_request(request)
    run_id = new_run_id("check")
    with _interruptible():
        try:
            ended = _nodes(run_id, DATA_NODES, {**request, "release": Release.NEVER, "trigger": "cli"})
            verdict = _verdict(run_id)
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED
        finally:
            _door("close", run_id, {})
    if as_json:
        stop = {"decision": DataDecision.STOP, "reasons": ended["reasons"] if ended else ["no verdict"]}
        print(json.dumps(verdict or stop, indent=1, ensure_ascii=False))
    elif verdict:
        print(f"\nData verdict: {verdict['decision']}")
        failing = [f for f in verdict["findings"] if f["outcome"] != DataDecision.PASS]
        for finding in sorted(failing, key=lambda f: f["outcome"] != DataDecision.STOP):
            shown = f"(value {finding['value']}, limit {finding['limit']})"
            print(f"  {finding['outcome']}  {finding['check']}: {finding['message']} {shown}")
            for example in finding["examples"][:5]:
                print(f"          {example}")
        print(f"  {len(verdict['findings']) - len(failing)} checks pass; the page shows all")
        if verdict["rows"]["quarantined"]:
            print(
                f"  {verdict['rows']['quarantined']:,} rows quarantined, with line, column and reason: {verdict['quarantine']}"
            )
        print(f"  page {verdict['page']}")
    else:
        print("\nData verdict: stop\n  " + "\n  ".join(ended["reasons"] if ended else ["no verdict"]))
    return NodeState(ended["state"]).exit_code if ended else ExitCode.DONE


def summary(run_id: str, outcome: dict) -> str:
    """The end of a run, for people."""
    lines = ["", f"{outcome.get('state', RunState.FAILED).upper()}: " + "; ".join(outcome.get("reasons", [])[:6])]
    if outcome.get("pushed"):
        lines.append(f"  version {outcome['version']} in {outcome['folder']}")
    if outcome.get("state") == RunState.HELD:
        lines.append(f"  it waits for a person: newsdesk promote {outcome['version']} --reason '…'")
    return "\n".join([*lines, f"  run     {paths.run_dir(run_id)}", "  see     newsdesk models; newsdesk doctor"])


def _nodes(run_id: str, nodes: tuple[Node, ...], request: dict) -> dict | None:
    """Runs nodes in order; returns the result of the one that ended the run, or None."""
    log = paths.ensure() / "runs" / run_id / "run.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    print(f"run {run_id}, log {log}", file=sys.stderr)
    with ProgressDisplay(sys.stderr) as display:
        for number, node in enumerate(nodes, 1):
            title, started = f"[{number:>2}/{len(nodes)}] {node.name}", time.monotonic()
            display.running(f"{title:<26}{NodeState.RUNNING}", run_id, node.name)
            with _looking(display):
                code, result = _door(node.name, run_id, request, log)
            state, seconds = result.get("state", NodeState.FAILED), time.monotonic() - started
            display.ended(f"{title:<26}{state:<9}{seconds:>6.1f} s  {result.get('headline', '')[:200]}")
            if code not in (ExitCode.DONE, ExitCode.SKIPPED):
                reasons = [f"{node.name} ended with exit code {code}; see {log}"]
                return {"state": NodeState.FAILED, "reasons": reasons, **result}
    return None


def _door(node: str, run_id: str, request: dict, log: Path | None = None) -> tuple[int, dict]:
    """One call of the door, the node's log to the run's log file; returns exit code and JSON result."""
    command = node_process.command(node, run_id, request, owner=os.getpid(), python=sys.executable)
    with open(log or os.devnull, "a", encoding="utf-8") as file:

        def say(line: str) -> None:
            file.write(line + "\n")
            file.flush()

        return node_process.run(command, say)


@contextlib.contextmanager
def _looking(display: ProgressDisplay) -> Iterator[None]:
    """Keeps the display current while a node works."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.5):
            display.look()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end a run as Ctrl-C does, also where a shell started it with SIGINT ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _verdict(run_id: str) -> dict | None:
    """The data gate's verdict with `page` and `quarantine`, the files to look into; None where the run ended before."""
    told = {node: (run_record.last_event(run_id, node) or {}).get("artifacts", {}) for node in ("Ingester", "DataGate")}
    if "verdict" not in told["DataGate"]:
        return None
    folder = Path(told["DataGate"]["verdict"])
    quarantine = Path(told["Ingester"]["quarantine"], "rows.csv")
    found = fileio.read_json(folder / "verdict.json")
    return {**found, "page": str(folder / "verdict.html"), "quarantine": str(quarantine)}
