"""Launches one node of a run through TFX's launcher. All use of TFX's private interface is here.

Four of its habits need care. A failed input resolution returns normally, so the state is read back from MLMD; a node that
succeeded is silently not run again, so a repeat first retires the earlier execution and its artifacts; an execution that failed
or was retired would be taken up again with its output folder, so `_Launcher` registers a new one; and the cache gives out an
artifact whose folder exists, so its files are compared here, and a damaged result is retired and made again.
"""

import components  # noqa: F401  # first of all: it sets what TensorFlow reads from the environment at its import

# isort: split
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import execution_publish_utils, launcher, runtime_parameter_utils
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.proto.orchestration import pipeline_pb2

from components.core import paths
from components.core.records import RunRecord
from components.core.states import NodeState
from components.data import row_engine
from pipelines import retraining
from pipelines.config import run_config
from pipelines.flow import NODES
from pipelines.runner import artifact_files, runs

_ENDED_WELL = {mlmd.Execution.COMPLETE: NodeState.DONE, mlmd.Execution.CACHED: NodeState.CACHED}


class NodeFailed(Exception):
    """A node ended without success and without an exception of its own."""


@dataclass(frozen=True)
class Launched:
    """state: DONE or CACHED. properties: custom properties of the output artifacts, by name. uris: by output name."""

    state: NodeState
    properties: dict = field(default_factory=dict)
    uris: dict = field(default_factory=dict)


def launch(record: RunRecord, name: str, attempt: str = "", again: bool = False) -> Launched:
    """Runs one node of a run, or takes its result from the cache.

    attempt: which start of the node this is. again: the node ended well before in this run and shall run anew, without the cache.

    Raises:
        NodeFailed: an input is missing or was not produced. Whatever the node itself raises comes through.
        runs.Changed: the node computed with other code or another encoder than its run was opened with.
    """
    ir = compiler.Compiler().compile(retraining.pipeline(record, attempt))
    run_context = f"{record.line}.{record.run}"
    runtime_parameter_utils.substitute_runtime_parameter(ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_context})
    node = next(n.pipeline_node for n in ir.nodes if n.pipeline_node.node_info.id == name)
    cached = NODES[name].cached and not again and not record.config.force
    node.execution_options.caching_options.enable_cache = cached
    deployment = runner_utils.extract_local_deployment_config(ir)
    connection = metadata.Metadata(connection_config(deployment))
    if again:
        _retire(connection, run_context, node)
    # As Beam's options (`retraining.pipeline`): those of `newsdesk.toml` now, not the run's, and in no cache key.
    engine = run_config.section(run_config.settings(), record.line, "engine")
    folder = paths.artifacts_dir(record.line) / name

    def run() -> None:
        _Launcher(
            lambda: runs.check_unchanged(record, NODES[name]),
            folder,
            pipeline_node=node,
            mlmd_connection=connection,
            pipeline_info=ir.pipeline_info,
            pipeline_runtime_spec=ir.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, name),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
        ).launch()

    try:
        with row_engine.on(engine.spark):
            run()
            while damage := _cache_damage(connection, run_context, node, folder):
                print(f"{name}: a cached result is withdrawn and made again: {damage}", file=sys.stderr, flush=True)
                _retire(connection, run_context, node)
                run()
    except BaseException:
        _close_running(connection, run_context, node)
        raise
    return _result(connection, run_context, node)


class _Launcher(launcher.Launcher):
    """Gives every attempt at a node an execution of its own.

    TFX names output folders by the execution, and ImportSchemaGen and Great Expectations refuse a folder in which an earlier
    attempt left its files. An execution still open belongs to an attempt that was killed: a run starts a node once at a time.

    check: raises where the result must not be published under the node's cache key. folder: of all artifacts of the node.
    """

    def __init__(self, check: Callable[[], None], folder: Path, **spec):
        super().__init__(**spec)
        self._check, self._folder = check, folder

    def _publish_successful_execution(self, execution_id, contexts, output_dict, executor_output):
        self._check()
        if NODES[self._pipeline_node.node_info.id].cached:
            uris = [artifact.uri for artifacts in output_dict.values() for artifact in artifacts]
            artifact_files.record(self._folder, execution_id, uris)
        super()._publish_successful_execution(execution_id, contexts, output_dict, executor_output)

    def _register_or_reuse_execution(self, metadata_handle, contexts, input_artifacts=None, exec_properties=None):
        earlier = execution_lib.get_executions_associated_with_all_contexts(metadata_handle, contexts)
        for execution in earlier:
            if execution_lib.is_execution_successful(execution):
                return execution
        _fail_open(metadata_handle.store, earlier)
        return execution_publish_utils.register_execution(
            metadata_handle=metadata_handle,
            execution_type=self._pipeline_node.node_info.type,
            contexts=contexts,
            input_artifacts=input_artifacts,
            exec_properties=exec_properties,
        )


