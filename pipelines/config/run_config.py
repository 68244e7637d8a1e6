"""Configuration of a run: frozen, checked when made, from preset, `newsdesk.toml` and `key=value` overrides.

Precedence: overrides > the request's own fields > `newsdesk.toml` > the preset and the defaults below. What `newsdesk keep` wrote for a preset (`[<line>.tuned]`)
replaces that preset's own settings.
No TensorFlow, so that both environments can use it.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Literal

import tomli
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from components.core import clock, paths
from components.core.validation import ConfigError, check, nearest
from pipelines.config import hyperparameters
from pipelines.config.base import Rule, Settings
from pipelines.config.hyperparameters import Tuning
from pipelines.config.lines import DEMO_LINE, LABELS, REAL_LINE, labels_of, line_file, same_source, scheduled_line
from pipelines.config.presets import BASELINE, PRESETS
from pipelines.config.settings import (
    END,
    REAL_DAY,
    RELEASES,
    SECTIONS,
    SEED_LIMIT,
    WINDOW,
    WINDOW_RULE,
    DataConfig,
    GateConfig,
    Schedule,
    Seed,
)

_LIMIT = 4096  # characters of any text parameter; longer ones are refused, not cut
_TEXT_RULE = Rule(f"must be printable text of at most {_LIMIT} characters")
Text = Annotated[str, Field(max_length=_LIMIT), _TEXT_RULE]


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
    tuning: Tuning = field(default_factory=Tuning)
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
            "tuning": self.tuning.model_dump(),
            "data": self.data.model_dump(),
            "gates": self.gates.model_dump(),
            "labels": list(self.labels),
        }


class Request(Settings):
    """What a person, a schedule or an API asks for; the same fields from form, REST, command line and backfill."""

    source: Text = Field("", title="Source", description="demo, tfds, or a folder. Empty: the schedule's.")
    window: Annotated[str, Field(pattern=rf"^{END}|{WINDOW}"), WINDOW_RULE, REAL_DAY] = Field(
        "", title="Window", description="Empty: the schedule's where the source is the schedule's own, else all."
    )
    preset: Literal[("", *PRESETS)] = Field("", title="Model", description="Empty: the schedule's.")
    set: dict[str, Any] = Field(
        {}, title="Overrides", description="Settings that differ, by name, such as training.epochs."
    )
    seed: Annotated[Seed | None, Rule(f"must be a whole number in 0..{SEED_LIMIT}")] = Field(
        None, title="Seed", description="None: the schedule's."
    )
    release: Literal[("", *RELEASES)] = Field("", title="Release", description="Empty: the schedule's.")
    force: Annotated[bool, Rule("must be true or false")] = Field(
        False, title="Force", description="Train again although nothing changed."
    )
    as_of: Text = Field("", description="ISO time: the end of the window.")
    trigger: Text = Field("cli", description="What started the run.")
    interval: Annotated[
        tuple[str, str] | None,
        BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
        Rule("must be null or [start, end]"),
    ] = Field(None, description="The stretch of the time table that the run covers; its end is `as_of`.")
    line: Text = Field("", title="Line", description="Empty: see `line_of`.")

    @field_validator("source", "as_of", "trigger", "line")
    @classmethod
    def _printable(cls, text: str, info: ValidationInfo) -> str:
        check(text.isprintable(), f"{info.field_name} {_TEXT_RULE.text}", **{info.field_name: text})
        return text

    @field_validator("as_of")
    @classmethod
    def _time(cls, text: str) -> str:
        _ = text and clock.parse_time(text, "as_of")
        return text

    @field_validator("line")
    @classmethod
    def _name(cls, line: str) -> str:
        try:
            return line and paths.safe_name(line, "line")
        except ValueError as error:
            raise ConfigError(str(error)) from None

    @classmethod
    def from_json(cls, value: Any) -> "Request":
        """Makes a request from parsed JSON.

        Raises:
            ConfigError: not an object, an unknown key, a wrong type or a value out of range.
        """
        check(isinstance(value, dict), "a run's parameters must be a JSON object", config=value)
        cls.check_keys(value, "a run's parameters")
        return cls(**value)


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
            SECTIONS[name].check_keys(keys, f"[{line}.{name}]")
    return value


def section(lines: Mapping[str, Any], line: str, name: str) -> Any:
    """A section of a line as its model, with the defaults for missing keys. lines: as `settings()` gives it.

    Raises:
        ConfigError: an unknown key, a wrong type or a value out of range; the message names the line.
    """
    try:
        return SECTIONS[name].read(lines.get(line, {}).get(name, {}))
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
        "tuning": hyperparameters.Tuning().model_dump(),
        "data": section(lines, line, "data").model_dump(),
        "gates": section(lines, line, "gates").model_dump(),
    }
    top = {"seed": schedule.seed if request.seed is None else request.seed}
    tuned = section(lines, line, "tuned")
    kept = tuned.set if tuned.preset == preset.name else {}
    for key, value in {**kept, **request.set}.items():
        part, _, name = str(key).rpartition(".")
        target = sections.get(part) if part else top
        known = [*top, *(f"{section}.{name}" for section, names in sections.items() for name in names)]
        check(
            target is not None and name in target,
            f"an override must name a setting{nearest(str(key), known)}",
            override=key,
        )
        target[name] = value
    network = hyperparameters.network(sections["network"])
    hyperparameters.check_together(preset.family, network)
    training = hyperparameters.for_this_processor(hyperparameters.training(sections["training"]))
    tuning = hyperparameters.Tuning(**sections["tuning"])
    check(
        not (tuning.trials and training["warm_start"]),
        "tuning.trials needs training.warm_start=false, since the champion's weights fit its own settings alone",
        trials=tuning.trials,
    )
    return RunConfig(
        line=line,
        source=source,
        window=request.window or (schedule.window if same_source(source, schedule.source) else "all"),
        preset=preset.name,
        family=preset.family,
        seed=Schedule(seed=top["seed"]).seed,
        release=request.release or schedule.release,
        force=request.force,
        network=network,
        training=training,
        tuning=tuning,
        baseline=MappingProxyType(
            {
                "family": baseline.family,
                "network": baseline.network,
                "training": hyperparameters.for_this_processor(
                    hyperparameters.training({**baseline.training, **line_training})
                ),
            }
        ),
        data=DataConfig(**sections["data"]),
        gates=GateConfig(**sections["gates"]),
        labels=labels_of(line),
    )


def line_of(lines: Mapping[str, Any], source: str, asked: str = "") -> str:
    """The line that a run on this source works for: the demo's own for the demo, else the one given, else the line whose
    schedule reads this source, else the real one.

    Raises:
        ConfigError: no line was given, and several schedules read this source.
    """
    if source == "demo" or asked:
        return DEMO_LINE if source == "demo" else asked
    readers = [
        name
        for name, sections in lines.items()
        if "schedule" in sections and same_source(source, section(lines, name, "schedule").source)
    ]
    check(
        len(readers) < 2,
        f"several lines read this source; say which: --line {' or --line '.join(readers)}",
        source=source,
    )
    return readers[0] if readers else REAL_LINE


def own_line(lines: Mapping[str, Any], line: str, source: str) -> str:
    """`line` where its schedule reads this source; empty where it does not, and the source decides on the line."""
    return line if same_source(source, section(lines, line, "schedule").source) else ""
