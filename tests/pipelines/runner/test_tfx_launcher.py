"""A node's result counts only where code and encoders are still what its run was opened with."""

from dataclasses import replace

import pytest

from pipelines.config import run_config
from pipelines.runner import mlmd_store, runs, tfx_launcher


@pytest.fixture
def record(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "train.csv").write_text('"1","A title","A text."\n')
    mlmd_store.ensure()
    return runs.open_run("r1", run_config.Request(source=str(folder)))


def test_a_result_of_other_code_is_neither_published_nor_offered_by_the_cache(record):
    edited = replace(record, run="r0", code_files={**record.code_files, "components/data/row_format.py": "edited"})
    with pytest.raises(runs.Changed, match=r"components/data/row_format\.py"):
        tfx_launcher.launch(edited, "ImportSchemaGen")
    assert tfx_launcher.launch(record, "ImportSchemaGen").state == "done"
    assert tfx_launcher.launch(replace(record, run="r2"), "ImportSchemaGen").state == "cached"
