"""Runs the nodes of a retraining one after the other, each in its own process, with a progress display on standard error."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from components.core import paths, progress
from components.core.records import RunRecord
from components.core.states import ExitCode, NodeState
from pipelines.flow import Node
from pipelines.runner import node_process
from pipelines.runner.progress_display import ProgressDisplay

_NOT_READ = 20  # entries of a source that are listed


def run_nodes(run_id: str, nodes: tuple[Node, ...], request: dict) -> dict | None:
    """Runs nodes in order; returns the result of the one that ended the run, or None."""
    log = paths.ensure() / "runs" / run_id / "run.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    print(f"run {run_id}, log {log}", file=sys.stderr)
    with ProgressDisplay(sys.stderr) as display:
        for number, node in enumerate(nodes, 1):
            title, started = f"[{number:>2}/{len(nodes)}] {node.name}", time.monotonic()
            display.running(f"{title:<24}", run_id, node.name)
            with _looking(display):
                code, result = run_node(node.name, run_id, request, log)
            state, seconds = result.get("state", NodeState.FAILED), time.monotonic() - started
            display.ended(f"{title:<26}{state:<9}{seconds:>6.1f} s  {result.get('headline', '')[:200]}")
            if code not in (ExitCode.DONE, ExitCode.SKIPPED):
                reasons = [f"{node.name} ended with exit code {code}; see {log}"]
                return {"state": NodeState.FAILED, "reasons": reasons, **result}
    return None


def run_node(node: str, run_id: str, request: dict, log: Path | None = None) -> tuple[int, dict]:
    """Runs one node as Airflow does, its log appended to the run's log file; returns exit code and JSON result."""
    command = node_process.command(node, run_id, request, owner=os.getpid(), python=sys.executable)
    with open(log or os.devnull, "a", encoding="utf-8") as file:

        def log_line(line: str) -> None:
            file.write(line + "\n")
            file.flush()

        return node_process.run(command, log_line, progress_file=progress.file(run_id, node))


def not_read(run_id: str) -> list[str]:
    """What the run's source holds and the run did not read, a line each; the first few where there is much."""
    record = RunRecord.read(paths.run_dir(run_id) / "run.json")
    ignored = record.ignored if record else []
    more = [f"not read: {len(ignored) - _NOT_READ} more"] if len(ignored) > _NOT_READ else []
    return [f"not read: {what}" for what in ignored[:_NOT_READ]] + more


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
def interruptible() -> Iterator[None]:
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
