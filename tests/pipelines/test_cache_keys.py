"""A node's cache key, as TFX computes it: what the node computes from is in it, and nothing else."""

import copy
import shutil

import pytest
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import data_types_utils
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import cache_utils, inputs_utils, runtime_parameter_utils

from components.core import paths
from components.core.records import RunRecord
from pipelines import retraining
from pipelines.config import run_config
from pipelines.flow import FLOW, NODES
from pipelines.runner import node_code

CHAMPION = {"version": 3, "digest": "d" * 64}
RECORD = {
    "run": "r", "data_hash": "h", "champion": None, "encoders": {"hf:/folder": "one"}, **node_code.snapshot(),
    "files": [{"path": "/data/train.csv", "sha256": "s", "split": "train", "span": "", "bytes": 1, "kind": "text"}],
    "config": run_config.resolve(run_config.Request()).to_json(),
}  # fmt: skip
OURS = {"Ingester", "ImportSchemaGen", "DataGate", "Tokenizer", "Tuner", "Trainer", "Baseline", "Champion", "Canary"}


@pytest.fixture
def keys(monkeypatch):
    """The cache keys of a record's nodes. chained: an artifact is another one where its producer's key is."""
    monkeypatch.setattr(
        cache_utils.context_lib,
        "register_context_if_not_exists",
        lambda metadata_handle, context_type_name, context_name: context_name,
    )

    def of(record, chained=False):
        pipeline = retraining.pipeline(RunRecord.from_json(record))
        ir = compiler.Compiler().compile(pipeline)
        runtime_parameter_utils.substitute_runtime_parameter(ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: "run"})
        deployment = runner_utils.extract_local_deployment_config(ir)
        components, found = {c.id: c for c in pipeline.components}, {}
        for node in (each.pipeline_node for each in ir.nodes):
            name, inputs = node.node_info.id, {}
            for key, channel in components[name].inputs.items():
                artifact = channel.type()
                maker = channel.producer_component_id
                artifact.uri = f"{maker}/{channel.output_key}/{found[maker] if chained else ''}"
                inputs[key] = [artifact]
            given = data_types_utils.build_parsed_value_dict(
                inputs_utils.resolve_parameters_with_schema(node.parameters)
            )
            found[name] = cache_utils.get_cache_context(
                None, node, ir.pipeline_info, runner_utils.extract_executor_spec(deployment, name), inputs, {}, given
            )
        return found

    return of


@pytest.fixture
def reviewed(tmp_path, monkeypatch):
    """`data_schemas/` of a copy that a test may change."""
    shutil.copytree(paths.REPOSITORY / "data_schemas", tmp_path / "data_schemas")
    (tmp_path / "README.md").write_text("Newsdesk")
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    return tmp_path / "data_schemas"


def other(value):
    """Another value of the same type."""
    return (not value) if isinstance(value, bool) else value + ("x" if isinstance(value, str) else 1)


def changed(record: dict, path: str, value=None) -> dict:
    """The record with another value at `config/seed` and the like."""
    record = copy.deepcopy(record)
    *parents, name = path.split("/")
    inner = record
    for parent in parents:
        inner = inner[parent]
    inner[name] = other(inner[name]) if value is None else value
    return record


def differing(before: dict, after: dict) -> set[str]:
    return {name for name in before if before[name] != after[name]}


ALL_LABELS = {"Ingester", "DataGate", "Tuner", "Trainer", "Baseline", "ModelGate", "Canary", "Pusher"}


@pytest.mark.parametrize(
    ("path", "value", "nodes"),
    [
        ("files", [], {"Ingester"}),
        ("config/labels", ["a", "b"], ALL_LABELS),
        ("config/data/first_label", 0, {"Ingester", "DataGate"}),
        ("config/data/eval_fraction", None, {"Ingester", "DataGate"}),
        ("config/data/test_fraction", None, {"Ingester", "DataGate"}),
        ("config/seed", None, {"Tuner", "Trainer"}),
        ("config/family", None, {"Tokenizer", "Tuner", "Trainer"}),
        ("config/baseline/family", None, {"Baseline"}),
        ("config/gates/floor", None, {"ModelGate", "Canary"}),
        ("config/window", None, {"DataGate"}),
        ("config/release", "hold", {"ModelGate", "Pusher"}),
        ("config/preset", None, set()),
        ("data_hash", None, set()),
        ("code", None, set()),
        ("encoders", {"hf:/folder": "two"}, {"Tokenizer", "Tuner", "Trainer", "Baseline"}),
        ("champion", CHAMPION, {"Champion", "ModelGate"}),
        ("champion", {**CHAMPION, "event": {"kind": "lost"}}, set()),  # it is as if nothing served
        ("run", None, {"ModelGate", "Pusher", "Registrar"}),
    ],
)
def test_a_changed_value_gives_another_key_to_the_nodes_that_compute_from_it_and_to_no_others(keys, path, value, nodes):
    assert differing(keys(RECORD), keys(changed(RECORD, path, value))) == nodes


