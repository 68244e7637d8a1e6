"""Wall time and peak memory of each data node, on a folder and on ten times its rows (generated articles added), and of the Ingester
on a hundred times its rows, beside the Ingester of an earlier commit.

    .venv/bin/python tests/benchmarks/data_nodes.py FOLDER [--times 10] [--most 100] [--before COMMIT] [--output tests/benchmarks/DATA.md]

Each node runs in a process of its own through the door, without the warm server. Time is the node's own, without the imports
of TFX, which the warm server pays once. Memory is the peak of the process and of those that it starts, imports included, sampled
twice a second; a page that several of them share counts once (PSS). Both sizes run in one go; where other work shares the
processors, the ratio of processor time, that of a node's own processes included, is the one to read.
"""

import argparse
import contextlib
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
from collections.abc import Iterator
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
NODES = ("Ingester", "StatisticsGen", "ImportSchemaGen", "ExampleValidator", "DataGate")
EVERY = 0.5  # seconds between two looks at the memory
_TIMED = """
import os, sys, time
import components
from pipelines.runner import tfx_launcher as launch
from pipelines import run_node
args = run_node.parse(sys.argv[1:])
def used():
    return sum(os.times()[:4])
started, before = time.monotonic(), used()
code = run_node.execute(args)
print(round(time.monotonic() - started, 2), round(used() - before, 2))
sys.exit(code)
"""


def peak_of(process: subprocess.Popen) -> int:
    """MiB that a process and those that it started held at most, until its end."""
    peak = 0
    while process.poll() is None:
        held = 0
        with contextlib.suppress(psutil.Error):  # one has just ended
            root = psutil.Process(process.pid)
            for each in (root, *root.children(recursive=True)):
                held += each.memory_full_info().pss
        peak = max(peak, held)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(EVERY)
    return peak >> 20


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


def multiply(source: Path, folder: Path, times: int) -> int:
    """Adds copies of a source's train rows, each with a word of its own, until it has `times` of them; returns their number."""
    shutil.copytree(source, folder)
    rows = 0
    for path in sorted(source.glob("train*.csv")):
        content = path.read_bytes()
        rows += content.count(b'"\n')
        for copy in range(1, times):
            word = b" copy" + bytes([97 + copy // 26, 97 + copy % 26])
            (folder / f"{path.stem}-{copy}.csv").write_bytes(content.replace(b'"\n', word + b'"\n'))
    return rows * times


@contextlib.contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """The files of a commit, in a folder for the time being."""
    with tempfile.TemporaryDirectory() as aside:
        packed = subprocess.run(["git", "archive", commit], cwd=REPOSITORY, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-x", "-C", aside], input=packed, check=True)
        yield Path(aside)


def measure(
    source: Path, home: Path, nodes: tuple[str, ...] = NODES, code: Path = REPOSITORY
) -> list[tuple[str, float, float, int]]:
    """(node, seconds, seconds of processor time, peak MiB) of the data nodes, in order."""
    found = []
    environment = {**os.environ, "NEWSDESK_HOME": str(home), "NEWSDESK_COLD": "1"}
    for node in nodes:
        command = [sys.executable, "-c", _TIMED, "--node", node, "--run-id", "bench", "--config"]
        command += [json.dumps({"source": str(source), "set": {"data.checks": {}}})]
        with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as log:
            ended = subprocess.Popen(command, cwd=code, env=environment, stdout=said, stderr=log)
            peak = peak_of(ended)
            for file in (said, log):
                file.seek(0)
            lines = said.read().strip().splitlines()
            if ended.returncode not in (0, 3) or len(lines) < 2:
                raise SystemExit(f"{node} ended with {ended.returncode}:\n{log.read()[-3000:]}")
        seconds, used = lines[-1].split()
        print(node, lines[-2][:300], f"{seconds} s, {used} s of processor, {peak} MiB", sep="\n  ", file=sys.stderr)
        found.append((node, float(seconds), float(used), peak))
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


def ingesters(measured: list[tuple[str, int, tuple]]) -> str:
    """The Ingester alone. measured: (which code, rows read, figures of `measure`)."""
    lines = [
        "| Ingester | rows | time | rows a second | processor | rows a processor second | peak MiB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for code, rows, (_, seconds, used, peak) in measured:
        lines.append(
            f"| {code} | {rows:,} | {seconds:.1f} s | {rows / seconds:,.0f} | {used:.1f} s | {rows / used:,.0f} | {peak:,} |"
        )
    return "\n".join([*lines, ""])


def run(folder: Path, times: int, most: int, before: str, nodes: tuple[str, ...], output: Path | None) -> None:
    """Measures all sizes, prints the tables and writes them to `output`."""
    alone = ("Ingester",)
    with tempfile.TemporaryDirectory() as aside:
        more = Path(aside, "more")
        rows = enlarge(folder, more, times)
        small = measure(folder.resolve(), Path(aside, "home"), nodes)
        large = measure(more, Path(aside, "home10"), nodes)
        measured = [("this one", rows // times, small[0]), ("this one", rows, large[0])]
        if before:
            with checkout(before) as code:
                for name, source, count in (("a", folder.resolve(), rows // times), ("b", more, rows)):
                    measured += [(f"of {before}", count, measure(source, Path(aside, name), alone, code)[0])]
        if most > times:
            count = multiply(more, Path(aside, "most"), most // times)
            measured += [("this one", count, measure(Path(aside, "most"), Path(aside, "home100"), alone)[0])]
    command = f".venv/bin/python tests/benchmarks/data_nodes.py FOLDER --times {times} --most {most}"
    command += f" --before {before}" * bool(before) + " --ingester" * (nodes == alone)
    text = "\n".join(
        [table(small, large, (rows // times, rows), command), ingesters(sorted(measured, key=lambda m: m[0]))]
    )
    print(text)
    if output:
        output.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and peak memory of the data nodes.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--most", type=int, default=0, help="for the Ingester alone")
    parser.add_argument("--before", default="", metavar="COMMIT", help="its Ingester is measured too")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--ingester", action="store_true", help="leave the other nodes out")
    args = parser.parse_args()
    run(args.folder, args.times, args.most, args.before, NODES[:1] if args.ingester else NODES, args.output)


if __name__ == "__main__":
    main()
