"""The TFX pipeline of one run: the flow's nodes with their artifacts and parameters, from the run's record.

The numbered flow stands in `pipelines/flow.py`; here each node gets its inputs. A test holds both equal.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import tensorflow_data_validation as tfdv
import tensorflow_model_analysis as tfma
from tfx.components.evaluator.component import Evaluator
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.orchestration.pipeline import Pipeline

from components.baseline import Baseline
from components.canary import Canary
from components.champion import Champion
from components.core import paths
from components.core.records import RunRecord
from components.data_gate import DataGate, origin_of
from components.import_schema import ImportSchemaGen
from components.ingester import Ingester
from components.model_gate import ModelGate
from components.pusher import Pusher
from components.registrar import Registrar
from components.registry import model_registry
from components.registry.lost_champion import is_lost
from components.tokenizer import Tokenizer
from components.trainer import Trainer
from components.tuner import Tuner
from pipelines.config import run_config
from pipelines.config.run_config import ConfigError, line_file
from pipelines.flow import FLOW
from pipelines.runner import mlmd_store

# Counting distinct texts exactly holds all of them in memory; a sketch does not, and no check reads the exact number.
STATISTICS = tfdv.StatsOptions(experimental_use_sketch_based_topk_uniques=True)


def eval_config() -> tfma.EvalConfig:
    """Accuracy overall and for each class, of the candidate and, where there is one, the champion."""
    spec = {"signature_name": "serving_default", "label_key": "label", "prediction_key": "probabilities"}
    metric = tfma.MetricConfig(class_name="SparseCategoricalAccuracy")
    # The gate decides by its own paired test. TFMA validates nothing, so it has no threshold.
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(name=tfma.CANDIDATE_KEY, **spec),
            tfma.ModelSpec(name=tfma.BASELINE_KEY, is_baseline=True, **spec),
        ],
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=["label"])],
        metrics_specs=[tfma.MetricsSpec(metrics=[metric, tfma.MetricConfig(class_name="ExampleCount")])],
    )


def nodes(record: RunRecord, attempt: str = "") -> list[BaseComponent]:
    """The components of a run, in the flow's order. attempt: which start of the node to run this is.

    Raises:
        ConfigError: the line has no folder in `data_schemas`.
    """
    reviewed = _reviewed(record.line)
    data = _data_nodes(record, reviewed)
    model = _model_nodes(record, data)
    built = {**data, **model, **_release_nodes(record, attempt, reviewed, {**data, **model})}
    return [built[node.name] for node in FLOW]


def _data_nodes(record: RunRecord, reviewed: Path) -> dict[str, BaseComponent]:
    """Ingester to DataGate, by name."""
    config, code, line = record.config, record.node_code, record.line
    labels = json.dumps(config.labels)
    # Not the files but what is in them: an edited one gives another key, and nothing else in their folder does.
    suite = _json(json.loads((reviewed / "expectations.json").read_text(encoding="utf-8")))
    form = _json(line_file(line).get("files", {}))
    ingester = Ingester(
        files=_json(record.files), form=form, labels=labels, code=code["Ingester"],
        first_label=config.data["first_label"],
        eval_fraction=config.data["eval_fraction"], test_fraction=config.data["test_fraction"],
        fresh_fraction=config.data["fresh_fraction"], fresh_from=config.data["fresh_from"],
    )  # fmt: skip
    examples = ingester.outputs["examples"]
    statistics = StatisticsGen(examples=examples, stats_options=STATISTICS)
    schema = ImportSchemaGen(str(reviewed / "schema.pbtxt"), code=code["ImportSchemaGen"])
    schema.add_upstream_node(ingester)
    validator = ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"])
    origin, champion_data = origin_of(record)
    data_gate = DataGate(
        line=line, labels=labels, limits=_json(config.data), suite=suite, code=code["DataGate"], examples=examples,
        origin=_json(origin), champion=_json(champion_data),
        anomalies=validator.outputs["anomalies"], quarantine=ingester.outputs["quarantine"],
    )  # fmt: skip
    return _by_name(ingester, statistics, schema, validator, data_gate)


def _model_nodes(record: RunRecord, data: Mapping[str, BaseComponent]) -> dict[str, BaseComponent]:
    """Tokenizer to Champion, by name. data: as `_data_nodes` gives them."""
    config, code, line = record.config, record.node_code, record.line
    labels, encoders, pointer = json.dumps(config.labels), _json(record.encoders), _pointer(record)
    examples, data_gate = data["Ingester"].outputs["examples"], data["DataGate"]
    policy = config.training["vocabulary_policy"]
    # Only a run that goes on from the champion depends on which one that is.
    kept = {"line": line, "version": pointer["version"], "digest": pointer["digest"]}
    before = kept if pointer["version"] and policy != "rebuild" else None
    tokenizer = Tokenizer(
        family=config.family, network=_json(config.network), policy=policy,
        before=_json(before), encoders=encoders, code=code["Tokenizer"], examples=examples,
    )  # fmt: skip
    tokenizer.add_upstream_node(data_gate)
    tuner = Tuner(
        family=config.family, network=_json(config.network), training=_json(config.training), seed=config.seed, labels=labels,
        trials=config.tuning.get("trials", 0), rows=config.tuning.get("rows", 0), encoders=encoders, code=code["Tuner"],
        examples=examples, vocabulary=tokenizer.outputs["vocabulary"],
    )  # fmt: skip
    trainer = Trainer(
        examples=examples,
        vocabulary=tokenizer.outputs["vocabulary"],
        hyperparameters=tuner.outputs["best_hyperparameters"],
        config={
            **{key: config[key] for key in ("family", "network", "training", "seed", "labels")},
            "encoders": record.encoders, "code": code["Trainer"],
            "champion": before if config.training["warm_start"] else None,
        },
    )  # fmt: skip
    compared = config.baseline
    baseline = Baseline(
        family=compared["family"], network=_json(compared["network"]),
        training=_json(compared["training"]), labels=labels, seed=1,
        encoders=encoders, code=code["Baseline"], examples=examples,
    )  # fmt: skip
    baseline.add_upstream_node(data_gate)
    champion = Champion(line=line, version=pointer["version"], digest=pointer["digest"], code=code["Champion"])
    champion.add_upstream_node(trainer)
    return _by_name(tokenizer, tuner, trainer, baseline, champion)


def _release_nodes(
    record: RunRecord, attempt: str, reviewed: Path, earlier: Mapping[str, BaseComponent]
) -> dict[str, BaseComponent]:
    """Evaluator to Registrar, by name. earlier: the nodes before them."""
    config, code, line = record.config, record.node_code, record.line
    labels, gates, pointer = json.dumps(config.labels), _json(config.gates), _pointer(record)
    best = model_registry.best_released(line, (record.past or {}).get("sequence"), config.labels)
    ingester, data_gate, trainer = earlier["Ingester"], earlier["DataGate"], earlier["Trainer"]
    baseline, champion, examples = earlier["Baseline"], earlier["Champion"], ingester.outputs["examples"]
    model = trainer.outputs["model"]
    evaluator = Evaluator(
        examples=examples,
        model=model,
        baseline_model=champion.outputs["model"],
        example_splits=["test"],
        eval_config=eval_config(),
    )
    model_gate = ModelGate(
        run=record.run, labels=labels, limits=gates, champion_digest=pointer["digest"], examples=examples, model=model,
        evaluation=evaluator.outputs["evaluation"], baseline=baseline.outputs["model"], champion=champion.outputs["model"],
        best=json.dumps(best), behaviour=str(reviewed / "behaviour.toml"), release=config.release,
        model_run=trainer.outputs["model_run"], data_verdict=data_gate.outputs["verdict"],
    )  # fmt: skip
    blessing = model_gate.outputs["blessing"]
    canary = Canary(
        labels=labels, limits=gates, code=code["Canary"], examples=examples, model=model, model_blessing=blessing,
        champion=champion.outputs["model"],
    )  # fmt: skip
    pusher = Pusher(
        model=model, model_blessing=blessing, infra_blessing=canary.outputs["blessing"],
        config={
            "line": line, "run": record.run, "labels": config.labels, "release": config.release, "attempt": attempt,
        },
    )  # fmt: skip
    registrar = Registrar(
        run=record.run,
        quarantine=ingester.outputs["quarantine"],
        blessing=blessing,
        pushed=pusher.outputs["pushed_model"],
        attempt=attempt,
    )
    return _by_name(evaluator, model_gate, canary, pusher, registrar)


def _by_name(*components: BaseComponent) -> dict[str, BaseComponent]:
    return {component.id: component for component in components}


def _reviewed(line: str) -> Path:
    """The line's folder in `data_schemas`.

    Raises:
        ConfigError: there is none, or it has no schema.
    """
    folder = paths.line_dir(line)
    if not (folder / "schema.pbtxt").is_file():
        raise ConfigError(
            f"a line needs its own reviewed folder; `newsdesk init FOLDER --line {line}` proposes one. "
            f"Received: line={line!r}, no {folder / 'schema.pbtxt'}"
        )
    return folder


def _json(value) -> str:
    """A node's parameter: equal values give equal texts, and so the same cache key."""
    return json.dumps(value, sort_keys=True)


def _pointer(record: RunRecord) -> dict:
    pointer = None if is_lost(record.champion) else record.champion
    return pointer or {"version": 0, "digest": ""}


def pipeline(record: RunRecord, attempt: str = "") -> Pipeline:
    """The TFX pipeline of a run, named after its line, with the line's artifact folder as its root.

    Beam's options are those of `newsdesk.toml` now, not the run's: they change where a node runs and not what it computes.

    Raises:
        ConfigError: a section of `newsdesk.toml` that is no section.
    """
    line = record.line
    return Pipeline(
        pipeline_name=line,
        pipeline_root=str(paths.artifacts_dir(line)),
        components=nodes(record, attempt),
        enable_cache=True,
        metadata_connection_config=mlmd_store.connection_config(),
        beam_pipeline_args=list(run_config.section(run_config.settings(), line, "beam").options),
    )
