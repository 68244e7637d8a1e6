"""Time and peak memory of each data node as rows grow, and of the Ingester beside that of an earlier commit.

    .venv/bin/python tests/benchmarks/data_nodes.py FOLDER [--times 1 10 100] [--before COMMIT] [--nodes Ingester …] [--output tests/benchmarks/DATA.md]

FOLDER holds `train.csv` and `test.csv` in AG News's form. The second size adds generated articles to it, each with names of its own; a larger one adds
copies of those, each with a word of its own.

Each node runs in a process of its own through `run_node`, without the warm server. Time is the node's own, without the imports
of TFX, which the warm server pays once. Processor time is that of the node and of the processes that it starts. Memory is the peak of what all
of them together hold themselves (`RssAnon`), imports included, sampled five times a second: pages of files are not counted, because the system can
drop them. All sizes run in one go; where
other work shares the processors, read processor time and memory.

Two things keep memory flat. Great Expectations sees at most 50,000 train rows, drawn evenly (`components/data_quality/expectations.py`
says what such a sample misses), because on pandas it holds every row several times over. TFDV counts distinct texts by a sketch.
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
from measure import anonymous

REPOSITORY = Path(__file__).resolve().parents[2]
NODES = ("Ingester", "StatisticsGen", "ImportSchemaGen", "ExampleValidator", "DataGate")
EVERY = 0.2  # seconds between two looks at the memory
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
        with contextlib.suppress(psutil.Error, OSError):  # one has just ended
            root = psutil.Process(process.pid)
            for each in (root, *root.children(recursive=True)):
                held += anonymous(each.pid)
        peak = max(peak, held)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(EVERY)
    return peak >> 10


def train_rows(source: Path) -> int:
    with open(source / "train.csv", newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file))


def enlarge(source: Path, folder: Path, times: int) -> int:
    """Copies a source and adds generated articles until it has `times` its train rows; returns its train rows."""
    import components  # noqa: F401
    from components.data import demo_corpus

    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.enc", "*.md", "*.txt"))
    rows = train_rows(source)
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


def table(measured: dict[int, list[tuple[str, float, float, int]]]) -> str:
    """measured: figures of `measure` by number of rows."""
    head = "| node | " + " | ".join(f"{rows:,} rows: s | processor s | MiB" for rows in measured) + " |"
    lines = [head, "|---" + "|---:" * (3 * len(measured)) + "|"]
    for own in zip(*measured.values()):
        cells = [f"{seconds:.1f} | {used:.1f} | {peak:,}" for _, seconds, used, peak in own]
        lines.append(f"| {own[0][0]} | " + " | ".join(cells) + " |")
    sums = [[sum(row[i] for row in own) for i in (1, 2)] for own in measured.values()]
    return "\n".join([*lines, "| together | " + " | ".join(f"{a:.1f} | {b:.1f} | " for a, b in sums) + " |", ""])


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


def page(measured: dict[int, list], before: list[tuple[str, int, tuple]], command: str) -> str:
    _, _, about, how, flat = __doc__.strip().split("\n\n")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    machine = f"Measured on {os.cpu_count()} cores ({platform.machine()}), load averages at the end {load}:"
    parts = ["# Data nodes as rows grow", machine, f"    {command}", table(measured).strip(), about, how, flat]
    if before:
        parts.append(ingesters(before).strip())
    return "\n\n".join(parts) + "\n"


def sources(folder: Path, sizes: list[int], aside: Path) -> Iterator[tuple[int, Path]]:
    """(train rows, folder) of each size, made when it is asked for."""
    source, last = folder.resolve(), 1
    for times in sizes:
        if times == 1:
            yield train_rows(source), source
            continue
        more = aside / f"{times}"
        made, factor = (enlarge, times) if last == 1 else (multiply, times // last)
        yield made(source, more, factor), more
        source, last = more, times


def run(folder: Path, sizes: list[int], before: str, nodes: tuple[str, ...], output: Path | None) -> None:
    """Measures all sizes (rising, as multiples of the folder's rows), prints the page and writes it to `output`."""
    measured, beside = {}, []
    with contextlib.ExitStack() as stack:
        aside = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        code = stack.enter_context(checkout(before)) if before else None
        for at, (rows, source) in enumerate(sources(folder, sizes, aside)):
            measured[rows] = measure(source, aside / f"home-{at}", nodes)
            if code and at < 2:
                then = measure(source, aside / f"before-{at}", NODES[:1], code)[0]
                beside += [("this one", rows, measured[rows][0]), (f"of {before}", rows, then)]
    command = f".venv/bin/python tests/benchmarks/data_nodes.py FOLDER --times {' '.join(map(str, sizes))}"
    command += f" --before {before}" * bool(before) + f" --nodes {' '.join(nodes)}" * (nodes != NODES)
    text = page(measured, beside, command)
    print(text)
    if output:
        output.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and peak memory of the data nodes.")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--times", type=int, nargs="+", default=[1, 10], help="sizes, as multiples of the folder's rows"
    )
    parser.add_argument(
        "--before", default="", metavar="COMMIT", help="its Ingester is measured too, on the first two sizes"
    )
    parser.add_argument("--nodes", nargs="+", choices=NODES, default=NODES, help="the Ingester and others")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    run(args.folder, args.times, args.before, tuple(args.nodes), args.output)


if __name__ == "__main__":
    main()
