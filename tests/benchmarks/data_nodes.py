"""Wall time and peak memory of each data node, on a folder and on ten times its rows (generated articles added).

    .venv/bin/python tests/benchmarks/data_nodes.py FOLDER [--times 10] [--output tests/benchmarks/DATA.md]

Each node runs in a process of its own through the door, without the warm server. Time is the node's own, without the imports
of TFX, which the warm server pays once. Memory is the process's peak resident set, imports included. Both sizes run in one
go; where other work shares the processors, the ratio of processor time is the one to read.
"""

import argparse
import csv
import datetime as dt
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
NODES = ("Ingester", "StatisticsGen", "ImportSchemaGen", "ExampleValidator", "DataGate")
_PEAK = """
import resource, sys, time
import components
from pipelines.runner import tfx_launcher as launch
from pipelines import run_node
args = run_node.parse(sys.argv[1:])
started, used = time.monotonic(), time.process_time()
code = run_node.execute(args)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(round(time.monotonic() - started, 2), round(time.process_time() - used, 2), peak)
sys.exit(code)
"""


def enlarge(source: Path, folder: Path, times: int) -> int:
    """Copies a source and adds generated articles until it has `times` its train rows; returns its train rows."""
    import components  # noqa: F401
    from components.data import demo_corpus

    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.enc", "*.md", "*.txt"))
    with open(source / "train.csv", newline="", encoding="utf-8") as file:
        rows = sum(1 for _ in csv.reader(file))
    rng, names = (
        random.Random(1),
        [f"n{i:05d}".translate(str.maketrans("0123456789", "abcdefghij")) for i in range(40_000)],
    )
    with open(folder / "train-more.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        for at in range(rows * (times - 1)):
            title, description = demo_corpus.article(rng, at % 4, dt.date(2026, 1, 1) + dt.timedelta(at % 365))
            # Names of its own, so that no article is another's duplicate.
            writer.writerow(
                [at % 4 + 1, f"{title} {rng.choice(names)}", " ".join([description, *rng.sample(names, 6)])]
            )
    return rows * times


def measure(source: Path, home: Path) -> list[tuple[str, float, float, int]]:
    """(node, seconds, seconds of processor time, peak MiB) of the data nodes, in order."""
    found = []
    environment = {**os.environ, "NEWSDESK_HOME": str(home), "NEWSDESK_COLD": "1"}
    for node in NODES:
        command = [sys.executable, "-c", _PEAK, "--node", node, "--run-id", "bench", "--config"]
        command += [json.dumps({"source": str(source), "set": {"data.checks": {}}})]
        ended = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
        lines = ended.stdout.strip().splitlines()
        if ended.returncode not in (0, 3) or len(lines) < 2:
            raise SystemExit(f"{node} ended with {ended.returncode}:\n{ended.stderr[-3000:]}")
        seconds, used, peak = lines[-1].split()
        print(node, lines[-2][:300], f"{seconds} s, {used} s of processor, {peak} MiB", sep="\n  ", file=sys.stderr)
        found.append((node, float(seconds), float(used), int(peak)))
    return found


def table(small: list, large: list, rows: tuple[int, int], command: str) -> str:
    head = f"| node | {rows[0]:,} rows | {rows[1]:,} rows | ratio | processor | {rows[1]:,} rows | ratio | peak MiB | growth |"
    lines = [head, "|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    everything = ("together", *(sum(row[i] for row in small) for i in (1, 2)), 0)
    everything10 = ("together", *(sum(row[i] for row in large) for i in (1, 2)), 0)
    for (node, seconds, used, peak), (_, more, more_used, higher) in zip([*small, everything], [*large, everything10]):
        ratios = [f"{b / a:.1f}" if a >= 1 else "–" for a, b in ((seconds, more), (used, more_used))]
        times = f"{seconds:.1f} s | {more:.1f} s | {ratios[0]} | {used:.1f} s | {more_used:.1f} s | {ratios[1]}"
        memory = f"{peak:,} → {higher:,} | {higher / peak - 1:+.0%}" if peak else " | "
        lines.append(f"| {node} | {times} | {memory} |")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    about = f"Measured on {os.cpu_count()} cores ({platform.machine()}), load averages at the end {load}:"
    return "\n".join(["# Data nodes: time and peak memory", "", about, "", f"    {command}", "", *lines, ""])


def run(folder: Path, times: int, output: Path | None) -> None:
    """Measures both sizes, prints the table and writes it to `output`."""
    with tempfile.TemporaryDirectory() as aside:
        more = Path(aside, "more")
        rows = enlarge(folder, more, times)
        small = measure(folder.resolve(), Path(aside, "home"))
        large = measure(more, Path(aside, "home10"))
    command = f".venv/bin/python tests/benchmarks/data_nodes.py FOLDER --times {times}"
    text = table(small, large, (rows // times, rows), command)
    print(text)
    if output:
        output.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and peak memory of the data nodes.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    run(args.folder, args.times, args.output)


if __name__ == "__main__":
    main()
