"""Presets are plain, complete and typed, so that an override can be checked against them in both environments."""

import subprocess
import sys

import pytest

from components.models import linear
from pipelines.config.presets import DEFAULT, PRESETS, TRAINING, Preset


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_found_by_its_own_name_and_has_a_card(name):
    assert PRESETS[name].name == name
    assert "accuracy" in PRESETS[name].card
    assert 0 < len(PRESETS[name].summary) <= 80, "one line in a form"


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_every_preset_has_every_training_setting_with_its_default_s_type(preset):
    assert list(preset.training) == list(TRAINING)
    assert {key: type(value) for key, value in preset.training.items()} == {
        key: type(TRAINING[key]) for key in TRAINING
    }


def test_presets_of_one_family_have_the_same_network_settings_with_the_same_types():
    """But for the linear part's, which a preset that has it may name."""
    shapes = {}
    for preset in PRESETS.values():
        beside = linear.DEFAULTS if preset.network.get("wide") else ()
        shape = {key: type(value) for key, value in preset.network.items() if key not in beside}
        assert shapes.setdefault(preset.family, shape) == shape


def test_the_default_is_a_preset():
    assert DEFAULT in PRESETS


def test_a_preset_cannot_be_changed():
    with pytest.raises(TypeError):
        PRESETS[DEFAULT].training["epochs"] = 99
    with pytest.raises(AttributeError):
        PRESETS[DEFAULT].name = "other"


def test_a_misspelt_training_setting_is_refused_by_name():
    with pytest.raises(ValueError, match=r"did you mean epochs\?\)\. Received: unknown=\['epoch'\]$"):
        Preset("toy", "bag", {}, {"epoch": 3}, "a toy", "accuracy")


def test_presets_need_neither_tensorflow_nor_airflow():
    code = "import sys, pipelines.config.presets as p; print([m for m in ('tensorflow', 'numpy', 'airflow') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=p_root())
    assert shown.stdout.strip() == "[]"


def p_root() -> str:
    from pathlib import Path

    import pipelines

    return str(Path(pipelines.__file__).parents[1])
