"""What TFX's Trainer calls: trains a candidate and exports it. Also what Baseline calls, with another family.

A module of its own, because TFX reloads the one that holds `run_fn` each time, and component classes must not be reloaded.
"""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from tfx.components.trainer.fn_args_utils import FnArgs

from components.core import paths, progress
from components.data import rows
from components.models import contributions, explainer
from components.models import family as family_named
from components.registry import model_registry
from components.training import export, loop, search_space, tensorboard, vocabulary, warm_start

SHOWN = ("loss", "accuracy", "val_loss", "val_accuracy")
LOG_EVERY = 60  # seconds between lines of the log within a long epoch


def train(
    family: str, tokens: list[str], network: Mapping, settings: Mapping, seed: int,
    labels: list[str], examples_uri: str, model_dir: Path, workdir: Path, before: Path | None = None,
) -> dict:  # fmt: skip
    """Trains one model and exports it to `model_dir`; returns `epochs` (one dict each), `rows`, `seconds`, `parameters`.

    settings: the preset's training settings. workdir: keeps checkpoints, so that an interrupted training goes on.
    before: the folder of a model to go on from; where that cannot be, `start` of the result says why.
    """
    started = time.monotonic()
    train_rows = rows.from_split(examples_uri, "train")
    hindered = warm_start.incompatibility_reason(before, family, network, labels) if before else None
    module, eval_rows = family_named(family, network), rows.from_split(examples_uri, "eval")
    report, weights = (
        _Report(len(train_rows), settings),
        warm_start.weights(before) if before and not hindered else (),
    )
    fitted = (module, tokens, network, settings, seed, train_rows, eval_rows, len(labels), workdir, report, weights)
    model, built, epochs = loop.fit(*fitted)
    explain, add = explainer(module, model, tokens, network), contributions(module, model, built)
    export.export(model_dir, built, model, labels, explainer=explain, contributions=add)
    vocabulary.save(warm_start.note(model_dir, family, network), tokens)
    return {
        "epochs": epochs,
        "rows": len(train_rows),
        "seconds": round(time.monotonic() - started, 1),
        "parameters": model.count_params(),
        "start": "" if not before else f"started fresh: {hindered}" if hindered else "started from the champion",
    }


class _Report:
    """What `loop.fit` calls: every report goes to the run's progress file, each epoch's end to the log, else one a minute."""

    def __init__(self, rows: int, settings: Mapping):
        self.steps = math.ceil(rows / int(settings["batch_size"])) if settings.get("batch_size") else 0
        self.clock, self.logged = progress.Clock(), time.monotonic()

    def __call__(self, epoch: float, epochs: int, metrics: Mapping, rows_per_second: float) -> None:
        within = epoch % 1
        figures = {
            "epoch": round(epoch, 3), "epochs": epochs, "rows_per_second": round(rows_per_second, 1),
            "seconds_left": self.clock.seconds_left(epoch, epochs),
            **{name: float(metrics[name]) for name in SHOWN if name in metrics},
        }  # fmt: skip
        if self.steps:
            figures |= {"step": round(within * self.steps) if within else self.steps, "steps": self.steps}
        progress.write(**figures)
        if not within or time.monotonic() - self.logged > LOG_EVERY:
            print(progress.text(figures), flush=True)
            self.logged = time.monotonic()


def run_fn(fn_args: FnArgs) -> None:
    """What TFX's Trainer calls. `custom_config` holds family, network, training, seed, labels, the inputs' folders, and which
    champion to go on from, if any. `hyperparameters`: the Tuner's settings, in place of these; None where it was skipped."""
    chosen = (fn_args.hyperparameters or {}).get("values", {})
    config = dict(fn_args.custom_config)
    config["network"], config["training"] = search_space.merged(config["network"], config["training"], chosen)
    run_dir = Path(fn_args.model_run_dir)
    # TFX empties the output folders of a failed attempt; checkpoints lie outside, so that the next attempt goes on from them.
    key = hashlib.sha256(json.dumps([config, fn_args.train_files], sort_keys=True).encode()).hexdigest()
    workdir = paths.home() / "checkpoints" / key[:32]
    history = train(
        config["family"],
        vocabulary.load(config["vocabulary"]),
        config["network"],
        config["training"],
        config["seed"],
        config["labels"],
        config["examples"],
        Path(fn_args.serving_model_dir),
        workdir,
        model_registry.verified_folder(**config["champion"]) if config["champion"] else None,
    )
    shutil.rmtree(workdir, ignore_errors=True)
    (run_dir / "history.json").write_text(json.dumps(history, indent=1, default=float))
    tensorboard.write(history["epochs"], run_dir / "tensorboard")


def headline(history: Mapping) -> str:
    """One line on a training, for people."""
    best = loop.final_accuracy(history["epochs"])
    sampled = history["epochs"][0].get("sampled")
    fitted = f"{history['rows']:,} rows" + (f" (fitted on a sample of {sampled:,})" if sampled else "")
    summary = f"{fitted}, {len(history['epochs'])} epochs, validation accuracy {best:.4f}"
    return ", ".join(filter(None, (summary, f"{history['seconds']:.0f} s", history["start"])))
