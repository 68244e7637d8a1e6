"""Trainer: TFX's Trainer with one more input, the Vocabulary; and `run_fn`, which trains and exports the candidate.

Reads: Examples (train, eval), Vocabulary. Makes: Model (`Format-Serving/`), ModelRun (`history.json`, `curves.png`,
checkpoints while it works). Refuses: a loss that is not a number.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from tfx import types
from tfx.components.trainer import executor as tfx_executor
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import trainer_pb2
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter
from tfx.utils import json_utils

from components import examples as records
from components import export, tokenizer, training
from components.artifacts import Vocabulary
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


class _Executor(tfx_executor.GenericExecutor):
    """TFX's executor, with the folders of Examples and Vocabulary handed on to `run_fn`."""

    def _GetFnArgs(self, input_dict, output_dict, exec_properties) -> FnArgs:
        fn_args = super()._GetFnArgs(input_dict, output_dict, exec_properties)
        fn_args.custom_config["vocabulary"] = artifact_utils.get_single_uri(input_dict["vocabulary"])
        fn_args.custom_config["examples"] = artifact_utils.get_single_uri(input_dict["examples"])
        return fn_args

    def Do(self, input_dict, output_dict, exec_properties) -> None:
        super().Do(input_dict, output_dict, exec_properties)
        run = artifact_utils.get_single_instance(output_dict[standard_component_specs.MODEL_RUN_KEY])
        history = json.loads(Path(run.uri, "history.json").read_text())
        run.set_string_custom_property("headline", headline(history))


def headline(history: Mapping) -> str:
    """One line on a training, for people."""
    best = max(epoch["val_accuracy"] for epoch in history["epochs"])
    return f"{history['rows']:,} rows, {len(history['epochs'])} epochs, validation accuracy {best:.4f}, {history['seconds']:.0f} s"


class _Spec(standard_component_specs.TrainerSpec):
    INPUTS = {**standard_component_specs.TrainerSpec.INPUTS, "vocabulary": ChannelParameter(type=Vocabulary)}


class Trainer(base_component.BaseComponent):
    """TFX Trainer with `run_fn` above. outputs: `model` (Model), `model_run` (ModelRun)."""

    SPEC_CLASS = _Spec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(_Executor)

    def __init__(self, examples: types.BaseChannel, vocabulary: types.BaseChannel, config: Mapping):
        """config: family, network, training, seed, labels and `code`, the hash that ties the cache to code and libraries."""
        super().__init__(
            _Spec(
                examples=examples,
                vocabulary=vocabulary,
                train_args=trainer_pb2.TrainArgs(splits=["train"]),
                eval_args=trainer_pb2.EvalArgs(splits=["eval"]),
                run_fn=f"{run_fn.__module__}.{run_fn.__name__}",
                custom_config=json_utils.dumps(dict(config)),
                model=types.Channel(type=standard_artifacts.Model),
                model_run=types.Channel(type=standard_artifacts.ModelRun),
            )
        )
