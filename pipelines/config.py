"""Configuration of a run: frozen, checked when made, from preset, `newsdesk.toml` and `key=value` overrides.

Precedence: overrides > the request's own fields > `newsdesk.toml` > the preset and the defaults below.
Standard library and tomli only, so that both environments can use it.
"""

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any

import tomli

from pipelines import checks, home, hyperparameters
from pipelines.presets import PRESETS

RELEASES = ("auto", "hold", "never")
DEMO_LINE = "news-demo"
REAL_LINE = "news"
LABELS = ("World", "Sports", "Business", "Sci/Tech")
_LIMIT = 4096  # characters of any text parameter; longer ones are refused, not cut


class ConfigError(ValueError):
    """A parameter is unknown, of the wrong type or out of range; the message names rule and value."""


def _check(condition: bool, rule: str, **received: Any) -> None:
    if not condition:
        shown = ", ".join(f"{name}={str(value)[:80]!r}" for name, value in received.items())
        raise ConfigError(f"{rule}. Received: {shown}")


_SHARES = (
    "max_quarantined",
    "max_leaked",
    "min_class_share",
    "max_class_share",
    "min_rows_kept",
    "max_near_duplicates",
    "max_drift",
    "max_noise",
    "max_upper",
)


@dataclass(frozen=True)
class DataConfig:
    """eval_fraction, test_fraction: shares of rows in 0..1; the test share counts only where the source has no test file.
    max_quarantined: share of rows that may be unreadable. max_foreign_labels: rows that may carry a label outside the line's.
    max_leaked: train rows that are test rows too, as a share of the test rows; they are left out, and more of them stop the run.
    min_rows: train rows. min_class_share, max_class_share: share of one class among train rows.
    min_rows_kept: least share of the champion's rows, where source and window are the same.
    max_near_duplicates: share of train rows. max_drift: distance from the champion's rows, 0..1. max_noise: loss of agreement
    between words and labels, in 0..1. max_upper: share of titles in capitals. first_label: number of the first class in files.
    checks: outcome by check name (`pipelines.checks`): off, warn or stop. reason: why a check is milder than it was made."""

    eval_fraction: float = 0.05
    test_fraction: float = 0.1
    max_quarantined: float = 0.01
    max_foreign_labels: int = 0
    max_leaked: float = 0.002
    min_rows: int = 200
    min_class_share: float = 0.02
    max_class_share: float = 0.8
    min_rows_kept: float = 0.7
    max_near_duplicates: float = 0.1
    max_drift: float = 0.1
    max_noise: float = 0.06
    max_upper: float = 0.3
    first_label: int = 1
    checks: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    def __post_init__(self):
        for name in ("eval_fraction", "test_fraction"):
            _check(
                0 < getattr(self, name) < 0.5, f"data.{name} must lie between 0 and 0.5", **{name: getattr(self, name)}
            )
        for name in _SHARES:
            _check(0 <= getattr(self, name) <= 1, f"data.{name} must lie in 0..1", **{name: getattr(self, name)})
        for name in ("max_foreign_labels", "min_rows"):
            _check(getattr(self, name) >= 0, f"data.{name} must not be negative", **{name: getattr(self, name)})
        _check(self.first_label in (0, 1), "data.first_label must be 0 or 1", first_label=self.first_label)
        _check(isinstance(self.checks, Mapping), "data.checks must map names to outcomes", checks=self.checks)
        unknown = sorted(str(name) for name in self.checks if name not in checks.DEFAULTS)
        _check(not unknown, f"data.checks must name checks among {', '.join(checks.DEFAULTS)}", unknown=unknown)
        wrong = {name: said for name, said in self.checks.items() if said not in checks.OUTCOMES}
        _check(not wrong, f"an outcome in data.checks must be one of {', '.join(checks.OUTCOMES)}", checks=wrong)
        milder = checks.softened(self.checks)
        _check(
            not milder or bool(self.reason.strip()), "data.reason must say why a check is made milder", checks=milder
        )


