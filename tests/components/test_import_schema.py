"""The schema as an artifact: what is written is what the cache key names."""

import shutil
from pathlib import Path

import pytest
from tfx.types.standard_artifacts import Schema

from components.core import paths
from components.import_schema import ImportSchemaGen, _Executor

REVIEWED = paths.REPOSITORY / "data_schemas" / "news" / "schema.pbtxt"


def work(path: Path, out: Path, given: dict) -> None:
    artifact = Schema()
    artifact.uri = str(out)
    _Executor().Do({}, {"schema": [artifact]}, given)


def test_the_reviewed_schema_is_published_and_its_content_is_a_parameter(tmp_path):
    node = ImportSchemaGen(str(REVIEWED), code="c")
    work(REVIEWED, tmp_path, node.exec_properties)
    assert (tmp_path / "schema.pbtxt").read_text() == REVIEWED.read_text() == node.exec_properties["content"]


def test_a_schema_edited_between_key_and_copy_is_refused(tmp_path):
    path = Path(shutil.copy(REVIEWED, tmp_path / "own.pbtxt"))
    given = ImportSchemaGen(str(path), code="c").exec_properties
    path.write_text(path.read_text() + "\n# looser\n")
    with pytest.raises(ValueError, match="must stay as it is during a node"):
        work(path, tmp_path, given)
