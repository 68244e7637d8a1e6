"""Peak memory and time of the model nodes as rows grow: generated articles, each node in a process of its own.

    .venv/bin/python tests/benchmarks/scale.py [--rows 60000 600000 6000000] [--nodes Tokenizer …] [--seconds 300] [--output SCALE.md]

Rows are train rows; eval has a twentieth of them, test a tenth, as where a source has no test file. The record files are written once, below NEWSDESK_HOME/bench/scale; a
measurement is kept there too, and is made anew only when its file is removed. Memory is the highest `RssAnon` of the process, sampled
every 20 ms: all that it holds and the system cannot take back. Pages of mapped files, such as the encoded rows, are not counted, because
the system drops them when it needs room. Imports of TFX are part of it (first row of the table).

Trainer is one epoch of the preset `bag`, Trainer-default of the one that a run takes where nothing else is said. Its steps are stopped after
`--seconds`, at the next thousandth of the epoch, and the table says how far it was; the rows were encoded before. ModelGate holds the baseline against itself and asks the
behavioural tests. monitor is `newsdesk monitor` with the baseline as champion, on a batch of a tenth of the rows.
"""

import components  # noqa: F401  # before TensorFlow: it chooses Keras 2

# isort: split
import argparse
import csv
import datetime as dt
import itertools
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import measure
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation
from tfx.utils import path_utils

from components.core import fileio, paths
from components.data import record_writer
from pipelines.config.presets import DEFAULT, PRESETS
from pipelines.config.run_config import BASELINE, LABELS, GateConfig

NODES = (
    "imports",
    "Tokenizer",
    "Trainer",
    "Tokenizer-default",
    "Trainer-default",
    "Baseline",
    "Evaluator",
    "ModelGate",
    "monitor",
)


def articles(count: int, seed: int):
    """(text, label id) of articles with names of their own, as `data_nodes.py` makes them."""
    from components.data import demo_corpus

    rng = random.Random(seed)
    names = [f"n{i:05d}".translate(str.maketrans("0123456789", "abcdefghij")) for i in range(40_000)]
    for at in range(count):
        title, description = demo_corpus.article(rng, at % 4, dt.date(2026, 1, 1) + dt.timedelta(at % 365))
        yield " ".join([title, rng.choice(names), description, *rng.sample(names, 6)]), at % 4


def place(rows: int) -> Path:
    return paths.home() / "bench" / "scale" / str(rows)