@dataclass(frozen=True)
class GateConfig:
    """floor: least test accuracy, 0..1. alpha: level of each one-sided paired test. min_rows: test rows needed.
    margin: accuracy that a candidate must be shown not to lose against champion and best, as a share of the rows.
    class_margin, length_margin: share right that no class and no third of the texts by length may significantly lose against
    them. max_flips: share of texts whose label a name, a typo, capitals or punctuation may flip; flip_margin: how far over the
    champion's share (the presets flip 5% or less on validation rows, and differ by 2 points).
    p99_ms: slowest tolerated answer for one text in the canary, in milliseconds. p99_ratio: the same as a multiple of the
    champion's, measured beside it; what takes less than p99_free_ms is fast enough (0.1 s is what people notice: Miller 1968,
    doi:10.1145/1476589.1476628). max_mb: size of the exported folder, 10^6 bytes."""

    floor: float = 0.75
    alpha: float = 0.05
    min_rows: int = 200
    margin: float = 0.01
    class_margin: float = 0.02
    length_margin: float = 0.02
    max_flips: float = 0.1
    flip_margin: float = 0.05
    p99_ms: float = 1000.0
    p99_ratio: float = 3.0
    p99_free_ms: float = 100.0
    max_mb: float = 1000.0

    def __post_init__(self):
        _check(0 <= self.floor <= 1, "gates.floor must lie in 0..1", floor=self.floor)
        _check(0 < self.alpha < 0.5, "gates.alpha must lie between 0 and 0.5", alpha=self.alpha)
        _check(self.min_rows >= 1, "gates.min_rows must be at least 1", min_rows=self.min_rows)
        for name in ("margin", "class_margin", "length_margin", "max_flips", "flip_margin"):
            _check(
                0 < getattr(self, name) < 0.5, f"gates.{name} must lie between 0 and 0.5", **{name: getattr(self, name)}
            )
        for name in ("p99_ms", "p99_free_ms", "max_mb"):
            _check(getattr(self, name) > 0, f"gates.{name} must be positive", **{name: getattr(self, name)})
        _check(self.p99_ratio >= 1, "gates.p99_ratio must be at least 1", p99_ratio=self.p99_ratio)


