"""The versions of a line on disk: their numbers, folders and cards.

    registry/<line>/versions/<N>.json  one card a version, written once
    registry/<line>/counter            the last version number issued
    registry/<line>/removed.jsonl      versions whose folder retention removed
    registry/<line>/held/<N>/          a version that waits for approval, where nothing serves it
    serving/<line>/<N>/                the model in TF Serving's layout, manifest.json last

Standard library only.
"""

import contextlib
import functools
import getpass
import operator
import os
from pathlib import Path

from components.core import clock, errors, fileio, paths
from components.core.records import VersionCard
from components.registry.manifest import HELD, MANIFEST, RegistryError


def folder(line: str, version: int) -> Path | None:
    """The folder of a version, served or held; None where it does not exist."""
    return next((path for path in places(line, version) if path.is_dir()), None)


def served_folder(line: str, version: int) -> Path:
    """Where a version is served, whether it exists or not."""
    return paths.serving_dir(line) / str(int(version))


def places(line: str, version: int) -> tuple[Path, Path]:
    """Where a version is served, and where it is held."""
    return served_folder(line, version), held_dir(line) / str(int(version))


def held_dir(line: str) -> Path:
    """Where a version waits for approval: not below `serving/`, because TensorFlow Serving serves the highest integer there."""
    return paths.registry_dir(line) / HELD


def numbered(folder: Path) -> list[int]:
    """The version numbers among the names in a folder, lowest first; empty where there is no folder."""
    names = [path.stem for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def versions(line: str) -> list[VersionCard]:
    """The cards of all registered versions, oldest first.

    Raises:
        DamagedFile: one cannot be read.
    """
    return [each for n in numbered(paths.registry_dir(line) / "versions") if (each := card(line, n))]


def card_path(line: str, version: int) -> Path:
    return paths.registry_dir(line) / "versions" / f"{int(version)}.json"


def card(line: str, version: int) -> VersionCard | None:
    """One version's card; None where it is not registered.

    Raises:
        DamagedFile: it cannot be read; `components/registry/version_card.py` writes it again.
    """
    path = card_path(line, version)
    value = fileio.read_json(path)
    if value is None:
        return None
    if not (isinstance(value, dict) and value.get("version") == version):
        raise errors.DamagedFile(path, f"the card of version {version}", f"{str(value)[:80]}")
    return VersionCard.from_json(value, path)


def removed(line: str) -> dict[int, dict]:
    """The removed versions, by number: `time`, `who`, `version`, `why`."""
    return {event["version"]: event for event in fileio.read_json_lines(paths.registry_dir(line) / "removed.jsonl")}


def lines() -> list[str]:
    """The lines that runs have worked on, sorted."""
    folder = paths.home() / "registry"
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != ".") if folder.is_dir() else []


def must_exist(line: str) -> None:
    """Checks that a line exists; taking a lock would make its folder.

    Raises:
        RegistryError: no run ever worked on it.
    """
    if not paths.registry_dir(line).is_dir():
        raise RegistryError(f"a line must exist. Received: line {line!r}, known are: {', '.join(lines()) or 'none'}")


def note_removed(line: str, version: int, why: str) -> None:
    """Records that a version's folder was removed; its card stays."""
    event = {"time": clock.now(), "who": user(), "version": version, "why": why}
    fileio.append_json(paths.registry_dir(line) / "removed.jsonl", event)


def user() -> str:
    """The name of the current user, for the history."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def origin_path(line: str, version: int) -> Path:
    return paths.registry_dir(line) / "versions" / f"{int(version)}.origin.json"


def labels_of(line: str, version: int) -> list[str]:
    """A version's labels in the order of its classes, from its manifest, else from its origin; empty where neither names them."""
    manifests = [(place / MANIFEST, ("labels",)) for place in places(line, version)]
    for path, keys in (*manifests, (origin_path(line, version), ("record", "config", "labels"))):
        with contextlib.suppress(ValueError, OSError, KeyError, TypeError):
            return list(functools.reduce(operator.getitem, keys, fileio.read_json(path)))
    return []
