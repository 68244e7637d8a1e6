"""Trains presets with several seeds and writes what they reach into `components/models/README.md`.

    make bench-models SOURCE=FOLDER [ONLY="linear bag"] [REPEATS=5] [COSTS="nightly"]

FOLDER holds `train.csv` and `test.csv` in AG News's form. Rows are split as in a run. Each preset is trained on the train
split, with seeds 1 to REPEATS where it has one; the test rows are scored as they were delivered and once more cleaned. Seconds
are processor time of vocabulary and training, user and system together, without start and import.

Each measurement stays in `NEWSDESK_HOME/bench/models/` under the rows' hash, as `<preset>-<seed>.json` and `.npz` (the answers
to the test rows), with the settings it was made with. A later call goes on where an earlier one stopped and measures anew what
has other settings now; the page shows all that is kept, and of a model that has nothing kept here the row that the page has already.
After a change of code that matters, remove the preset's files. COSTS names presets that are too dear to train: a few steps of each
are timed, and the page says what the whole training would cost.
"""

import components  # noqa: F401  # before TensorFlow: it chooses Keras 2

# isort: split
import datetime as dt
import hashlib
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import models_page
import numpy as np
import step_cost
import tensorflow as tf
import tf_keras
import yardsticks

from components import ingester
from components.core import fileio, paths
from components.data import tfrecords as records
from components.data.row_format import form_of
from components.data.text_cleaning import clean
from components.models import family
from components.training import calibration, export, loop, vocabulary
from pipelines.config import hyperparameters
from pipelines.config.presets import PRESETS
from pipelines.config.run_config import LABELS, DataConfig

REPOSITORY = Path(__file__).resolve().parents[2]
ENCODER = Path(__file__).with_name("ENCODER.md")
PAGE = REPOSITORY / "components" / "models" / "README.md"
USUAL = ("linear", "bag", "transformer", "wide-transformer")
SEEDLESS = {"linear", *yardsticks.SEEDLESS}
ASKED = 200  # texts asked one by one


def rows_of(source: Path, folder: Path) -> dict:
    """The splits of a source as a run makes them."""
    files = [
        {"path": str(source / f"{split}.csv"), "sha256": fileio.file_hash(source / f"{split}.csv"), "kind": "csv", "split": split, "span": ""}
        for split in ("train", "test")
    ]  # fmt: skip
    with records.Writer(str(folder)) as writer:
        ingester.ingest(files, form_of("news", LABELS), DataConfig().eval_fraction, 0.0, writer, folder / "quarantine")
    return {split: records.load(str(folder), split) for split in records.SPLITS}


def scored(ask, rows: dict) -> dict:
    """Accuracy on test rows as delivered and cleaned, recall by class, calibration error; and the probabilities."""
    texts, truth = rows["test"]
    cleaned = np.array([clean(text.decode("utf-8", "replace")).encode() for text in texts], object)
    answers = ask(texts)
    right = answers.argmax(axis=1) == truth
    return {
        "test": float(right.mean()), "clean": float((ask(cleaned).argmax(axis=1) == truth).mean()),
        "recall": [float(right[truth == label].mean()) for label in range(len(LABELS))],
        "ece": calibration.expected_error(answers, truth), "probabilities": answers,
    }  # fmt: skip


def trained(name: str, seed: int, rows: dict) -> dict:
    """One preset with one seed: trained, exported and asked through its export."""
    preset, training = PRESETS[name], hyperparameters.for_this_processor(PRESETS[name].training)
    tf_keras.backend.clear_session()
    used = time.process_time()
    tokens = vocabulary.adapt(preset.family, preset.network, rows["train"][0])
    with tempfile.TemporaryDirectory() as folder:
        model, built, history = loop.fit(
            family(preset.family, preset.network), tokens, preset.network, training, seed, rows["train"], rows["eval"],
            len(LABELS), folder,
        )  # fmt: skip
        used = time.process_time() - used
        exported = Path(folder, "export")
        export.export(exported, built, model, LABELS)
        classify = tf.saved_model.load(str(exported)).signatures["classify"]
        asked = [tf.constant([text]) for text in rows["test"][0][: ASKED + 20]]
        taken = [_timed(lambda one=text: classify(text=one)["probabilities"].numpy()) for text in asked][20:]
        size = sum(path.stat().st_size for path in exported.rglob("*") if path.is_file()) / 1e6
        answers = scored(lambda texts: export.predict(exported, texts), rows)
    return {
        **answers, "eval": loop.final_accuracy(history), "seconds": used, "p50": statistics.median(taken), "size": size,
    }  # fmt: skip


def _timed(ask) -> float:
    started = time.perf_counter()
    ask()
    return (time.perf_counter() - started) * 1000


