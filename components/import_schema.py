"""ImportSchemaGen: TFX's ImportSchemaGen, with the content of the schema in its cache key.

Reads: the line's reviewed `schema.pbtxt`. Makes: Schema. TFX's own key holds only the file's path, so an edited schema would be
ignored. Raises for a file that is no schema, or that changed before the node copied it.
"""

from pathlib import Path

from tfx.components.schema_gen import executor as schema_gen
from tfx.components.schema_gen.import_schema_gen import executor as tfx_executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs
from tfx.types.channel import Channel
from tfx.types.component_spec import ExecutionParameter


class _Executor(tfx_executor.Executor):
    """TFX's executor; checks that it copied the content in the cache key."""

    def Do(self, input_dict, output_dict, exec_properties) -> None:
        super().Do(input_dict, output_dict, exec_properties)
        folder = artifact_utils.get_single_uri(output_dict[standard_component_specs.SCHEMA_KEY])
        if Path(folder, schema_gen.DEFAULT_FILE_NAME).read_text(encoding="utf-8") != exec_properties["content"]:
            raise ValueError(f"the schema must stay as it is during a node. Received: {exec_properties['schema_file']}")


class _Spec(standard_component_specs.ImportSchemaGenSpec):
    PARAMETERS = {
        **standard_component_specs.ImportSchemaGenSpec.PARAMETERS,
        "content": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }


class ImportSchemaGen(base_component.BaseComponent):
    """outputs: `schema` (Schema)."""

    SPEC_CLASS = _Spec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(_Executor)

    def __init__(self, schema_file: str, code: str):
        """code: hash of code and libraries, for the cache."""
        content = Path(schema_file).read_text(encoding="utf-8")
        schema = Channel(type=standard_artifacts.Schema)
        super().__init__(_Spec(schema_file=schema_file, content=content, code=code, schema=schema))
