"""Where a consumer finds the versions of a line: in the state folder or in an object store. Standard library only."""

import operator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.registry import model_registry
from components.registry.store_reader import StoreReader


class NoModel(Exception):
    """The line has no such version, or no champion yet."""


class Source(Protocol):
    """Where a line's versions are: the state folder, or `components.registry.store_reader.StoreReader`."""

    line: str

    def champion(self) -> dict | None:
        """The pointer; None before the first promotion."""

    def folder(self, version: int) -> Path | None:
        """The folder of a version; None where it does not exist."""


@dataclass(frozen=True)
class StateFolder:
    """A line below `NEWSDESK_HOME`."""

    line: str

    def champion(self) -> dict | None:
        return model_registry.champion(self.line)

    def folder(self, version: int) -> Path | None:
        return model_registry.folder(self.line, version)


def source_of(line: str, store: str = "", cache: str | Path | None = None) -> Source:
    """Where a line is read from. store: an object store's address, "" for the state folder. cache: what is read from it stays here.

    Raises:
        object_store.StoreError: store is no address, or obstore is not installed.
    """
    return StoreReader(store, line, Path(cache) if cache else None) if store else StateFolder(line)


def find(line: str, version: int | None = None, source: Source | None = None) -> tuple[int, Path]:
    """The version asked for, served or held, or the champion: its number and its folder, checked against its manifest.

    Raises:
        NoModel: there is none. TypeError: version is no whole number.
        model_registry.RegistryError: its files do not match its manifest, or the pointer is damaged.
    """
    source = source or StateFolder(line)
    number = champion_or(version, source)
    folder = source.folder(number)
    if folder is None:
        raise NoModel(
            f"a version must exist in line {line!r}. Received: version {number}; `newsdesk models` lists what there is, "
            "`newsdesk doctor` says what is wrong"
        )
    try:
        model_registry.verify(folder)
    except model_registry.RegistryError as error:
        raise model_registry.RegistryError(f"{error}. `newsdesk doctor` says what to do") from error
    return number, folder


def champion_or(version: int | None, source: Source) -> int:
    """The version asked for, the champion's where that is None.

    Raises:
        NoModel: there is no champion. TypeError: version is no whole number.
    """
    if version is not None:
        return _whole(version)
    pointer = source.champion()
    if not pointer:
        raise NoModel(
            f"line {source.line!r} must have a champion. Received: none yet; `make retrain` or `newsdesk retrain` makes one"
        )
    return pointer["version"]


def _whole(version: int) -> int:
    if isinstance(version, bool):
        raise TypeError(f"a version must be a whole number. Received: {version!r}")
    try:
        return operator.index(version)
    except TypeError:
        raise TypeError(
            f"a version must be a whole number. Received: {type(version).__name__} {version!r:.80}"
        ) from None
