"""What TFX's Trainer calls: trains a candidate and exports it. Also what Baseline calls, with another family.

A module of its own, because TFX reloads the one that holds `run_fn` each time, and component classes must not be reloaded.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from tfx.components.trainer.fn_args_utils import FnArgs

from components import examples as records
from components import export, tokenizer, training
from components.models import family as family_named
from pipelines import home


def train(
    family: str, tokens: list[str], network: Mapping, settings: Mapping, seed: int,
    labels: list[str], examples_uri: str, model_dir: Path, workdir: Path,
) -> dict:  # fmt: skip
    """Trains one model and exports it to `model_dir`; returns `epochs` (one dict each), `rows`, `seconds`, `parameters`.

    settings: the preset's training settings. workdir: keeps checkpoints, so that an interrupted training goes on.
    """
    started = time.monotonic()
    train_rows = records.load(examples_uri, "train")
    model, built, epochs = training.fit(
        family_named(family), tokens, network, settings, seed,
        train_rows, records.load(examples_uri, "eval"), len(labels), workdir, _report,
    )  # fmt: skip
    export.export(model_dir, built, model, labels)
    seconds = round(time.monotonic() - started, 1)
    return {"epochs": epochs, "rows": len(train_rows[0]), "seconds": seconds, "parameters": model.count_params()}


def _report(epoch: float, epochs: int, metrics: Mapping, rows_per_second: float) -> None:
    shown = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    print(f"epoch {epoch:.1f} of {epochs}: {shown} ({rows_per_second:,.0f} rows/s)", flush=True)


def run_fn(fn_args: FnArgs) -> None:
    """What TFX's Trainer calls. `custom_config` holds family, network, training, seed, labels and the inputs' folders."""
    config = fn_args.custom_config
    run_dir = Path(fn_args.model_run_dir)
    # TFX empties the output folders of a failed attempt; checkpoints lie outside, so that the next attempt goes on from them.
    key = hashlib.sha256(json.dumps([config, fn_args.train_files], sort_keys=True).encode()).hexdigest()
    workdir = home.home() / "checkpoints" / key[:32]
    history = train(
        config["family"], tokenizer.load(config["vocabulary"]), config["network"], config["training"], config["seed"],
        config["labels"], config["examples"], Path(fn_args.serving_model_dir), workdir,
    )  # fmt: skip
    shutil.rmtree(workdir, ignore_errors=True)
    (run_dir / "history.json").write_text(json.dumps(history, indent=1, default=float))
    training.learning_curves(history["epochs"], run_dir / "curves.png")


def headline(history: Mapping) -> str:
    """One line on a training, for people."""
    best = max(epoch["val_accuracy"] for epoch in history["epochs"])
    return f"{history['rows']:,} rows, {len(history['epochs'])} epochs, validation accuracy {best:.4f}, {history['seconds']:.0f} s"