def connection_config(deployment) -> mlmd.ConnectionConfig:
    config = deployment.metadata_connection_config
    return getattr(config, config.WhichOneof("connection_config"))


def _executions(handle: metadata.Metadata, run_context: str, node: pipeline_pb2.PipelineNode) -> list:
    """The executions of a node in a run, newest last."""
    store = handle.store
    context = store.get_context_by_type_and_name("pipeline_run", run_context)
    if context is None:
        return []
    type_name = node.node_info.type.name
    types = {t.id for t in store.get_execution_types() if t.name == type_name}
    own = [e for e in store.get_executions_by_context(context.id) if e.type_id in types]
    return sorted(own, key=lambda e: e.id)


def _cache_damage(
    connection: metadata.Metadata, run_context: str, node: pipeline_pb2.PipelineNode, folder: Path
) -> str:
    """What is damaged in the result that a node took from the cache; empty where nothing is, or where the node was run."""
    with connection as handle:
        executions = _executions(handle, run_context, node)
        if not executions or executions[-1].last_known_state != mlmd.Execution.CACHED:
            return ""
        events = handle.store.get_events_by_execution_ids([executions[-1].id])
        taken = [e.artifact_id for e in events if e.type == mlmd.Event.OUTPUT]
        events = handle.store.get_events_by_artifact_ids(taken)
    # The one that made them is the first; the others took them from the cache.
    maker = min((e.execution_id for e in events if e.type == mlmd.Event.OUTPUT), default=0)
    return artifact_files.damage(folder, maker)


def _result(connection: metadata.Metadata, run_context: str, node: pipeline_pb2.PipelineNode) -> Launched:
    name = node.node_info.id
    with connection as handle:
        executions = _executions(handle, run_context, node)
        state = executions[-1].last_known_state if executions else None
        if state not in _ENDED_WELL:
            shown = mlmd.Execution.State.Name(state) if state is not None else "none"
            raise NodeFailed(
                f"{name} must find its inputs and end well. Received: execution state {shown}. The log above names the input or the error."
            )
        events = handle.store.get_events_by_execution_ids([executions[-1].id])
        names = {e.artifact_id: e.path.steps[0].key for e in events if e.type == mlmd.Event.OUTPUT}
        artifacts = handle.store.get_artifacts_by_id(list(names))
    properties = {}
    for artifact in artifacts:
        for values in (artifact.properties, artifact.custom_properties):
            for key, value in values.items():
                properties[key] = getattr(value, value.WhichOneof("value")) if value.WhichOneof("value") else None
    lost = [a.uri for a in artifacts if not Path(a.uri).exists()]
    if lost:
        raise NodeFailed(f"{name}'s artifacts must exist. Received: {', '.join(lost)} are gone")
    return Launched(_ENDED_WELL[state], properties, {names[a.id]: a.uri for a in artifacts})


def _retire(connection: metadata.Metadata, run_context: str, node: pipeline_pb2.PipelineNode) -> None:
    """Withdraws what a node made in this run: its artifacts become abandoned, its execution canceled.

    A result that came from the cache is withdrawn where it was made as well: an artifact has one state for all runs, and
    a cache that still offered an abandoned one would starve later runs. The files stay.
    """
    with connection as handle:
        store = handle.store
        own = _executions(handle, run_context, node)
        made = [
            e.artifact_id for e in store.get_events_by_execution_ids([e.id for e in own]) if e.type == mlmd.Event.OUTPUT
        ]
        artifacts = store.get_artifacts_by_id(made)
        for artifact in artifacts:
            artifact.state = mlmd.Artifact.ABANDONED
        makers = {e.execution_id for e in store.get_events_by_artifact_ids(made) if e.type == mlmd.Event.OUTPUT}
        executions = store.get_executions_by_id(list(makers | {e.id for e in own}))
        for execution in executions:
            execution.last_known_state = mlmd.Execution.CANCELED
        store.put_artifacts(artifacts)
        store.put_executions(executions)


def _close_running(connection: metadata.Metadata, run_context: str, node: pipeline_pb2.PipelineNode) -> None:
    """A node that a signal ended must not stay RUNNING in MLMD."""
    with connection as handle:
        _fail_open(handle.store, _executions(handle, run_context, node))


def _fail_open(store, executions: list) -> None:
    """Marks those as failed that are still open."""
    left = [e for e in executions if execution_lib.is_execution_active(e)]
    for execution in left:
        execution.last_known_state = mlmd.Execution.FAILED
    store.put_executions(left)
