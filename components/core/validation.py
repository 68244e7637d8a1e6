"""Errors of configuration: the rule, then what was received. Standard library only."""

import difflib
from collections.abc import Collection, Mapping
from typing import Any


class ConfigError(ValueError):
    """A parameter is unknown, of the wrong type or out of range; the message names rule and value."""


def check(condition: bool, rule: str, **received: Any) -> None:
    """Raises ConfigError where the condition does not hold. received: values by name, shown in their first 80 characters."""
    if not condition:
        raise ConfigError(rule + shown(received))


def shown(received: Mapping[str, Any]) -> str:
    """How a message ends that names the values received; empty where there are none."""
    values = ", ".join(f"{name}={_short(value)}" for name, value in received.items())
    return f". Received: {values}" if values else ""


def _short(value: Any) -> str:
    return repr(value[:80]) if isinstance(value, str) else repr(value)[:80]


def nearest(name: str, known: Collection[str]) -> str:
    """The hint for an unknown name: the most similar known name, else all of them."""
    last = {each.rpartition(".")[2]: each for each in reversed(list(known))}  # of two with one last part, the first
    similar = difflib.get_close_matches(name, known, 1)
    similar = similar or [last[each] for each in difflib.get_close_matches(name.rpartition(".")[2], last, 1)]
    return f" (did you mean {similar[0]}?)" if similar else f": {', '.join(known)}"
