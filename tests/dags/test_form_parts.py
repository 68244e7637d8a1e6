"""The trigger forms take the limits of a setting from where it is declared."""

import pytest
from airflow.sdk.exceptions import ParamValidationError
from newsdesk_dags.form_parts import limits
from newsdesk_dags.run_form import form

from components.core.validation import ConfigError
from pipelines.config.run_config import Request
from pipelines.config.settings import GateConfig, Schedule


@pytest.mark.parametrize(
    ("model", "name", "expected"),
    [
        (GateConfig, "floor", {"type": "number", "minimum": 0, "maximum": 1}),
        (GateConfig, "alpha", {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5}),
        (Schedule, "release", {"type": "string", "enum": ["auto", "hold", "never"]}),
        (Request, "source", {"type": "string", "maxLength": 4096}),
    ],
)
def test_limits_are_a_setting_s_type_and_range(model, name, expected):
    assert limits(model, name) == expected


def test_a_value_at_the_edge_passes_form_and_settings_and_one_beyond_neither():
    fields = form(Schedule())
    for name, inside, beyond in (
        ("seed", 2**31 - 1, 2**31),
        ("window", "last 30d", "last 30d\n"),
        ("preset", "bag", "bagg"),
    ):
        assert fields[name].resolve(inside) == getattr(Schedule(**{name: inside}), name)
        with pytest.raises(ParamValidationError):
            fields[name].resolve(beyond)
        with pytest.raises(ConfigError):
            Schedule(**{name: beyond})