@pytest.mark.parametrize(
    ("section", "nodes"),
    [
        ("network", {"Tokenizer", "Tuner", "Trainer"}),
        ("training", {"Tuner", "Trainer"}),
        ("tuning", {"Tuner"}),
        ("baseline/network", {"Baseline"}),
        ("baseline/training", {"Baseline"}),
        ("data", {"DataGate"}),
    ],
)
def test_every_setting_is_in_the_keys_of_its_nodes(keys, section, nodes):
    before, values = keys(RECORD), RECORD["config"]
    for part in section.split("/"):
        values = values[part]
    for name, value in values.items():
        if not isinstance(value, (dict, list, tuple)):
            also = {"Tokenizer"} if name == "vocabulary_policy" and section == "training" else set()
            also |= (
                {"Ingester"}
                if name in ("first_label", "eval_fraction", "test_fraction", "fresh_fraction", "fresh_from")
                else set()
            )
            after = keys(changed(RECORD, f"config/{section}/{name}"))
            assert differing(before, after) == nodes | also, f"{section}.{name}"


def test_the_code_of_a_node_is_in_its_own_key_alone(keys):
    before = keys(RECORD)
    for node in FLOW:
        after = keys(changed(RECORD, f"node_code/{node.name}"))
        assert differing(before, after) == {node.name} & OURS, node.name


def test_other_libraries_give_every_node_another_key_for_itself_or_for_what_it_reads(keys):
    record = {**RECORD, "node_code": {name: digest + "x" for name, digest in RECORD["node_code"].items()}}
    assert differing(keys(RECORD), keys(record)) == OURS
    assert differing(keys(RECORD, chained=True), keys(record, chained=True)) == set(NODES)


def test_a_node_of_ours_is_hashed_from_the_module_that_defines_it():
    for component in retraining.nodes(RunRecord.from_json(RECORD)):
        module = type(component).__module__
        files = node_code.files_of(component.id)
        own = paths.REPOSITORY.joinpath(*module.split(".")).with_suffix(".py")
        assert own in files if module.startswith("components.") else not files, component.id


@pytest.mark.parametrize(
    ("file", "old", "new", "nodes"),
    [
        ("news-demo/schema.pbtxt", "feature", "# stricter\nfeature", {"ImportSchemaGen"}),
        ("news-demo/expectations.json", '"mostly": 0.', '"mostly": 0.0', {"DataGate"}),
        ("news-demo/line.toml", '"headline"', '"head"', {"Ingester"}),
        ("news-demo/line.toml", "Invented", "Made", set()),
        ("news-demo/behaviour.toml", "\n", "\n\n", set()),
        ("news/schema.pbtxt", "feature", "# stricter\nfeature", set()),
        ("news/expectations.json", "[", "[ ", set()),
        ("news/line.toml", '"headline"', '"head"', set()),
        ("../README.md", "Newsdesk", "News", set()),
    ],
)
def test_a_reviewed_file_is_in_the_keys_of_the_nodes_that_read_it(keys, reviewed, file, old, new, nodes):
    before, path = keys(RECORD), reviewed / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert differing(before, keys(RECORD)) == nodes


def test_an_edited_schema_is_what_the_next_validation_judges_by(keys, reviewed):
    before = keys(RECORD, chained=True)
    path = reviewed / "news-demo" / "schema.pbtxt"
    path.write_text(path.read_text() + "\n")
    assert differing(before, keys(RECORD, chained=True)) >= {"ImportSchemaGen", "ExampleValidator", "DataGate"}
