"""The Ingester on DuckDB and on a Spark cluster of two workers on this machine, on ten times a folder's rows (generated articles added):
time, and whether both wrote the same files, byte for byte.

    .venv/bin/python tests/benchmarks/spark_engine.py FOLDER [--times 10] [--output tests/benchmarks/SPARK.md]

Needs PySpark and Java: `make spark`. Time and memory are the node's own, as in `data_nodes.py`; Spark's Java processes come on top of both.

On one machine Spark only costs: Java starts, and each query is planned and handed out. It is there for sites whose rows a cluster holds already.
"""

import argparse
import filecmp
import os
import sys
import tempfile
from pathlib import Path

import data_nodes

sys.path.insert(0, str(data_nodes.REPOSITORY / "tests"))
import spark_kit

LINE = "news"


def ingest(source: Path, home: Path, spark: str = "") -> tuple:
    """Figures of `data_nodes.measure`."""
    home.mkdir()
    if spark:
        (home / "newsdesk.toml").write_text(f'[{LINE}.engine]\nspark = "{spark}"\n')
    return data_nodes.measure(source, home, ("Ingester",))[0]


def written(home: Path) -> Path:
    return home / "artifacts" / LINE / "Ingester"


def unequal(one: Path, other: Path) -> list[str]:
    """The files that differ or that one folder lacks."""
    names = [{str(p.relative_to(each)) for p in each.rglob("*") if p.is_file()} for each in (one, other)]
    both = sorted(names[0] & names[1])
    _, different, unreadable = filecmp.cmpfiles(one, other, both, shallow=False)
    return sorted(names[0] ^ names[1]) + different + unreadable


def page(rows: int, measured: list[tuple[str, tuple]], files: int, different: list[str], times: int) -> str:
    _, _, how, why = __doc__.strip().split("\n\n")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    lines = ["| Ingester on | rows | time | the node's processor time | the node's peak MiB |", f"|---|{'---:|' * 4}"]
    for engine, (_, seconds, used, peak) in measured:
        lines.append(f"| {engine} | {rows:,} | {seconds:.1f} s | {used:.1f} s | {peak:,} |")
    parts = [
        "# The Ingester on a Spark cluster",
        f"A master and two workers on {os.cpu_count()} cores, load averages at the end {load}:",
        f"    .venv/bin/python tests/benchmarks/spark_engine.py FOLDER --times {times}",
        "\n".join(lines),
        f"{files} files of each (record files, report, profile, quarantine), different: {', '.join(different) or 'none'}.",
        how.partition("`make spark`. ")[2],
        why,
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="The Ingester on DuckDB and on Spark.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    # One JVM's quick start is not what is measured here.
    spark_kit.QUICK.clear()
    with tempfile.TemporaryDirectory() as aside:
        source, here, there = (Path(aside, name) for name in ("source", "here", "there"))
        rows = data_nodes.enlarge(args.folder, source, args.times)
        measured = [("DuckDB", ingest(source, here))]
        Path(aside, "cluster").mkdir()
        with spark_kit.running(Path(aside, "cluster"), 2) as address:
            measured.append(("Spark, two workers", ingest(source, there, address)))
        files = sum(1 for p in written(here).rglob("*") if p.is_file())
        different = unequal(written(here), written(there))
    text = page(rows, measured, files, different, args.times)
    print(text)
    if args.output:
        args.output.write_text(text, encoding="utf-8")
    sys.exit(bool(different) or not files)


if __name__ == "__main__":
    main()
