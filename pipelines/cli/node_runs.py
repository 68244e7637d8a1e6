"""Runs the nodes of a retraining one after the other, each in its own process, with a progress display on standard error."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from components.core import paths
from components.core.states import ExitCode, NodeState
from pipelines.flow import Node
from pipelines.runner import node_process


def run_nodes(run_id: str, nodes: tuple[Node, ...], request: dict) -> dict | None:
    """Runs nodes in order; returns the result of the one that ended the run, or None."""
    log = paths.ensure() / "runs" / run_id / "run.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    print(f"run {run_id}, log {log}", file=sys.stderr)
    for number, node in enumerate(nodes, 1):
        code, result = run_node(node.name, run_id, request, log, f"[{number:>2}/{len(nodes)}] {node.name}")
        if code not in (ExitCode.DONE, ExitCode.SKIPPED):
            reasons = [f"{node.name} ended with exit code {code}; see {log}"]
            return {"state": NodeState.FAILED, "reasons": reasons, **result}
    return None


def run_node(node: str, run_id: str, request: dict, log: Path | None = None, title: str = "") -> tuple[int, dict]:
    """Runs one node as Airflow does, its log appended to the run's log file; returns exit code and JSON result.

    title: shown before the node's state; empty shows nothing.
    """
    command = node_process.command(node, run_id, request, owner=os.getpid(), python=sys.executable)
    started = time.monotonic()
    with open(log or os.devnull, "a", encoding="utf-8") as file, _shown(title, started) as progress:

        def log_line(line: str) -> None:
            file.write(line + "\n")
            file.flush()
            if line.startswith("epoch "):
                progress[0] = line

        code, result = node_process.run(command, log_line)
    if title:
        seconds = time.monotonic() - started
        _line(
            f"{title:<26}{result.get('state', NodeState.FAILED):<9}{seconds:>6.1f} s  {result.get('headline', '')[:200]}\n"
        )
    return code, result


@contextlib.contextmanager
def _shown(title: str, started: float) -> Iterator[list[str]]:
    """On a terminal, shows the node and the progress line in the list that it gives."""
    progress, ended = [""], threading.Event()

    def show() -> None:
        while not ended.wait(0.5):
            _line(f"{title:<26}{'running':<9}{time.monotonic() - started:>6.1f} s  {progress[0][:90]}")

    thread = threading.Thread(target=show, daemon=True)
    if title and sys.stderr.isatty():
        thread.start()
    try:
        yield progress
    finally:
        ended.set()
        if thread.ident:
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


def _line(text: str) -> None:
    """Replaces the current line on a terminal; elsewhere just writes."""
    sys.stderr.write(("\r\x1b[2K" if sys.stderr.isatty() else "") + text)
    sys.stderr.flush()