@dataclass(frozen=True)
class RunConfig:
    """Everything a run needs but its list of files. `network` and `training` hold the preset's keys, overridden.

    `baseline` holds the training settings of the bag that every candidate is compared with.
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
            "baseline": dict(self.baseline),
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
    window: str = "all"
    model: str = ""
    set: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1
    release: str = ""
    force: bool = False
    as_of: str = ""
    trigger: str = "cli"
    interval: tuple[str, str] | None = None
    line: str = ""  # empty: the line whose schedule has this source, else the real one; the demo source has its own

    def __post_init__(self):
        for name in ("source", "window", "model", "release", "as_of", "trigger", "line"):
            value = getattr(self, name)
            _check(isinstance(value, str), f"{name} must be text", **{name: value})
            _check(
                len(value) <= _LIMIT and value.isprintable(),
                f"{name} must be printable text of at most {_LIMIT} characters",
                **{name: value},
            )
        _check(
            _is_int(self.seed) and 0 <= self.seed < 2**31,
            "seed must be a whole number in 0..2147483647",
            seed=self.seed,
        )
        _check(isinstance(self.force, bool), "force must be true or false", force=self.force)
        _check(isinstance(self.set, Mapping), "set must map keys to values", set=self.set)
        _check(self.release in ("", *RELEASES), f"release must be one of {', '.join(RELEASES)}", release=self.release)
        _check(self.model in ("", *PRESETS), f"model must be one of {', '.join(PRESETS)}", model=self.model)
        _check(bool(re.fullmatch(r"all|last \d{1,4}d|\d{4}-\d\d-\d\d", self.window)),
               "window must be 'all', 'last Nd' or a date YYYY-MM-DD", window=self.window)  # fmt: skip
        if self.as_of:
            parse_time(self.as_of, "as_of")
        try:
            home.safe_name(self.line or REAL_LINE, "line")
        except ValueError as error:
            raise ConfigError(str(error)) from None

    @classmethod
    def from_json(cls, value: Any) -> "Request":
        """Makes a request from parsed JSON; unknown keys are refused by name.

        Raises:
            ConfigError: not an object, an unknown key, a wrong type or a value out of range.
        """
        _check(isinstance(value, dict), "a run's parameters must be a JSON object", config=value)
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(value) - known)
        _check(not unknown, f"a run's parameters must be among {', '.join(sorted(known))}", unknown=unknown)
        interval = value.get("interval")
        _check(
            interval is None
            or (isinstance(interval, list) and len(interval) == 2 and all(isinstance(t, str) for t in interval)),
            "interval must be null or [start, end]",
            interval=interval,
        )
        return cls(**{**value, "interval": tuple(interval) if interval else None})


def parse_time(text: str, name: str) -> datetime:
    """An aware UTC time from ISO 8601 text; a time without a zone is taken as UTC."""
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ConfigError(f"{name} must be an ISO 8601 time. Received: {name}={text[:80]!r}") from None
    return time.astimezone(timezone.utc) if time.tzinfo else time.replace(tzinfo=timezone.utc)


def parse_overrides(items: list[str]) -> dict:
    """`["training.epochs=2", "seed=2"]` to a dict; values are JSON where they parse as JSON, else text."""
    result = {}
    for item in items:
        key, equals, text = item.partition("=")
        _check(bool(equals and key.strip()), "an override must have the form key=value", override=item)
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
    path = path or home.home() / "newsdesk.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        value = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ConfigError(f"newsdesk.toml must be TOML ({error}). Received: {path}") from None
    for line, sections in value.items():
        home.safe_name(line, "line")
        _check(isinstance(sections, dict), "a line in newsdesk.toml must be a table", line=line)
        unknown = sorted(set(sections) - set(_SECTIONS))
        _check(not unknown, f"sections of a line must be among {', '.join(_SECTIONS)}", line=line, unknown=unknown)
        for section, keys in sections.items():
            unknown = sorted(set(keys) - set(_SECTIONS[section]))
            _check(
                not unknown,
                f"keys of [{line}.{section}] must be among {', '.join(_SECTIONS[section])}",
                unknown=unknown,
            )
    return value


_SECTIONS = {
    "schedule": ("cron", "timezone", "source", "window", "preset", "seed", "release"),
    "data": tuple(f.name for f in dataclasses.fields(DataConfig)),
    "gates": tuple(f.name for f in dataclasses.fields(GateConfig)),
    "retention": ("keep", "pinned", "runs", "cache_days", "scored_days"),  # read by `pipelines.retention`
    "monitor": (  # read by `pipelines.monitor_settings`
        *("folder", "cron", "timezone", "window", "max_words", "max_lengths", "max_classes", "max_confidence_drop"),
        *("max_quarantined", "min_rows", "queue_rows", "queue_unlike"),
    ),
    "notify": (  # read by `pipelines.notify`
        *("on", "smtp", "to", "sender", "password_env", "webhook", "webhook_env", "file"),
        *("max_age_days", "deadline_hours"),
    ),
}


def scheduled_line(lines: Mapping[str, Any]) -> str:
    """The line that the schedule retrains: the real one, else the first of the file, else the demo."""
    return REAL_LINE if REAL_LINE in lines else next(iter(lines), DEMO_LINE)


def retrain_dags(lines: Mapping[str, Any]) -> dict[str, str]:
    """Airflow's retraining DAGs and their lines: `news_retrain`, and one more for each further line with a schedule."""
    first = scheduled_line(lines)
    more = [line for line, sections in lines.items() if line != first and "schedule" in sections]
    return {"news_retrain": first, **{f"news_retrain_{line}": line for line in more}}