class Kept:
    """The measurements of one source's rows: `<name>-<seed>.json`, with the settings each was made with."""

    def __init__(self, folder: Path):
        self.folder = folder

    def get(self, name: str, seed: int) -> dict | None:
        """A measurement of the settings as they are now, else None."""
        path = self.folder / f"{name}-{seed}.json"
        run = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        return run if run and run["settings"] == settings_of(name) else None

    def all(self, name: str) -> list[dict]:
        """Those of one model, by seed."""
        seeds = [path.stem.removeprefix(f"{name}-") for path in self.folder.glob(f"{name}-*.json")]
        runs = [self.get(name, int(seed)) for seed in seeds if seed.isdigit()]
        return sorted(filter(None, runs), key=lambda run: run["seed"])

    def put(self, name: str, seed: int, run: Mapping, truth: np.ndarray) -> None:
        """Answers first, so that a measurement is whole once its JSON is there."""
        with fileio.replacing(self.folder / f"{name}-{seed}.npz") as file:
            np.savez_compressed(file, probabilities=run["probabilities"], truth=truth)
        numbers = {key: value for key, value in run.items() if key != "probabilities"}
        date = str(dt.datetime.now(dt.timezone.utc).date())
        fileio.write_json(
            self.folder / f"{name}-{seed}.json", {**numbers, "seed": seed, "settings": settings_of(name), "date": date}
        )


def settings_of(name: str) -> dict:
    """What a measurement depends on besides rows and code."""
    if name not in PRESETS:
        return yardsticks.SETTINGS[name]
    preset = PRESETS[name]
    training = hyperparameters.for_this_processor(preset.training)
    return {"family": preset.family, "network": dict(preset.network), "training": dict(training)}


def digest(rows: dict) -> str:
    """Hex; the same for the same rows with the same split."""
    content = hashlib.sha256()
    for texts, labels in rows.values():
        content.update(b"\0".join(texts) + labels.tobytes())
    return content.hexdigest()[:12]


def write(kept: Kept, rows: Mapping, before: str) -> str:
    """The page: from what is kept, else as `before` has it. Presets without a figure are named below the table, with what they cost."""
    earlier, lines, missing, costs = models_page.lines_of(before), [], [], []
    for name in (*yardsticks.MEASURES, *PRESETS):
        runs, title = kept.all(name), f"`{name}`" if name in PRESETS else name
        if runs:
            lines.append(models_page.line(title, runs, name in SEEDLESS))
        elif title in earlier:
            lines.append(earlier[title])
        else:
            missing.append(title)
            cost = fileio.read_json(kept.folder / f"{name}.cost.json")
            costs += [models_page.cost_line(title, cost)] if cost else []
    about = {
        "rows": {split: len(part[1]) for split, part in rows.items()}, "labels": LABELS,
        "machine": f"{os.cpu_count()} cores ({platform.machine()})",
    }  # fmt: skip
    text = models_page.page(lines, "make bench-models SOURCE=ag_news", about)
    if missing:
        text += f"\nNot measured by this code over several seeds, so no figure of it is quoted anywhere: {', '.join(missing)}.\n"
    return (
        text + models_page.recipe(ENCODER.read_text(encoding="utf-8")) + models_page.costs(costs, step_cost.processor())
    )


def main() -> None:
    source = os.environ.get("SOURCE", "")
    only, repeats = os.environ.get("ONLY", "").split() or list(USUAL), int(os.environ.get("REPEATS") or 5)
    dear = os.environ.get("COSTS", "").split()
    unknown = sorted({*only, *dear} - set(PRESETS))
    if not Path(source, "train.csv").is_file() or unknown:
        raise SystemExit(
            f"SOURCE must hold train.csv and test.csv, ONLY and COSTS name presets. Received: SOURCE={source!r}, {unknown}"
        )
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(Path(source), Path(folder))
    kept = Kept(paths.ensure() / "bench" / "models" / digest(rows))
    for name in dear:
        fileio.write_json(kept.folder / f"{name}.cost.json", step_cost.measure(name, rows))
    wanted = [(name, seed) for name in (*yardsticks.MEASURES, *only) for seed in range(1, repeats + 1)]
    for name, seed in wanted:
        if kept.get(name, seed) is None and (seed == 1 or name not in SEEDLESS):
            run = trained(name, seed, rows) if name in PRESETS else yardsticks.MEASURES[name](rows, scored, seed)
            if run is None:
                continue
            kept.put(name, seed, run, rows["test"][1])
            print(f"{name}, seed {seed}: test {run['test']:.4f}, {run['seconds']:.0f} s", flush=True)
        # After each measurement, so that what was measured stays when the rest is cut off.
        PAGE.write_text(write(kept, rows, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
