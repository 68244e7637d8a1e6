"""Trainer: TFX's Trainer with one more input, the Vocabulary.

Reads: Examples (train, eval), Vocabulary, the Tuner's HyperParameters where it was not skipped. Makes: Model
(`Format-Serving/`), ModelRun (`history.json`, `tensorboard/`). Raises for a loss that is not a number. `components/training/run_fn.py` does the work.
"""

import json
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

from components.artifacts import Vocabulary
from components.training import run_fn


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
        run.set_string_custom_property("headline", run_fn.headline(history))


class _Spec(standard_component_specs.TrainerSpec):
    INPUTS = {**standard_component_specs.TrainerSpec.INPUTS, "vocabulary": ChannelParameter(type=Vocabulary)}


class Trainer(base_component.BaseComponent):
    """TFX Trainer with our `run_fn`. outputs: `model` (Model), `model_run` (ModelRun)."""

    SPEC_CLASS = _Spec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(_Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        vocabulary: types.BaseChannel,
        hyperparameters: types.BaseChannel,
        config: Mapping,
    ):
        """config: family, network, training, seed, labels, the champion to go on from; `code` and `encoders`, the hashes that tie
        the cache to code, libraries and the content of encoders."""
        super().__init__(
            _Spec(
                examples=examples,
                vocabulary=vocabulary,
                hyperparameters=hyperparameters,
                train_args=trainer_pb2.TrainArgs(splits=["train"]),
                eval_args=trainer_pb2.EvalArgs(splits=["eval"]),
                run_fn="components.training.run_fn.run_fn",
                custom_config=json_utils.dumps(dict(config)),
                model=types.Channel(type=standard_artifacts.Model),
                model_run=types.Channel(type=standard_artifacts.ModelRun),
            )
        )
