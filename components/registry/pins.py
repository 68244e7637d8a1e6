"""Versions that somebody wants kept whatever their age: `newsdesk pin N --reason …`, `newsdesk unpin N --reason …`.

    registry/<line>/pins.jsonl   every pin and unpin, append-only: time, who, kind, version, reason

Standard library only.
"""

from components.core import clock, fileio, locks, paths
from components.registry import model_registry


def pinned(line: str) -> dict[int, dict]:
    """The last event of every version that is pinned now, by version."""
    last = {event["version"]: event for event in fileio.read_json_lines(_path(line))}
    return {version: event for version, event in last.items() if event["kind"] == "pin"}


def change(line: str, kind: str, version: int, reason: str) -> dict | None:
    """Pins or unpins a version and writes down why; None where it is so already.

    kind: "pin" or "unpin".

    Raises:
        model_registry.RegistryError: no such line, or no such version is kept.
    """
    model_registry.must_exist(line)
    with locks.line_lock(line):
        if (version in pinned(line)) == (kind == "pin"):
            return None
        if kind == "pin" and model_registry.folder(line, version) is None:
            raise model_registry.RegistryError(
                f"a version must be kept to be pinned. Received: line {line!r}, version {version}"
            )
        event = {"time": clock.now(), "who": model_registry.user(), "kind": kind, "version": version, "reason": reason}
        fileio.append_json(_path(line), event)
    return event


def _path(line: str):
    return paths.registry_dir(line) / "pins.jsonl"