def written(rows: int) -> Path:
    """A folder whose `examples` have so many train rows; what is whole there already is kept."""
    folder, counts = place(rows), {"train": rows, "eval": rows // 20, "test": rows // 10}
    if not (folder / "written").exists():
        for seed, (split, count) in enumerate(counts.items()):
            rows = articles(count, seed)
            for path in record_writer.file_names(str(folder / "examples"), split, count):
                with record_writer.RecordFile(path) as file:
                    for text, label in itertools.islice(rows, record_writer.SHARD):
                        file.write([text.encode()], [label])
        (folder / "written").touch()
    return folder


def artifact(kind, uri: Path):
    found = kind()
    uri.mkdir(parents=True, exist_ok=True)
    found.uri = str(uri)
    return found


def run(node: str, folder: Path, seconds: float) -> str:
    """Runs one node on a folder that `written` made; returns a remark."""
    examples, trained = artifact(Examples, folder / "examples"), artifact(Model, folder / "baseline")
    preset = DEFAULT if node.endswith("-default") else "bag"
    if node.startswith("Tokenizer"):
        from components.artifacts import Vocabulary
        from components.tokenizer import Tokenizer

        chosen = PRESETS[preset]
        Tokenizer.test_call(
            family=chosen.family, network=json.dumps(dict(chosen.network)), policy="rebuild", before="null", code="",
            examples=examples, vocabulary=artifact(Vocabulary, folder / f"vocabulary-{preset}"),
        )  # fmt: skip
    elif node == "Baseline":
        from components.baseline import Baseline

        Baseline.test_call(
            family=PRESETS[BASELINE].family, network=json.dumps(dict(PRESETS[BASELINE].network)), training=json.dumps(dict(PRESETS[BASELINE].training)), labels=json.dumps(LABELS),
            seed=1, code="", examples=examples, model=trained,
        )  # fmt: skip
    elif node.startswith("Trainer"):
        return train(folder, preset, seconds)
    elif node == "Evaluator":
        evaluate(folder, trained)
    elif node == "ModelGate":
        from components.model_gate import ModelGate

        ModelGate.test_call(
            run="scale", labels=json.dumps(LABELS), limits=GateConfig().model_dump_json(), champion_digest="", examples=examples,
            model=trained, baseline=trained, evaluation=artifact(ModelEvaluation, folder / "evaluation"),
            blessing=artifact(ModelBlessing, folder / "blessing"),
            behaviour=str(paths.REPOSITORY / "data_schemas" / "news" / "behaviour.toml"),
        )  # fmt: skip
    elif node == "monitor":
        monitor(folder, trained)
    return ""


def monitor(folder: Path, model) -> None:
    from components import pusher
    from components.data_quality.profile import Profile, words_of
    from components.registry import model_registry
    from pipelines.config.settings import MonitorSettings
    from pipelines.monitoring import monitor

    rows, recent = int(folder.name) // 10, folder / "recent"
    os.environ["NEWSDESK_HOME"] = str(folder / "home")
    shutil.rmtree(folder / "home", ignore_errors=True)
    recent.mkdir(exist_ok=True)
    profile = Profile(LABELS)
    with open(recent / "articles.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("title", "description"))
        for at, (text, label) in enumerate(articles(rows, 3)):
            writer.writerow((text[:40], text[40:]))
            if at < 20_000:
                profile.add(text[:40], text, words_of(text), label)
    os.utime(recent / "articles.csv", (0, 1e9))  # a file of the last minute counts as still being written
    serving = Path(path_utils.serving_model_dir(model.uri))
    version, _ = pusher.push(
        serving, "news", "scale", LABELS, judged=model_registry.folder_hashes(serving), allowed=lambda: None
    )
    model_registry.move_champion("news", None, version, "release", "benchmark", {})
    fileio.write_json(paths.registry_dir("news") / "versions" / f"{version}.profile.json", profile.to_json())
    print(monitor.monitor("news", str(recent), "all", MonitorSettings())["headline"])


class Enough(Exception):
    """The Trainer has run for as long as it was given."""


def train(folder: Path, name: str, seconds: float) -> str:
    from components.data import rows
    from components.models import family
    from components.training import loop, vocabulary

    loop.REPORTS_PER_EPOCH = 1000
    preset = PRESETS[name]
    train_rows, eval_rows = (rows.from_split(str(folder / "examples"), split) for split in ("train", "eval"))
    reached = []

    def report(epoch, *_):
        reached.append((epoch, time.monotonic()))
        if reached[-1][1] - reached[0][1] > seconds:  # of steps: the rows were encoded before
            raise Enough

    try:
        with tempfile.TemporaryDirectory(dir=folder) as workdir:
            loop.fit(
                family(preset.family, preset.network), vocabulary.load(folder / f"vocabulary-{name}"), preset.network, {**preset.training, "epochs": 1}, 1,
                train_rows, eval_rows, len(LABELS), workdir, report,
            )  # fmt: skip
    except Enough:
        pass
    return f"{reached[-1][0]:.0%} of an epoch"


def evaluate(folder: Path, model) -> None:
    import tensorflow_model_analysis as tfma

    from pipelines import retraining

    config = retraining.eval_config()
    del config.model_specs[1]  # no champion
    tfma.run_model_analysis(
        eval_shared_model=tfma.default_eval_shared_model(path_utils.serving_model_dir(model.uri), eval_config=config),
        eval_config=config,
        data_location=str(folder / "examples" / "Split-test" / "*"),
        file_format="tfrecords",
        output_path=str(folder / "evaluation"),
    )


def measured(node: str, rows: int, seconds: float) -> dict:
    """Runs a node here and measures it."""
    folder, highest, ended = written(rows), [0], threading.Event()

    def sample() -> None:
        while not ended.wait(0.02):
            highest[0] = max(highest[0], measure.anonymous())

    from components import model_gate  # noqa: F401  # what a node's process imports
    from pipelines import retraining  # noqa: F401

    highest[0], started, used = measure.anonymous(), time.monotonic(), time.process_time()
    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    remark = run(node, folder, seconds)
    ended.set()
    sampler.join()
    return {
        "seconds": time.monotonic() - started, "processor": time.process_time() - used, "peak": highest[0] // 1024, "remark": remark,
    }  # fmt: skip


def kept(node: str, rows: int, seconds: float) -> dict:
    """A node's figures: as they were kept, else measured by a process of its own."""
    file = place(rows) / f"{node}.json"
    if not file.exists():
        command = [sys.executable, __file__, "--one", node, "--rows", str(rows), "--seconds", str(seconds)]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return fileio.read_json(file)


def page(sizes: list[int], nodes: list[str], seconds: float) -> str:
    head = "| node | " + " | ".join(f"{rows:,} rows: MiB | s | processor s" for rows in sizes) + " |"
    lines = [head, "|---" + "|---:" * (3 * len(sizes)) + "|"]
    for node in nodes:
        found = [kept(node, rows, seconds) for rows in sizes]
        cells = [
            f"{own['peak']:,} | {own['seconds']:.0f} | {own['processor']:.0f}"
            + (f" ({own['remark']})" if own["remark"] else "")
            for own in found
        ]
        lines.append(f"| {node} | " + " | ".join(cells) + " |")
    text = __doc__.split("\n\n")
    about = f"Measured on {os.cpu_count()} cores ({platform.machine()}), with other work beside it: read memory and processor seconds."
    return "\n".join(
        ["# Model nodes as rows grow", "", text[2], "", text[3].strip(), "", about, "", text[1], "", *lines, ""]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory and time of the model nodes as rows grow.")
    parser.add_argument("--rows", type=int, nargs="+", default=[60_000, 600_000, 6_000_000])
    parser.add_argument("--nodes", nargs="+", choices=NODES, default=NODES)
    parser.add_argument("--seconds", type=float, default=300, help="of the Trainer's steps, at most")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--write", action="store_true", help="only write the record files")
    parser.add_argument("--one", choices=NODES, help="measure one node in this process")
    args = parser.parse_args()
    if args.write:
        for rows in args.rows:
            written(rows)
    elif args.one:
        file = place(args.rows[0]) / f"{args.one}.json"  # now: the monitor's run has a state folder of its own
        figures = measured(args.one, args.rows[0], args.seconds)
        fileio.write_json(file, figures)
        print(args.one, figures)
    else:
        text = page(args.rows, args.nodes, args.seconds)
        print(text)
        if args.output:
            args.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
