"""One declaration a setting: every field has a description and a default that it accepts; every error names rule and value, no secret."""

import pytest

from components.core.validation import ConfigError
from pipelines.config import base, hyperparameters
from pipelines.config.run_config import Request
from pipelines.config.settings import SECTIONS, GateConfig, NotifySettings

MODELS = [*SECTIONS.values(), Request, hyperparameters.Training]


@pytest.mark.parametrize("model", [*MODELS, hyperparameters.Network], ids=lambda model: model.__name__)
def test_every_setting_is_described_and_its_type_and_range_are_in_the_schema(model):
    for name, schema in model.model_json_schema()["properties"].items():
        assert schema.get("description", "").endswith("."), name
        assert schema.keys() & {"type", "enum", "anyOf"}, name


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_defaults_are_values_that_the_model_accepts(model):
    settings = model()
    assert model(**settings.model_dump()) == settings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"floor": "0.8"}, "gates.floor must be of type float. Received: value='0.8'"),
        ({"floor": True}, "gates.floor must be of type float. Received: value=True"),
        ({"floor": float("nan")}, "gates.floor must be of type float. Received: value=nan"),
        ({"floor": 2}, "gates.floor must lie in 0..1. Received: floor=2"),
        ({"alpha": 0.5}, "gates.alpha must lie between 0 and 0.5. Received: alpha=0.5"),
        ({"recall_margin": 0.5}, "gates.recall_margin must lie between 0 and 0.5 (0 allowed). Received: recall_margin=0.5"),
        ({"max_mb": 0.0}, "gates.max_mb must be over 0. Received: max_mb=0.0"),
        ({"min_rows": 0}, "gates.min_rows must be at least 1. Received: min_rows=0"),
        ({"min_rows": 2.0}, "gates.min_rows must be of type int. Received: value=2.0"),
        ({"flor": 1}, "a key of gates must be known (did you mean floor?). Received: unknown=['flor']"),
    ],
)  # fmt: skip
def test_an_error_is_the_rule_and_what_was_received(values, message):
    with pytest.raises(ConfigError) as refused:
        GateConfig(**values)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    "values",
    [
        {"password_env": "hunter2!"},
        {"webhook_env": "https://hooks/hunter2"},
        {"smtp": "smtp://user:hunter2@mail", "to": ["a@b"]},
        {"smtp": ["hunter2"], "to": ["a@b"]},
        {"webhook": "ftp://x:hunter2@host"},
        {"webhook": 5, "password_env": "hunter2"},
        {"password_env": ["hunter2"]},
    ],
)
def test_an_error_shows_no_secret(values):
    with pytest.raises(ConfigError) as refused:
        NotifySettings(**values)
    assert "hunter2" not in str(refused.value) and refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_whole_numbers_stand_for_floats_and_lists_for_tuples_and_nothing_else_is_converted():
    class Toy(base.Settings):
        section = "toy"
        share: float = 0.0
        names: base.ListOf[str] = ()

    toy = Toy(share=1, names=["a"])
    assert (toy.share, type(toy.share), toy.names) == (1.0, float, ("a",))
    for values in ({"share": "1"}, {"names": "a"}, {"names": {"a"}}, {"names": [1]}, {"names": (b"a",)}):
        with pytest.raises(ConfigError, match=r"^toy\.\w+ must be"):
            Toy(**values)


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        GateConfig().floor = 0.1
