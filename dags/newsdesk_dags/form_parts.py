"""What all trigger forms share: the limits of a setting, the field for a line, and the check in the task.

Airflow checks a form's values when a run is asked for, but lets unknown keys of its `conf` pass, and `airflow dags trigger`
writes past the web application.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowFailException

from components.core import paths
from pipelines.config.base import Settings
from pipelines.config.settings import END

_LIMITS = (
    "type",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
)


def limits(model: type[Settings], name: str) -> dict[str, Any]:
    """The limits of a setting as a JSON schema, for a `Param`: its type, range, pattern or list of values."""
    schema = model.model_json_schema()["properties"][name]
    return {key: schema[key] for key in _LIMITS if key in schema}


def line_field(line: str, section: str) -> Param:
    """The field for a line. line: what stands in it at first."""
    return Param(
        line,
        title="Line",
        description_md="The registered model, such as **news**.",
        section=section,
        type="string",
        pattern=rf"^{paths.NAME.pattern}{END}",
    )


def refuse_unknown(conf: Mapping[str, Any] | None, names: Iterable[str]) -> None:
    """Raises AirflowFailException where a run's `conf` holds a key that is none of these names."""
    names = tuple(names)
    unknown = sorted(set(conf or {}) - set(names))
    if unknown:
        known = ", ".join(names)
        raise AirflowFailException(f"parameters must be among {known}. Received: unknown={str(unknown)[:200]}")


def checked(fields: Mapping[str, Param], params: Mapping[str, Any], conf: Mapping[str, Any] | None) -> dict:
    """The form's values.

    Raises:
        AirflowFailException: an unknown key, or a value that the form would have refused.
    """
    refuse_unknown(conf, fields)
    asked = {name: params.get(name) for name in fields}
    for name, value in asked.items():
        try:
            fields[name].resolve(value)
        except Exception as error:  # Airflow's own, whose text holds the whole schema
            raise AirflowFailException(f"{name} must be as the form says. Received: {str(value)[:80]!r}") from error
    return asked
