"""Configuration of a run: frozen, checked when made, from preset, `newsdesk.toml` and `key=value` overrides.

Precedence: overrides > the request's own fields > `newsdesk.toml` > the preset and the defaults below.
Standard library and tomli only, so that both environments can use it.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import tomli

from components.core import clock, paths
from components.core.validation import ConfigError, check, check_keys, nearest, read
from pipelines.config import hyperparameters
from pipelines.config.lines import DEMO_LINE, LABELS, REAL_LINE, labels_of, line_file, same_source, scheduled_line
from pipelines.config.presets import BASELINE, PRESETS
from pipelines.config.settings import RELEASES, SECTIONS, DataConfig, GateConfig, check_window

_LIMIT = 4096  # characters of any text parameter; longer ones are refused, not cut


@dataclass(frozen=True)
class RunConfig:
    """Everything a run needs but its list of files. `network` and `training` hold the preset's keys, overridden.

    `baseline` is the model that every candidate is compared with: its `family`, `network` and `training`.
    """

    line: str
    source: str
    window: str
    preset: str
    family: str
    seed: int
    release: str
    force: bool
    network: Mapping[str, Any]
    training: Mapping[str, Any]
    baseline: Mapping[str, Any]
    data: DataConfig = field(default_factory=DataConfig)
    gates: GateConfig = field(default_factory=GateConfig)
    labels: tuple[str, ...] = LABELS

    def to_json(self) -> dict:
        value = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {
            **value,
            "network": dict(self.network),
            "training": dict(self.training),
            "baseline": {k: dict(v) if isinstance(v, Mapping) else v for k, v in self.baseline.items()},
            "data": dataclasses.asdict(self.data),
            "gates": dataclasses.asdict(self.gates),
            "labels": list(self.labels),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RunConfig":
        return cls(
            **{
                **value,
                "network": MappingProxyType(dict(value["network"])),
                "training": MappingProxyType(dict(value["training"])),
                "baseline": MappingProxyType(dict(value["baseline"])),
                "data": DataConfig(**value["data"]),
                "gates": GateConfig(**value["gates"]),
                "labels": tuple(value["labels"]),
            }
        )


@dataclass(frozen=True)
class Request:
    """What a person, a schedule or an API asks for; the same fields from form, REST, command line and backfill."""

    source: str = ""
    window: str = ""  # empty: the schedule's where the source is the schedule's own, else "all"
    preset: str = ""
    set: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None  # none: the schedule's
    release: str = ""
    force: bool = False
    as_of: str = ""
    trigger: str = "cli"
    interval: tuple[str, str] | None = None  # the stretch of the time table that the run covers; its end is `as_of`
    line: str = ""  # empty: see `line_of`

    def __post_init__(self):
        for name in ("source", "window", "preset", "release", "as_of", "trigger", "line"):
            value = getattr(self, name)
            check(isinstance(value, str), f"{name} must be text", **{name: value})
            check(
                len(value) <= _LIMIT and value.isprintable(),
                f"{name} must be printable text of at most {_LIMIT} characters",
                **{name: value},
            )
        check(
            self.seed is None or (_is_int(self.seed) and 0 <= self.seed < 2**31),
            "seed must be a whole number in 0..2147483647",
            seed=self.seed,
        )
        check(isinstance(self.force, bool), "force must be true or false", force=self.force)
        check(isinstance(self.set, Mapping), "set must map keys to values", set=self.set)
        check(self.release in ("", *RELEASES), f"release must be one of {', '.join(RELEASES)}", release=self.release)
        check(self.preset in ("", *PRESETS), f"preset must be one of {', '.join(PRESETS)}", preset=self.preset)
        if self.window:
            check_window(self.window)
        if self.as_of:
            clock.parse_time(self.as_of, "as_of")
        try:
            paths.safe_name(self.line or REAL_LINE, "line")
        except ValueError as error:
            raise ConfigError(str(error)) from None

    @classmethod
    def from_json(cls, value: Any) -> "Request":
        """Makes a request from parsed JSON; unknown keys are refused by name.

        Raises:
            ConfigError: not an object, an unknown key, a wrong type or a value out of range.
        """
        check(isinstance(value, dict), "a run's parameters must be a JSON object", config=value)
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(value) - known)
        check(not unknown, f"a run's parameters must be among {', '.join(sorted(known))}", unknown=unknown)
        interval = value.get("interval")
        check(
            interval is None
            or (isinstance(interval, list) and len(interval) == 2 and all(isinstance(t, str) for t in interval)),
            "interval must be null or [start, end]",
            interval=interval,
        )
        return cls(**{**value, "interval": tuple(interval) if interval else None})


def parse_overrides(items: list[str]) -> dict:
    """`["training.epochs=2", "seed=2"]` to a dict; values are JSON where they parse as JSON, else text."""
    result = {}
    for item in items:
        key, equals, text = item.partition("=")
        check(bool(equals and key.strip()), "an override must have the form key=value", override=item)
        try:
            result[key.strip()] = json.loads(text)
        except ValueError:
            result[key.strip()] = text
    return result


def settings(path=None) -> dict:
    """`newsdesk.toml` as a dict of lines; empty where there is no file.

    Raises:
        ConfigError: not TOML, or a section or key that no part of Newsdesk reads.
    """
    path = path or paths.home() / "newsdesk.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        value = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ConfigError(f"newsdesk.toml must be TOML ({error}). Received: {path}") from None
    for line, sections in value.items():
        try:
            paths.safe_name(line, "line")
        except ValueError as error:
            raise ConfigError(f"newsdesk.toml: {error}") from None
        check(isinstance(sections, dict), "a line in newsdesk.toml must be a table", line=line)
        unknown = sorted(set(sections) - set(SECTIONS))
        check(not unknown, f"sections of a line must be among {', '.join(SECTIONS)}", line=line, unknown=unknown)
        for name, keys in sections.items():
            check_keys(SECTIONS[name], keys, f"[{line}.{name}]")
    return value


def section(lines: Mapping[str, Any], line: str, name: str) -> Any:
    """A section of a line as its dataclass, with the defaults where the file says nothing. lines: as `settings()` gives it.

    Raises:
        ConfigError: an unknown key, a wrong type or a value out of range; the message names the line.
    """
    try:
        return read(SECTIONS[name], lines.get(line, {}).get(name, {}), name)
    except ConfigError as error:
        raise ConfigError(f"newsdesk.toml [{line}.{name}]: {error}") from None


def resolve(request: Request, lines: Mapping[str, Any] | None = None) -> RunConfig:
    """Merges a request with `newsdesk.toml` (as `settings()` gives it) and the preset.

    Raises:
        ConfigError: an override that names no setting, or a value of the wrong type or out of range.
    """
    lines = lines or {}
    planned = request.line or scheduled_line(lines)
    source = request.source or section(lines, planned, "schedule").source
    line = line_of(lines, source, request.line if request.source else planned)
    schedule = section(lines, line, "schedule")
    preset, baseline = PRESETS[request.preset or schedule.preset], PRESETS[BASELINE]
    line_training = line_file(line).get("training", {})
    sections = {
        "network": dict(preset.network),
        "training": {**preset.training, **line_training},
        "data": dataclasses.asdict(section(lines, line, "data")),
        "gates": dataclasses.asdict(section(lines, line, "gates")),
    }
    top = {"seed": schedule.seed if request.seed is None else request.seed}
    for key, value in request.set.items():
        part, _, name = str(key).rpartition(".")
        target = sections.get(part) if part else top
        known = [*top, *(f"{section}.{name}" for section, names in sections.items() for name in names)]
        check(
            target is not None and name in target,
            f"an override must name a setting{nearest(str(key), known)}",
            override=key,
        )
        target[name] = _typed(key, value, target[name])
    request = dataclasses.replace(request, seed=top["seed"])
    network = _checked("network", sections["network"])
    wrong = hyperparameters.network_fault(preset.family, network)
    check(wrong is None, f"the network's settings must go together: {wrong}", preset=preset.name)
    return RunConfig(
        line=line,
        source=source,
        window=request.window or (schedule.window if same_source(source, schedule.source) else "all"),
        preset=preset.name,
        family=preset.family,
        seed=request.seed,
        release=request.release or schedule.release,
        force=request.force,
        network=network,
        training=_checked_training(sections["training"]),
        baseline=MappingProxyType(
            {
                "family": baseline.family,
                "network": baseline.network,
                "training": MappingProxyType({**baseline.training, **line_training}),
            }
        ),
        data=DataConfig(**sections["data"]),
        gates=GateConfig(**sections["gates"]),
        labels=labels_of(line),
    )


def line_of(lines: Mapping[str, Any], source: str, asked: str = "") -> str:
    """The line that a run on this source works for: the demo's own for the demo, else the one asked for, else the line whose
    schedule reads this source, else the real one.

    Raises:
        ConfigError: no line was asked for, and several schedules read this source.
    """
    if source == "demo" or asked:
        return DEMO_LINE if source == "demo" else asked
    found = [
        name
        for name, sections in lines.items()
        if "schedule" in sections and same_source(source, section(lines, name, "schedule").source)
    ]
    check(
        len(found) < 2, f"several lines read this source; say which: --line {' or --line '.join(found)}", source=source
    )
    return found[0] if found else REAL_LINE


def own_line(lines: Mapping[str, Any], line: str, source: str) -> str:
    """`line` where its schedule reads this source; empty where it does not, and the source decides on the line."""
    return line if same_source(source, section(lines, line, "schedule").source) else ""


def _typed(key: str, value: Any, like: Any) -> Any:
    """`value` in the type of the setting it replaces; a whole number may stand for a float, nothing else is bent."""
    if isinstance(like, float) and _is_int(value):
        value = float(value)
    same = type(value) is type(like)
    finite = not isinstance(value, float) or math.isfinite(value)
    check(same and finite, f"{key} must be of type {type(like).__name__} (now {like!r})", **{str(key): value})
    return value


def _checked(section: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, value in values.items():
        wrong = hyperparameters.fault(name, value)
        check(wrong is None, f"{section}.{name} {wrong}", **{name: value})
    return MappingProxyType(dict(values))


def _checked_training(training: Mapping[str, Any]) -> Mapping[str, Any]:
    check(
        not training["warm_start"] or training["vocabulary_policy"] != "rebuild",
        "training.warm_start needs training.vocabulary_policy=extend or freeze, since weights belong to a vocabulary",
        vocabulary_policy=training["vocabulary_policy"],
    )
    return _checked("training", training)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
