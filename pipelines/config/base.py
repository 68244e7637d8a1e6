"""What every table of settings is: a frozen pydantic model whose errors are `ConfigError`s in the project's wording.

A setting is one field: its type, default, range (`Field(ge=, le=)` or `Literal`) and description. Whole numbers are accepted for floats and
lists for tuples; nothing else is converted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from components.core.validation import ConfigError, check, nearest, shown

T = TypeVar("T")
# A list, as TOML and JSON have it, for a tuple.
ListOf = Annotated[tuple[T, ...], BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)]


@dataclass(frozen=True)
class Rule:
    """Metadata of a field: the rule in words, where its range does not state it. It continues the field's name."""

    text: str


class Settings(BaseModel):
    """A table of settings. `section`: its name in messages, such as `gates`.

    Raises:
        ConfigError: an unknown key, a wrong type or a value out of range. The message names rule and value; a text of the wrong type
            is shown by its type alone, because it may be a secret.
    """

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        regex_engine="python-re",  # Rust's knows no look-ahead
    )
    section: ClassVar[str] = ""

    def __init__(self, **values: Any):
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise config_error(type(self), values, error) from None

    @classmethod
    def read(cls: type[T], table: Any) -> T:
        """The settings of a parsed table; what it leaves out has the field's default."""
        cls.check_keys(table)
        return cls(**table)

    @classmethod
    def check_keys(cls, table: Any, where: str = "") -> None:
        """Raises ConfigError where this is no table, or has a key that is no field. where: the table's name in the message."""
        where = where or cls.section
        check(isinstance(table, Mapping), f"{where} must be a table", value=table)
        known = list(cls.model_fields)
        unknown = sorted(str(key) for key in table if key not in known)
        hint = nearest(unknown[0], known) if len(unknown) == 1 else f": {', '.join(known)}"
        check(not unknown, f"a key of {where} must be known{hint}", unknown=unknown)


def config_error(model: type[Settings], values: Mapping[str, Any], error: ValidationError) -> ConfigError:
    """The first of pydantic's errors in the project's wording. values: what the model was made from."""
    first = error.errors(include_url=False)[0]
    raised = first.get("ctx", {}).get("error")
    if isinstance(raised, ConfigError):  # a validator of ours, which words its own
        return raised
    if first["type"] == "extra_forbidden":
        return _raised(model.check_keys, values)
    name = str(first["loc"][0])
    field, value = model.model_fields[name], values.get(name)
    rule = next((item.text for item in field.metadata if isinstance(item, Rule)), "")
    if first["type"].endswith("_type") or first["type"] == "finite_number":
        kind = _type(field.annotation)
        is_open = kind in ("bool", "int", "float")  # no secret is a number
        received = {name if rule else "value": value} if is_open else {"type": type(value).__name__}
        default_rule = f"must be {kind if kind.startswith('a ') else f'of type {kind}'}"
    else:
        received, default_rule = {name: value}, _range(field) or first["msg"]
    return ConfigError(f"{f'{model.section}.' if model.section else ''}{name} {rule or default_rule}{shown(received)}")


def _raised(function: Any, *args: Any) -> ConfigError:
    try:
        function(*args)
    except ConfigError as error:
        return error
    raise AssertionError("pydantic refused what this accepts")


def _type(annotation: Any) -> str:
    """A field's type for people: `float`, `a list of int`, `a table of str`."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(args[0])
    if origin is tuple:
        return f"a list of {_type(args[0])}"
    if origin is dict:
        return "a table" if args[1] is Any else f"a table of {_type(args[1])}"
    if origin is Literal:
        return type(args[0]).__name__
    if args and origin is not None and type(None) in args:
        return _type(Union[tuple(arg for arg in args if arg is not type(None))])  # noqa: UP007
    return annotation.__name__


def _range(field: FieldInfo) -> str:
    """The rule that a field's bounds or its list of values state; empty where it has none."""
    for annotation in (field.annotation, *get_args(field.annotation)):
        while get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        if get_origin(annotation) is Literal:
            return f"must be one of {', '.join(str(value) for value in get_args(annotation) if value != '')}"
    bound = {type(item): item for item in field.metadata}
    low = bound[Ge].ge if Ge in bound else bound[Gt].gt if Gt in bound else None
    high = bound[Le].le if Le in bound else bound[Lt].lt if Lt in bound else None
    if low is None and high is None:
        return ""
    if high is None:
        return f"must be at least {low:g}" if Ge in bound else f"must be over {low:g}"
    if low is None:
        return f"must be at most {high:g}" if Le in bound else f"must be under {high:g}"
    if Ge in bound and Le in bound:
        return f"must lie in {_number(low)}..{_number(high)}"
    allowed = f" ({low:g} allowed)" if Ge in bound else f" ({high:g} allowed)" if Le in bound else ""
    return f"must lie between {low:g} and {high:g}{allowed}"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"
