"""The stack beside two busy cores: runs are started, parts are killed, and what dies, locks or stays "running" is counted.

By hand, in the Airflow environment: `.venv-airflow/bin/python tests/benchmarks/stack_load.py MINUTES [KILLS]`. Prints JSON.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "e2e"), str(Path(__file__).parents[2])]
import stack_kit  # noqa: E402

from pipelines.airflow_stack import airflow_settings, stack_state  # noqa: E402

BUSY = "while True: pass"
REQUEST = {"source": "demo", "preset": "bag"}
OPEN = {"running", "queued"}


def main(minutes: float, kills: int) -> dict:
    """The figures of one test; kills: how many parts get SIGKILL, one after the other. The state folder stays if something went wrong."""
    folder = Path(tempfile.mkdtemp(prefix="newsdesk-load-"))
    with stack_kit.running(folder, "") as stack:
        busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 2)]
        try:
            figures = _watch(stack, minutes * 60, kills)
        finally:
            for process in busy:
                process.kill()
                process.wait()
        figures["database is locked"] = _locked()
        figures["restarts"] = {part.name: part.restarts for part in stack_state.parts() if part.restarts}
        figures["states of runs"] = _states(stack, figures["runs"])
        figures["still running"] = [run for run, state in figures["states of runs"].items() if state in OPEN]
    if figures["died unasked"] or figures["still down"] or figures["still running"]:
        figures["kept"] = str(folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return figures


def _watch(stack, seconds: float, kills: int) -> dict:
    began, runs, back, unasked, down = time.monotonic(), [], {}, [], {}
    names = list(stack_state.NAMES[:kills])
    while (now := time.monotonic() - began) < seconds:
        if not runs or now > 150 * len(runs):
            runs.append(f"load-{len(runs)}")
            _patiently(lambda: stack.rest.trigger("news_retrain", runs[-1], REQUEST))
        if names and now > (kills - len(names) + 1) * seconds / (kills + 2) and not down:
            name = names.pop(0)
            pid = stack_state.read()[name]["pid"]
            os.kill(pid, signal.SIGKILL)
            down[name] = (time.monotonic(), pid)
        for part in stack_state.parts():
            if not part.up and part.name not in down:
                down[part.name] = (time.monotonic(), part.pid)
                unasked.append(part.name)
            elif part.up and part.name in down and part.pid != down[part.name][1]:
                back.setdefault(part.name, []).append(round(time.monotonic() - down.pop(part.name)[0], 1))
        time.sleep(0.2)
    return {
        "minutes": seconds / 60,
        "runs": runs,
        "back after seconds": back,
        "died unasked": unasked,
        "still down": [*down],
    }


def _states(stack, runs: list[str]) -> dict[str, str]:
    """The runs' states once all have ended, or after the patience for one run for each of them: they run one after the other."""
    limit, states = time.monotonic() + stack_kit.PATIENCE * len(runs), {}
    while time.monotonic() < limit:
        states = {run: _patiently(lambda run=run: stack.rest.state("news_retrain", run)) for run in runs}
        if not OPEN & set(states.values()):
            break
        time.sleep(2)
    return states


def _patiently(call, tries: int = 60):
    """The api-server may be among the killed."""
    for left in range(tries, 0, -1):
        try:
            return call()
        except stack_kit.RestError:
            if left == 1:
                raise
            time.sleep(1)


def _locked() -> dict[str, int]:
    """How often the words stand in each log."""
    logs = (airflow_settings.airflow_home() / "logs").rglob("*.log")
    counts = {path.name: path.read_text(errors="replace").count("database is locked") for path in logs}
    return {name: count for name, count in counts.items() if count}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # the stack goes down on the way out
    print(json.dumps(main(float(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 0), indent=1))
