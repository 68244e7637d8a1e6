"""Fixtures for tests of the ModelGate node: TFMA's evaluation of a toy model, and the node run on it."""

import json
import shutil
import warnings
from pathlib import Path

import published
import pytest
import record_kit
import tensorflow_model_analysis as tfma
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation
from tfx.utils import path_utils

from components import model_gate
from components.core import fileio, paths
from components.data import tfrecords as records
from components.evaluation import seen_rows
from components.registry import model_registry
from pipelines.reports import after_node

LIMITS = published.LIMITS


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """(folder of 200 test examples, folder of TFMA's evaluation of the good model on them)."""
    folder = tmp_path_factory.mktemp("evaluated")
    with record_kit.Writer(folder / "examples") as writer:
        for text, label in zip(*published.articles(200, seed=7)):
            writer.write("test", text.decode(), int(label))
    spec = {"signature_name": "serving_default", "label_key": "label", "prediction_key": "probabilities"}
    config = tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(**spec)],
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=["label"])],
        metrics_specs=[tfma.MetricsSpec(metrics=[tfma.MetricConfig(class_name="SparseCategoricalAccuracy")])],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Beam's and TFMA's own
        tfma.run_model_analysis(
            eval_shared_model=tfma.default_eval_shared_model(str(published.model("good")), eval_config=config),
            eval_config=config,
            data_location=records.files(str(folder / "examples"), "test")[0],
            file_format="tfrecords",
            output_path=str(folder / "evaluation"),
        )
    return folder / "examples", folder / "evaluation"


@pytest.fixture
def gate(evaluated, tmp_path):
    """Runs the node for a kind of candidate; returns (verdict, blessing artifact). fresh: (text, label id, day) of fresh rows. best: a
    kind of model that served before the champion. release: of the run."""

    def work(
        kind="good", champion=None, baseline=None, digest=None, known=(), spec="", fresh=(), limits=LIMITS, best=None, release="auto"
    ):  # fmt: skip
        before = published.release("run-0", best) if best else 0

        def served(kind, name):
            artifact = Model()
            artifact.uri = str(tmp_path / f"{name}-{kind}")
            link = Path(path_utils.serving_model_dir(artifact.uri))
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(
                published.model(kind) if name == "baseline" else paths.serving_dir(published.LINE) / str(before + 1)
            )
            return artifact

        candidate, examples, evaluation, blessing = Model(), Examples(), ModelEvaluation(), ModelBlessing()
        candidate.uri = str(tmp_path / f"candidate-{kind}")
        folder = Path(path_utils.serving_model_dir(candidate.uri))
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not folder.exists():
            folder.symlink_to(published.model(kind))
        examples.uri, evaluation.uri, blessing.uri = str(evaluated[0]), str(evaluated[1]), str(tmp_path / "blessing")
        Path(blessing.uri).mkdir(exist_ok=True)
        if fresh:
            examples.uri = str(tmp_path / "examples")
            shutil.copytree(evaluated[0], examples.uri, dirs_exist_ok=True)
            with record_kit.Writer(tmp_path / "fresh") as writer:
                for text, label, day in fresh:
                    writer.write(records.FRESH, text.decode(), int(label), day)
            shutil.copytree(tmp_path / "fresh" / "Split-fresh", Path(examples.uri, "Split-fresh"), dirs_exist_ok=True)
        if champion:
            version = published.release("run-1", champion)
            if known is not None:
                seen_rows.save(seen_rows.place(published.LINE, version), known)
            digest = model_registry.champion(published.LINE)["digest"]
        model_gate.ModelGate.test_call(
            run="run-2", labels=json.dumps(published.LABELS), limits=json.dumps(limits), champion_digest=digest or "",
            examples=examples, model=candidate, evaluation=evaluation, blessing=blessing,
            champion=served(champion, "champion") if champion else None,
            baseline=served(baseline, "baseline") if baseline else None, behaviour=str(spec), release=release,
            best=json.dumps(model_registry.best_released(published.LINE, until=1, labels=[])) if best else "null",
        )  # fmt: skip
        after_node.draw("ModelGate", "run-2", {})
        return fileio.read_json(paths.run_dir("run-2") / "verdict.json"), blessing

    return work
