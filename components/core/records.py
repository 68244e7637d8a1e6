"""What Newsdesk writes down about runs and versions, as types: a run's record, the model gate's verdict, a version's card.

Parsed where a file is read: a field of a wrong type, or a missing one that no version did without, is an error with the file's
path. Files of earlier versions lack later fields, which then have their defaults; fields of later versions are kept in `other`, so
that nothing is lost when a file is written again. A record is a read-only mapping of its fields as well, for pages and JSON.
Standard library only.
"""

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Union

from components.core import errors, fileio


class Record(Mapping):
    """Base of the records; subclasses are frozen dataclasses."""

    other: dict

    @classmethod
    def from_json(cls, value: Any, path: Path | str = "memory"):
        """path: where the value was read, for errors.

        Raises:
            DamagedFile: a field is missing or of another type.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise errors.DamagedFile(Path(path), f"a {cls.__name__}", _shown(value))
        known, hints = {}, _hints(cls)
        for each in fields(cls):
            if each.name == "other":
                continue
            if each.name in value:
                known[each.name] = _parsed(hints[each.name], value[each.name], each.name, path)
            elif each.default is MISSING and each.default_factory is MISSING:
                raise errors.DamagedFile(
                    Path(path), f"`{each.name}` of a {cls.__name__}", f"only {', '.join(value) or 'nothing'}"
                )
        return cls(**known, other={name: item for name, item in value.items() if name not in hints})

    @classmethod
    def read(cls, path: Path):
        """The record in a JSON file; None where there is no such file.

        Raises:
            DamagedFile: it holds something else.
        """
        value = fileio.read_json(path)
        return None if value is None else cls.from_json(value, path)

    def to_json(self) -> dict:
        return {name: value.to_json() if isinstance(value, Record) else value for name, value in self.items()}

    def __getitem__(self, name: str) -> Any:
        if name in self.other:
            return self.other[name]
        if name not in _hints(type(self)) or name == "other":
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        yield from (each.name for each in fields(self) if each.name != "other")
        yield from self.other

    def __len__(self) -> int:
        return len(list(iter(self)))


@dataclass(frozen=True)
class RecordedConfig(Record):
    """What a run was asked for, resolved. network, training, gates, data: settings by name, as the nodes take them (JSON)."""

    line: str = ""
    preset: str = ""
    family: str = ""
    labels: list = field(default_factory=list)
    source: str = ""
    window: str = ""
    release: str = ""
    seed: int = 0
    force: bool = False
    network: dict = field(default_factory=dict)
    training: dict = field(default_factory=dict)
    tuning: dict = field(default_factory=dict)
    data: dict = field(default_factory=dict)
    gates: dict = field(default_factory=dict)
    baseline: dict = field(default_factory=dict)
    other: dict = field(default_factory=dict, repr=False)

    @property
    def milder_checks(self) -> dict[str, str]:
        """Data checks whose outcome the run's configuration sets, by name."""
        return dict(self.data.get("checks") or {})


@dataclass(frozen=True)
class RunRecord(Record):
    """`run.json`, fixed when a run opens.

    files: `path`, `sha256`, `split`, `span` and more of each file to read. champion: the pointer it is judged by. past: why that is
    not the one that serves (`past_champion.judge`). encoders: content hash by address. code: one hash over all;
    node_code: by node; code_files: by file. source_code: commit and what differs from it (`pipelines.runner.code_version`). attempt:
    which start of a node it is.
    """

    run: str
    created: str = ""
    trigger: str = ""
    interval: list | None = None
    as_of: str = ""
    last_day: str = ""
    config: RecordedConfig = field(default_factory=RecordedConfig)
    files: list = field(default_factory=list)
    ignored: list = field(default_factory=list)
    data_hash: str = ""
    champion: dict | None = None
    encoders: dict = field(default_factory=dict)
    past: dict | None = None
    code: str = ""
    node_code: dict = field(default_factory=dict)
    code_files: dict = field(default_factory=dict)
    source_code: dict = field(default_factory=dict)
    other: dict = field(default_factory=dict, repr=False)

    @property
    def line(self) -> str:
        return self.config.line


@dataclass(frozen=True)
class Verdict(Record):
    """`verdict.json` of a run: the model gate's decision.

    metrics: of the candidate (`accuracy`, `interval`, `rows`, `per_class` and more). comparisons: by name of the other model.
    rules: every finding. digest: of the model that was judged.
    """

    decision: str
    reasons: list
    metrics: dict = field(default_factory=dict)
    comparisons: dict = field(default_factory=dict)
    warnings: list = field(default_factory=list)
    digest: str = ""
    run: str = ""
    rules: list = field(default_factory=list)
    fresh: dict | None = None
    behaviour: dict | None = None
    limits: dict | None = None
    model: str = ""
    other: dict = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class VersionCard(Record):
    """`registry/<line>/versions/<N>.json`.

    data: `source`, `window`, `as_of`, `hash`, `rows`, `files`, `milder`, `reason` of the rows it was trained on. mlmd, airflow: names
    of its run in ML Metadata and in Airflow. vocabulary: the tokenizer's fingerprint.
    """

    version: int
    line: str = ""
    preset: str = ""
    created: str = ""
    digest: str = ""
    folder: str = ""
    run: str = ""
    seed: int = 0
    metrics: dict = field(default_factory=dict)
    fresh: dict | None = None
    comparisons: dict = field(default_factory=dict)
    warnings: list = field(default_factory=list)
    code: str = ""
    data: dict = field(default_factory=dict)
    mlmd: str = ""
    airflow: str = ""
    vocabulary: str = ""
    other: dict = field(default_factory=dict, repr=False)

    @property
    def accuracy(self) -> float | None:
        """Share of held-out rows that it labels right, as the gate measured it."""
        return self.metrics.get("accuracy")


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _parsed(kind: Any, value: Any, name: str, path: Path | str) -> Any:
    """The value as `kind`: str, int, bool, list, dict, a Record, or one of them or None."""
    allowed = typing.get_args(kind) if typing.get_origin(kind) in (types.UnionType, Union) else (kind,)
    for each in allowed:
        if issubclass(each, Record):
            return each.from_json(value, path)
        if isinstance(value, each) and not (each is int and isinstance(value, bool)):
            return value
    wanted = " or ".join(each.__name__ for each in allowed)
    raise errors.DamagedFile(Path(path), f"`{name}` as {wanted}", f"{name}={_shown(value)}")


def _shown(value: Any) -> str:
    return repr(value)[:80]
