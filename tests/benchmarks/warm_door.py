"""What orchestration costs: whole `news_retrain` runs under a running stack, with the warm node server and without it.

    .venv-airflow/bin/python tests/benchmarks/warm_door.py [RUNS]

Starts a stack of its own in a temporary state folder, once as usual and once with NEWSDESK_COLD=1, triggers forced runs of the
preset `bag` on the demo source over REST, and prints a Markdown table. Switching the schedule on starts one run of its own,
which goes first and starts the server; it makes the champion that the measured ones are refused against. Work is what the nodes themselves took in the warm runs;
a node that imports for itself counts its import as its own time, so cold runs are set against the same work.
"""

import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

from components.core import fileio, paths, run_record
from pipelines.airflow_stack import stack, stack_health, stack_summary
from pipelines.airflow_stack.rest_client import Rest
from pipelines.flow import FLOW

CONF = {"source": "demo", "preset": "bag", "force": True, "set": {"gates.floor": 0.5}}
PORTS = {"NEWSDESK_AIRFLOW_PORT": "18091", "NEWSDESK_MLFLOW_PORT": "15091"}


def one_run(rest: Rest, seed: int) -> dict:
    """Triggers one run and waits for its end: `wall` seconds as Airflow saw it, `work` seconds as the nodes said."""
    run_id = f"bench-{uuid.uuid4().hex[:8]}"
    rest.trigger(stack_summary.DAG_ID, run_id, {**CONF, "seed": seed})
    while rest.state(stack_summary.DAG_ID, run_id) not in ("success", "failed"):
        time.sleep(0.5)
    told = rest._call("GET", f"/api/v2/dags/{stack_summary.DAG_ID}/dagRuns/{run_id}")
    folder = paths.run_dir(run_record.run_id_from(run_id))
    ended = [
        e
        for e in fileio.read_json_lines(folder / "events.jsonl")
        if e["state"] in ("done", "cached", "skipped", "closed")
    ]
    outcome = fileio.read_json(folder / "outcome.json")
    return {
        "state": told["state"],
        "outcome": outcome["state"],
        "wall": told["duration"],
        "work": sum(e["seconds"] for e in ended),
    }


def measure(cold: bool, count: int) -> list[dict]:
    """The runs of one mode, in a state folder and a stack of their own."""
    with tempfile.TemporaryDirectory(prefix="newsdesk-bench-") as folder:
        os.environ.update(PORTS, NEWSDESK_HOME=folder)
        os.environ.pop("NEWSDESK_COLD", None)
        if cold:
            os.environ["NEWSDESK_COLD"] = "1"
        stack.up()
        try:
            stack.schedule(on=True)
            return [one_run(Rest(stack_health.address()), seed) for seed in range(1, count + 1)]
        finally:
            starts = Path(folder, "node_server.log")
            print(
                "TFX imports by the server:",
                starts.read_text().count(" starts") if starts.exists() else 0,
                file=sys.stderr,
            )
            stack.down()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    results = {"warm": measure(False, count), "cold": measure(True, 1)}  # minutes a run
    print(json.dumps(results, indent=1), file=sys.stderr)
    work = statistics.median(run["work"] for run in results["warm"])
    tasks = len(FLOW) + 1
    print(f"| run | wall, s | node work, s | wall - work, a task ({tasks} tasks), s |\n|---|---|---|---|")
    for name, group in (("warm", results["warm"]), ("cold, a process a node", results["cold"])):
        wall = statistics.median(run["wall"] for run in group)
        print(f"| {name} (median of {len(group)}) | {wall:.1f} | {work:.1f} | {(wall - work) / tasks:.2f} |")


if __name__ == "__main__":
    main()
