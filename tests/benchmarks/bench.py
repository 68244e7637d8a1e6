"""`make bench`: the governed retraining beside what one would do otherwise, as ratios within one run.

    make bench [SOURCE=FOLDER] [REPEATS=3] [ONLY="fresh again"] [PRESET=preset] [SET="training.epochs=1"]

Without SOURCE on the embedded demo source, with it on a folder of `train*.csv` and `test*.csv` in AG News's form. The
subjects run in turn, A B C … A B C …, each as a user meets it, in a process and a state folder of its own. ONLY names
subjects (see `subjects.py`) and brings what they need; `ONLY=data` runs `data_nodes.py`, ten times the rows, and writes DATA.md.

The whole table of a folder goes to `tests/benchmarks/` (RESULTS.md, results.json), anything else to `NEWSDESK_HOME/bench/`,
after each subject. `python tests/benchmarks/bench.py --render results.json` writes the Markdown beside it anew.
"""

import argparse
import importlib.metadata
import json
import os
import signal
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import data_nodes
import measure
import peers
import report
import subjects

from components.core import fileio, paths
from components.data import demo_corpus

HERE = Path(__file__).resolve().parent


def flat_demo(folder: Path) -> Path:
    """The demo source's rows as one train and one test file, for those who do not know dated folders."""
    source = demo_corpus.write(folder / "demo")
    flat = folder / "flat"
    flat.mkdir()
    (flat / "train.csv").write_bytes(b"".join(path.read_bytes() for path in sorted(source.glob("span=*/train.csv"))))
    (flat / "test.csv").write_bytes((source / "test.csv").read_bytes())
    return flat


def chosen(only: str) -> list[str]:
    """The subjects to run, in order, with those that they need. only: names with blanks or commas between; empty means all.

    Raises:
        ValueError: a name that is no subject.
    """
    asked = set(only.replace(",", " ").split()) or set(subjects.SUBJECTS)
    unknown = sorted(asked - set(subjects.SUBJECTS))
    if unknown:
        known = ", ".join([*subjects.SUBJECTS, "data"])
        raise ValueError(f"ONLY must name subjects: {known}. Received: {', '.join(unknown)}")
    asked |= {needed for name in asked for needed in subjects.NEEDS.get(name, ())}
    return [name for name in subjects.SUBJECTS if name in asked]


def versions() -> str:
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("tensorflow", "tfx", "scikit-learn"))


def write(folder: Path, results: dict) -> None:
    """results.json and RESULTS.md."""
    fileio.write_json(folder / "results.json", results)
    fileio.write_text(folder / "RESULTS.md", report.page(results, subjects.titles(results["preset"]), subjects.RATIOS))


def measure_all(args: argparse.Namespace, names: list[str], aside: Path) -> Path:
    """Runs all repeats and writes the results after each subject; returns the folder that holds them."""
    source = str(Path(args.source).expanduser().resolve()) if args.source else "demo"
    folder = Path(source) if args.source else flat_demo(aside)
    whole = args.source and len(names) == len(subjects.SUBJECTS)
    target = HERE if whole else paths.ensure() / "bench"
    words = [
        f"{name}={value}" for name, value in (("ONLY", args.only), ("PRESET", args.preset), ("SET", args.set)) if value
    ]
    results = {
        "command": " ".join(["make bench", *(["SOURCE=FOLDER"] if args.source else []), f"REPEATS={args.repeats}", *words]),
        "made": datetime.now(timezone.utc).date().isoformat(),
        "machine": {**measure.machine(), "versions": versions()},
        "source": {
            "name": "FOLDER" if args.source else "the demo source",
            **{split: len(peers.read(folder, split)[0]) for split in ("train", "test")},
        },
        "preset": args.preset or "transformer", "set": args.set, "repeats": [],
    }  # fmt: skip
    log = paths.ensure() / "bench" / "bench.log"
    log.parent.mkdir(exist_ok=True)
    print(f"log {log}", flush=True)
    for number in range(args.repeats):
        plan = subjects.Plan(source, folder, aside / f"repeat-{number + 1}", log, results["preset"], args.set)

        def keep(found: dict, so_far=tuple(results["repeats"])) -> None:
            write(target, {**results, "repeats": [*so_far, found]})

        def say(text: str, number=number) -> None:
            print(f"[{number + 1}/{args.repeats}] {text}", flush=True)

        results["repeats"].append(subjects.run_all(plan, names, say, keep))
    return target


def main() -> int:
    """Exit code 0; 1 where a subject failed; 2 for arguments that name nothing."""
    asked = os.environ.get
    parser = argparse.ArgumentParser(description="Newsdesk beside what one would do otherwise.")
    parser.add_argument("--source", default=asked("SOURCE", ""))
    parser.add_argument("--repeats", type=int, default=int(asked("REPEATS") or 3))
    parser.add_argument("--only", default=asked("ONLY", ""))
    parser.add_argument("--preset", default=asked("PRESET", ""))
    parser.add_argument("--set", default=asked("SET", ""))
    parser.add_argument("--render", type=Path, help="a results.json to write the Markdown of, without measuring")
    args = parser.parse_args()
    if args.render:
        write(args.render.parent, json.loads(args.render.read_text(encoding="utf-8")))
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is ended and put away
    measure.adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="newsdesk-bench-") as aside:
        if args.only == "data":
            folder = Path(args.source).expanduser() if args.source else flat_demo(Path(aside))
            data_nodes.run(folder, [1, 10], "", data_nodes.NODES, HERE / "DATA.md" if args.source else None)
            return 0
        try:
            names = chosen(args.only)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
        target = measure_all(args, names, Path(aside))
    print((target / "RESULTS.md").read_text(encoding="utf-8"))
    found = json.loads((target / "results.json").read_text(encoding="utf-8"))["repeats"]
    return int(any("failed" in subject for repeat in found for subject in repeat.values()))


if __name__ == "__main__":
    sys.exit(main())
