"""Baseline: a simple model trained on the same rows, which every candidate must at least match.

Reads: Examples. Makes: Model. Skipped when the candidate is of the same family. Cached: the same rows give the same baseline.
"""

import json
import shutil
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model
from tfx.utils import path_utils

from components.data import rows
from components.training import run_fn, vocabulary


@component
def Baseline(
    family: Parameter[str],
    network: Parameter[str],
    training: Parameter[str],
    labels: Parameter[str],
    seed: Parameter[int],
    code: Parameter[str],
    examples: InputArtifact[Examples],
    model: OutputArtifact[Model],
    encoders: Parameter[str] = "{}",
):
    """network, training: JSON of the preset's settings; labels: JSON list. encoders: JSON of the run's encoders with their
    content; code: hash of code and libraries; both for the cache."""
    settings = json.loads(network)
    tokens = vocabulary.adapt(family, settings, rows.from_split(examples.uri, "train"))
    history = run_fn.train(
        family,
        tokens,
        settings,
        json.loads(training),
        seed,
        json.loads(labels),
        examples.uri,
        Path(path_utils.serving_model_dir(model.uri)),
        Path(model.uri, "checkpoints"),
    )
    shutil.rmtree(Path(model.uri, "checkpoints"), ignore_errors=True)
    model.set_string_custom_property("headline", run_fn.headline(history))
