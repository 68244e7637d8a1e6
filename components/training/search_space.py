"""What a family's `SPACE` is made of: where a search may look for each setting, around the values that the run was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass

DIGITS = 3  # of a drawn float: settings that a person can read and keep


@dataclass(frozen=True)
class Times:
    """A positive float from `value / factor` to `value * factor`, drawn evenly on a log scale."""

    factor: float

    def declare(self, space, name: str, value: float) -> None:
        space.Float(name, value / self.factor, value * self.factor, sampling="log", default=value)


@dataclass(frozen=True)
class Between:
    """A float from `low` to `high`."""

    low: float
    high: float

    def declare(self, space, name: str, value: float) -> None:
        space.Float(name, min(self.low, value), max(self.high, value), default=value)


@dataclass(frozen=True)
class HalfOrTwice:
    """A whole number: half of it, itself, or twice it."""

    def declare(self, space, name: str, value: int) -> None:
        space.Choice(name, sorted({max(1, value // 2), value, value * 2}), default=value)


# What every family that is trained by gradient steps can search.
DESCENT = {"training.learning_rate": Times(4), "training.epochs": HalfOrTwice()}


def merged(network: Mapping, training: Mapping, values: Mapping) -> tuple[dict, dict]:
    """(network, training) with `values`, by names such as `training.epochs`, in place of their own."""
    sections = {"network": dict(network), "training": dict(training)}
    for name, value in values.items():
        section, _, key = name.partition(".")
        sections[section][key] = value
    return sections["network"], sections["training"]


def rounded(values: Mapping) -> dict:
    """Drawn values as they are used."""
    return {name: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value for name, value in values.items()}