def resolve(request: Request, lines: Mapping[str, Any] | None = None) -> RunConfig:
    """Merges a request with `newsdesk.toml` (as `settings()` gives it) and the preset.

    Raises:
        ConfigError: an override that names no setting, or a value of the wrong type or out of range.
    """
    lines = lines or {}
    schedule = lines.get(request.line or scheduled_line(lines), {}).get("schedule", {})
    source = request.source or schedule.get("source", "demo")
    line = (
        DEMO_LINE
        if source == "demo"
        else request.line
        or next((name for name, s in lines.items() if s.get("schedule", {}).get("source") == source), REAL_LINE)
    )
    own = lines.get(line, {})
    preset = PRESETS.get(request.model or own.get("schedule", {}).get("preset", "transformer"))
    _check(
        preset is not None, f"preset must be one of {', '.join(PRESETS)}", preset=own.get("schedule", {}).get("preset")
    )
    sections = {
        "network": dict(preset.network),
        "training": {**preset.training, **line_file(line).get("training", {})},
        "data": {**dataclasses.asdict(DataConfig()), **own.get("data", {})},
        "gates": {**dataclasses.asdict(GateConfig()), **own.get("gates", {})},
    }
    top = {"seed": request.seed}
    for key, value in request.set.items():
        section, _, name = str(key).rpartition(".")
        target = sections.get(section) if section else top
        _check(
            target is not None and name in target,
            "an override must name a setting: " + _known(sections, top),
            override=key,
        )
        target[name] = _typed(key, value, target[name])
    if top["seed"] != request.seed:
        request = dataclasses.replace(request, seed=top["seed"])
    return RunConfig(
        line=line,
        source=source,
        window=request.window,
        preset=preset.name,
        family=preset.family,
        seed=request.seed,
        release=request.release or own.get("schedule", {}).get("release", "auto"),
        force=request.force,
        network=_checked("network", sections["network"]),
        training=_checked_training(sections["training"]),
        baseline=MappingProxyType({**PRESETS["bag"].training, **line_file(line).get("training", {})}),
        data=DataConfig(**sections["data"]),
        gates=GateConfig(**sections["gates"]),
        labels=labels_of(line),
    )


def line_file(line: str) -> dict:
    """`data_schemas/<line>/line.toml`: `labels`, and `training`, settings that go before the presets' own; empty without one."""
    path = home.REPOSITORY / "data_schemas" / line / "line.toml"
    return tomli.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def labels_of(line: str) -> tuple[str, ...]:
    """The class names of a line; one without a folder has the usual ones."""
    return tuple(line_file(line).get("labels", LABELS))


def _typed(key: str, value: Any, like: Any) -> Any:
    """`value` in the type of the setting it replaces; a whole number may stand for a float, nothing else is bent."""
    if isinstance(like, float) and _is_int(value):
        value = float(value)
    same = type(value) is type(like)
    finite = not isinstance(value, float) or math.isfinite(value)
    _check(same and finite, f"{key} must be of type {type(like).__name__} (now {like!r})", **{str(key): value})
    return value


def _checked(section: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, value in values.items():
        wrong = hyperparameters.fault(name, value)
        _check(wrong is None, f"{section}.{name} {wrong}", **{name: value})
    return MappingProxyType(dict(values))


def _checked_training(training: Mapping[str, Any]) -> Mapping[str, Any]:
    _check(
        not training["warm_start"] or training["vocabulary_policy"] != "rebuild",
        "training.warm_start needs training.vocabulary_policy=extend or freeze, since weights belong to a vocabulary",
        vocabulary_policy=training["vocabulary_policy"],
    )
    return _checked("training", training)


def _known(sections: Mapping[str, Mapping], top: Mapping) -> str:
    return ", ".join([*top, *(f"{section}.{name}" for section, names in sections.items() for name in names)])


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
