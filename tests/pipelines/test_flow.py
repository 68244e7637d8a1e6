"""The table, the graph that TFX compiles and the order of the command line are one."""

import json

import pytest

from components.core.records import RunRecord
from pipelines import retraining
from pipelines.config import run_config
from pipelines.config.presets import BASELINE, PRESETS
from pipelines.flow import FLOW, NODES
from pipelines.runner import node_code

CONFIG = run_config.resolve(run_config.Request()).to_json()
RECORD = RunRecord.from_json({"run": "r", **node_code.snapshot(), "config": CONFIG})


def test_tfx_compiles_exactly_the_edges_of_the_table():
    for component in retraining.pipeline(RECORD).components:
        upstream = {node.id for node in component.upstream_nodes}
        assert upstream == set(NODES[component.id].upstream), component.id


def test_the_pipeline_has_one_component_a_row_in_the_same_order():
    assert [c.id for c in retraining.nodes(RECORD)] == [node.name for node in FLOW]


def test_every_node_comes_after_what_it_needs():
    seen = set()
    for node in FLOW:
        assert set(node.upstream) <= seen, node.name
        seen.add(node.name)


def test_what_moves_the_pointer_or_decides_is_never_cached():
    assert {node.name for node in FLOW if not node.cached} == {"ModelGate", "Pusher", "Registrar"}


def test_the_baseline_gets_all_of_its_preset_through_parameters():
    (baseline,) = (node for node in retraining.nodes(RECORD) if node.id == "Baseline")
    preset, given = PRESETS[BASELINE], baseline.exec_properties
    assert given["family"] == preset.family
    assert json.loads(given["network"]) == dict(preset.network)
    assert set(json.loads(given["training"])) == set(preset.training)


def test_a_line_without_reviewed_schemas_is_told_what_it_needs():
    record = RunRecord.from_json({**RECORD, "config": {**CONFIG, "line": "sports"}})
    with pytest.raises(run_config.ConfigError, match=r"`newsdesk init FOLDER --line sports` proposes one"):
        retraining.nodes(record)
