"""`[<line>.monitor]` of `newsdesk.toml`: what is looked at, when, and where the limits lie. Standard library only."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import PurePath
from typing import Any

from pipelines import config

_DISTANCES = ("max_words", "max_lengths", "max_classes")
_SHARES = (*_DISTANCES, "max_confidence_drop", "max_quarantined", "queue_unlike")


@dataclass(frozen=True)
class MonitorSettings:
    """folder: recent articles. cron, timezone: when Airflow looks at them; without a cron only when asked. window: as of a run.

    max_words, max_lengths, max_classes: distance of a batch from the champion's train rows, 0..1 (`components.drift`).
    max_confidence_drop: by how much the mean confidence may lie below the champion's on its own test rows.
    max_quarantined: share of rows that may be unreadable. min_rows: readable rows below which drift is not judged.
    queue_rows: texts that a batch asks labels for; queue_unlike: share of them chosen for being unlike the train rows, the rest
    for being unsure.
    """

    folder: str = ""
    cron: str = ""
    timezone: str = "UTC"
    window: str = "all"
    max_words: float = 0.1
    max_lengths: float = 0.1
    max_classes: float = 0.1
    max_confidence_drop: float = 0.05
    max_quarantined: float = 0.01
    min_rows: int = 100
    queue_rows: int = 100
    queue_unlike: float = 0.25

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not field.type:
                raise config.ConfigError(
                    f"monitor.{field.name} must be of type {field.type.__name__}. Received: {value!r:.80}"
                )
        for name in _SHARES:
            if not (math.isfinite(getattr(self, name)) and 0 <= getattr(self, name) <= 1):
                raise config.ConfigError(f"monitor.{name} must lie in 0..1. Received: {getattr(self, name)!r:.80}")
        for name in ("min_rows", "queue_rows"):
            if not 0 <= getattr(self, name) <= 1_000_000:
                raise config.ConfigError(
                    f"monitor.{name} must lie in 0..1000000. Received: {getattr(self, name)!r:.80}"
                )
        config.Request(window=self.window)
        if self.folder and not PurePath(self.folder).is_absolute():
            raise config.ConfigError(f"monitor.folder must be an absolute path. Received: {self.folder!r:.80}")
        if self.cron and not self.folder:
            raise config.ConfigError(f"monitor.cron needs monitor.folder. Received: cron={self.cron!r:.80}")


def of(line: str, lines: Mapping[str, Any] | None = None) -> MonitorSettings:
    """The settings of a line. lines: as `config.settings()` gives them; None reads `newsdesk.toml`.

    Raises:
        ConfigError: an unknown key, a wrong type or a value out of range.
    """
    told = (config.settings() if lines is None else lines).get(line, {}).get("monitor", {})
    known = {field.name: field.type for field in fields(MonitorSettings)}
    unknown = sorted(set(told) - set(known))
    if unknown:
        raise config.ConfigError(
            f"keys of [{line}.monitor] must be among {', '.join(known)}. Received: unknown={unknown}"
        )
    whole = {name for name, value in told.items() if known[name] is float and type(value) is int}
    return MonitorSettings(**{name: float(value) if name in whole else value for name, value in told.items()})


def dags(lines: Mapping[str, Any]) -> dict[str, str]:
    """Airflow's monitoring DAGs and their lines: `news_monitor`, and one more for each further line with such a section."""
    first = config.scheduled_line(lines)
    more = [line for line, sections in lines.items() if line != first and "monitor" in sections]
    return {"news_monitor": first, **{f"news_monitor_{line}": line for line in more}}
