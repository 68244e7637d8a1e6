"""One table of `newsdesk.toml` as a dataclass: its keys are the fields, its values have the fields' types."""

import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_args, get_origin

T = TypeVar("T")
_OPEN = (bool, int, float)  # types whose values may be shown in an error: no secret is a number


class ConfigError(ValueError):
    """A parameter is unknown, of the wrong type or out of range; the message names rule and value."""


def check(condition: bool, rule: str, **received: Any) -> None:
    """Raises ConfigError where the condition does not hold. received: values by name, shown in their first 80 characters."""
    if not condition:
        shown = ", ".join(f"{name}={_short(value)}" for name, value in received.items())
        raise ConfigError(rule + (f". Received: {shown}" if shown else ""))


def _short(value: Any) -> str:
    return repr(value[:80]) if isinstance(value, str) else repr(value)[:80]


def nearest(name: str, known: Collection[str]) -> str:
    """The hint for an unknown name: the most similar known name, else all of them."""
    last = {each.rpartition(".")[2]: each for each in reversed(list(known))}  # of two with one last part, the first
    similar = difflib.get_close_matches(name, known, 1)
    similar = similar or [last[each] for each in difflib.get_close_matches(name.rpartition(".")[2], last, 1)]
    return f" (did you mean {similar[0]}?)" if similar else f": {', '.join(known)}"


def within(thing: Any, section: str, low: float, high: float, *names: str) -> None:
    """Raises ConfigError where one of these fields does not lie in low..high; NaN does not."""
    for name in names:
        value = getattr(thing, name)
        check(low <= value <= high, f"{section}.{name} must lie in {low:g}..{high:g}", **{name: value})


def check_keys(kind: type, table: Any, where: str) -> None:
    """Raises ConfigError where this is no table, or has a key that is no field of `kind`."""
    check(isinstance(table, Mapping), f"{where} must be a table", value=table)
    known = [field.name for field in fields(kind)]
    unknown = sorted(set(table) - set(known))
    hint = nearest(unknown[0], known) if len(unknown) == 1 else f": {', '.join(known)}"
    check(not unknown, f"a key of {where} must be known{hint}", unknown=unknown)


def read(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """Makes `kind` from a table; what the table leaves out has the field's default.

    where: the section's name, such as `gates`.

    Raises:
        ConfigError: no table, an unknown key, a wrong type; or what `kind` itself refuses.
    """
    check_keys(kind, table, where)
    types = {field.name: field.type for field in fields(kind)}
    return kind(**{name: _fitting(types[name], value, f"{where}.{name}") for name, value in table.items()})


def _fitting(kind: Any, value: Any, name: str) -> Any:
    """`value` as the field's type: ints are accepted for floats and lists for tuples; no other coercion."""
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        check(
            isinstance(value, list | tuple) and all(type(one) is item for one in value),
            f"{name} must be a list of {item.__name__}",
            type=type(value).__name__,
        )
        return tuple(value)
    if get_origin(kind) is not None:
        item = get_args(kind)[1]
        fits = isinstance(value, Mapping) and all(type(one) is item for one in value.values())
        check(fits, f"{name} must be a table of {item.__name__}", type=type(value).__name__)
        return dict(value)
    if kind is float and type(value) is int:
        value = float(value)
    fits = type(value) is kind and (kind is not float or math.isfinite(value))
    shown = {"value": value} if kind in _OPEN else {"type": type(value).__name__}
    check(fits, f"{name} must be of type {kind.__name__}", **shown)
    return value
