"""The serving model as an artifact: a link to the checked folder, or a refusal."""

from pathlib import Path

import published
import pytest
from tfx.types.standard_artifacts import Model
from tfx.utils import path_utils

from components.champion import Champion
from components.core import paths
from components.registry import model_registry


@pytest.fixture
def publish(tmp_path):
    """Runs the node for a version and a digest; returns the artifact."""
    published.release("run-1")
    model = Model()
    model.uri = str(tmp_path / "artifact")

    def work(**more):
        pointer = model_registry.champion(published.LINE)
        given = {"line": published.LINE, "version": pointer["version"], "digest": pointer["digest"], **more}
        Champion.test_call(**given, model=model)
        return model

    return work


def test_the_artifact_leads_to_the_served_folder_also_when_an_attempt_left_its_link(publish):
    for _ in range(2):
        model = publish()
        assert Path(path_utils.serving_model_dir(model.uri)).resolve() == paths.serving_dir(published.LINE) / "1"
    assert model.get_int_custom_property("version") == 1


def test_a_champion_whose_files_changed_is_refused(publish):
    path = paths.serving_dir(published.LINE) / "1" / "variables" / "variables.index"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(model_registry.RegistryError, match=r"differs in variables/variables.index"):
        publish()


def test_a_champion_that_is_another_model_than_the_pointer_says_is_refused(publish):
    with pytest.raises(model_registry.RegistryError, match=r"what the pointer names, 0000"):
        publish(digest="0" * 64)


def test_a_missing_champion_is_refused(publish):
    with pytest.raises(model_registry.RegistryError, match=r"Received: .*7 without one"):
        publish(version=7)
