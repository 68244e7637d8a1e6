"""Baseline: a bag of n-grams trained on the same rows, which every other family must at least match.

Reads: Examples. Makes: Model. Skipped when the candidate is a bag itself. Cached: the same rows give the same baseline.
"""

import json
import shutil
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model
from tfx.utils import path_utils

from components.data import tfrecords as records
from components.training import run_fn, vocabulary
from pipelines.config.presets import PRESETS

FAMILY = "bag"


@component
def Baseline(
    labels: Parameter[str],
    training: Parameter[str],
    seed: Parameter[int],
    code: Parameter[str],
    examples: InputArtifact[Examples],
    model: OutputArtifact[Model],
):
    """labels: JSON list; training: JSON of the training settings; code: hash of code and libraries, for the cache."""
    preset = PRESETS[FAMILY]
    texts, _ = records.load(examples.uri, "train")
    tokens = vocabulary.adapt(FAMILY, preset.network, texts)
    history = run_fn.train(
        FAMILY, tokens, preset.network, json.loads(training), seed, json.loads(labels), examples.uri,
        Path(path_utils.serving_model_dir(model.uri)), Path(model.uri, "checkpoints"),
    )  # fmt: skip
    shutil.rmtree(Path(model.uri, "checkpoints"), ignore_errors=True)
    model.set_string_custom_property("headline", run_fn.headline(history))
