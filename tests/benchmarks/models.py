"""Trains presets with several seeds and writes what they reach into `components/models/README.md`.

    make bench-models SOURCE=FOLDER [ONLY="linear bag"] [REPEATS=5] [COSTS="nightly"]

FOLDER holds `train.csv` and `test.csv` in AG News's form. Rows are split as in a run. Each preset is trained on the train
split, with seeds 1 to REPEATS where it has one; the test rows are scored as they were delivered and once more cleaned. Seconds
are processor time of vocabulary and training, user and system together, without start and import.

Each measurement is a line of `models.jsonl` beside this file, with the rows' hash and the settings it was made with: a seed of the dear
presets takes hours, so their seeds are measured over several days and machines. A later call goes on where an earlier one stopped and
measures anew what has other settings now; the page shows all that is kept, and of a model that has nothing kept the row that the page has
already. After a change of code that matters, remove the preset's lines. COSTS names presets that are too dear to train: a few steps
of each are timed, and the page says what the whole training would cost.
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
from components.core import fileio
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
KEPT = Path(__file__).with_name("models.jsonl")
USUAL = ("linear", "bag", "transformer", "wide-transformer")
SEEDLESS = {"linear", *yardsticks.SEEDLESS}
ASKED = 200  # texts asked one by one


def rows_of(source: Path, folder: Path) -> dict:
    """The splits of a source as a run makes them."""
    files = [
        {"path": str(source / f"{split}.csv"), "sha256": fileio.file_hash(source / f"{split}.csv"), "kind": "csv", "split": split, "span": ""}
        for split in ("train", "test")
    ]  # fmt: skip
    ingester.ingest(files, form_of("news", LABELS), DataConfig().eval_fraction, 0.0, str(folder), folder / "quarantine")
    return {split: records.load(str(folder), split) for split in records.SPLITS}


def scored(ask, rows: dict) -> dict:
    """Accuracy on test rows as delivered and cleaned, recall by class, calibration error."""
    texts, truth = rows["test"]
    cleaned = np.array([clean(text.decode("utf-8", "replace")).encode() for text in texts], object)
    answers = ask(texts)
    right = answers.argmax(axis=1) == truth
    return {
        "test": float(right.mean()), "clean": float((ask(cleaned).argmax(axis=1) == truth).mean()),
        "recall": [float(right[truth == label].mean()) for label in range(len(LABELS))],
        "ece": calibration.expected_error(answers, truth),
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
        "precision": training["precision"],
    }  # fmt: skip


def _timed(ask) -> float:
    started = time.perf_counter()
    ask()
    return (time.perf_counter() - started) * 1000


class Kept:
    """The measurements of one source's rows in a file that holds those of all: a line a measurement, by name and seed.

    A line has `name`, `rows` (their hash), `settings`, `date`, `processor`, and either `seed` with the figures or `cost`.
    """

    def __init__(self, path: Path, rows: str):
        self.path, self.rows = path, rows

    def get(self, name: str, seed: int) -> dict | None:
        """A measurement of the settings as they are now, else None."""
        return next((run for run in self.all(name) if run["seed"] == seed), None)

    def all(self, name: str) -> list[dict]:
        """Those of one model, by seed."""
        own = [line for line in self._lines() if self._is_of(line, name) and "seed" in line]
        return [line for line in own if line["settings"] == settings_of(name)]

    def cost(self, name: str) -> dict | None:
        """What a step of a preset cost, see `step_cost.measure`; None where nobody measured it."""
        return next((line["cost"] for line in self._lines() if self._is_of(line, name) and "cost" in line), None)

    def put(self, name: str, seed: int, run: Mapping) -> None:
        """Adds a measurement, or replaces the one of the same name and seed."""
        self._put({"name": name, "seed": seed, **run})

    def put_cost(self, name: str, cost: Mapping) -> None:
        """Adds what a step costs, or replaces it."""
        self._put({"name": name, "cost": dict(cost)})

    def _put(self, new: Mapping) -> None:
        same = {key: new[key] for key in ("name", "seed") if key in new}
        about = {
            "rows": self.rows, "settings": settings_of(new["name"]), "date": str(dt.datetime.now(dt.timezone.utc).date()),
            "processor": step_cost.processor(),
        }  # fmt: skip
        others = [
            line for line in self._lines()
            if not (self._is_of(line, new["name"]) and {key: line[key] for key in ("name", "seed") if key in line} == same)
        ]  # fmt: skip
        lines = sorted([*others, {**new, **about}], key=lambda line: (line["name"], line.get("seed", 0), line["rows"]))
        with fileio.replacing(self.path) as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines).encode())

    def _is_of(self, line: Mapping, name: str) -> bool:
        return line["name"] == name and line["rows"] == self.rows

    def _lines(self) -> list[dict]:
        text = self.path.read_text(encoding="utf-8") if self.path.is_file() else ""
        return [json.loads(line) for line in text.splitlines()]


def settings_of(name: str) -> dict:
    """What a measurement depends on besides rows, code and processor."""
    if name not in PRESETS:
        return yardsticks.SETTINGS[name]
    preset = PRESETS[name]
    return {"family": preset.family, "network": dict(preset.network), "training": dict(preset.training)}


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
            cost = kept.cost(name)
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
    kept = Kept(KEPT, digest(rows))
    for name in dear:
        kept.put_cost(name, step_cost.measure(name, rows))
    wanted = [(name, seed) for name in (*yardsticks.MEASURES, *only) for seed in range(1, repeats + 1)]
    for name, seed in wanted:
        if kept.get(name, seed) is None and (seed == 1 or name not in SEEDLESS):
            run = trained(name, seed, rows) if name in PRESETS else yardsticks.MEASURES[name](rows, scored, seed)
            if run is None:
                continue
            kept.put(name, seed, run)
            print(f"{name}, seed {seed}: test {run['test']:.4f}, {run['seconds']:.0f} s", flush=True)
        # After each measurement, so that what was measured stays when the rest is cut off.
        PAGE.write_text(write(kept, rows, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
