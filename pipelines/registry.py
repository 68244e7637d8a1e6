"""The registry's truth, as plain files: which version of a line serves, what came before, who moved it and why.

    registry/<line>/champion.json      the pointer: version, digest and the event that moved it
    registry/<line>/promotions.jsonl   every move of the pointer, append-only
    registry/<line>/versions/<N>.json  one card a version, written once
    registry/<line>/counter            the last version number issued
    registry/<line>/run.lock           the run that may write to this line now
    serving/<line>/<N>/                the model in TF Serving's layout, manifest.json last

Standard library only. MLflow is the catalogue that follows; nothing here reads it.
"""

import contextlib
import fcntl
import getpass
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from pipelines import home

MANIFEST = "manifest.json"
# MLflow leaves a note of its own in a folder that it loads by alias; nobody reads it.
_NOT_OURS = {MANIFEST, "registered_model_meta"}
LEASE = 900  # seconds without a sign of life after which a run's lock may be taken over


class RegistryError(Exception):
    """The registry cannot do what was asked; nothing was changed."""


class Locked(Exception):
    """Another run holds the line."""

    def __init__(self, line: str, holder: dict):
        self.holder = holder["run"]
        super().__init__(
            f"one run at a time may work on a line. Received: line {line!r} is locked by run {holder['run']} "
            f"since {holder['since']}. Wait for it, or run `newsdesk doctor --repair` if it died."
        )


class PointerMoved(RegistryError):
    """The champion changed since it was read."""


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


# --- reading ---------------------------------------------------------------------------------------------------------


def champion(line: str) -> dict | None:
    """The pointer: `version` (int), `digest` (hex) and the `event` that set it; None before the first promotion."""
    return home.read_json(home.registry_dir(line) / "champion.json")


def history(line: str) -> list[dict]:
    """Every promotion, oldest first. The pointer's own event counts even if a crash kept it out of the file."""
    events = home.read_json_lines(home.registry_dir(line) / "promotions.jsonl")
    pointer = champion(line)
    if pointer and (not events or events[-1]["sequence"] < pointer["event"]["sequence"]):
        events.append(pointer["event"])
    return events


def versions(line: str) -> list[dict]:
    """The cards of all registered versions, oldest first."""
    folder = home.registry_dir(line) / "versions"
    numbers = sorted(int(path.stem) for path in folder.glob("*.json") if path.stem.isdigit())
    return [home.read_json(folder / f"{number}.json") for number in numbers]


def lines() -> list[str]:
    folder = home.home() / "registry"
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def aliases(line: str) -> dict[int, list[str]]:
    """Names of versions: the champion and the one before it."""
    names: dict[int, list[str]] = {}
    pointer = champion(line)
    if pointer:
        names.setdefault(pointer["version"], []).append("champion")
        if pointer["event"]["from"] is not None:
            names.setdefault(pointer["event"]["from"], []).append("previous")
    return names


# --- content ---------------------------------------------------------------------------------------------------------


def file_hash(path: Path) -> str:
    """sha256 of a file's content, hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def folder_hashes(folder: Path) -> dict[str, str]:
    """sha256 by relative path of every file below `folder`, but for the manifest and MLflow's note."""
    return {
        path.relative_to(folder).as_posix(): file_hash(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in _NOT_OURS
    }


def content_digest(hashes: dict[str, str]) -> str:
    """One sha256 for a folder's content."""
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def verify(folder: Path) -> dict:
    """The manifest of a pushed version, after comparing every file with it.

    Raises:
        RegistryError: no manifest, or a file is missing, changed or unknown to the manifest.
    """
    manifest = home.read_json(folder / MANIFEST)
    if manifest is None:
        raise RegistryError(f"a version must have a {MANIFEST}. Received: {folder} without one")
    found = folder_hashes(folder)
    wrong = sorted(name for name in found.keys() | manifest["files"].keys() if found.get(name) != manifest["files"].get(name))
    if wrong:
        raise RegistryError(f"files of a version must match its manifest. Received: {folder} differs in {', '.join(wrong[:5])}")
    return manifest


# --- writing ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def line_lock(line: str) -> Iterator[None]:
    """Holds a line's files for the short time of one change; waits for its turn."""
    folder = home.registry_dir(line)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".flock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def next_version(line: str) -> int:
    """Issues a version number: one more than any issued or present before, whatever the clock says.

    Call it under `line_lock`.
    """
    counter = home.registry_dir(line) / "counter"
    issued = int(counter.read_text()) if counter.exists() else 0
    serving = home.serving_dir(line)
    present = [int(path.name) for path in serving.iterdir() if path.name.isdigit()] if serving.is_dir() else []
    number = max([issued, *present]) + 1
    home.write_text(counter, f"{number}\n")
    return number


def move_champion(line: str, expected: dict | None, version: int, kind: str, reason: str, evidence: dict) -> dict:
    """Points the line at `version` if it still points at `expected` (compare-and-swap), and records who and why.

    kind: "release", "promote" or "rollback". evidence: anything a reader of the history should see.

    Raises:
        PointerMoved: the champion is no longer the expected one.
        RegistryError: the version is incomplete or damaged.
    """
    manifest = verify(home.serving_dir(line) / str(version))
    with line_lock(line):
        current = champion(line)
        if _key(current) != _key(expected):
            raise PointerMoved(
                f"the champion must be the one this decision was made against, version {_key(expected)[0]}. "
                f"Received: version {_key(current)[0]} serves now. Run again to compare with it."
            )
        path = home.registry_dir(line) / "promotions.jsonl"
        written = home.read_json_lines(path)
        if current and (not written or written[-1]["sequence"] < current["event"]["sequence"]):
            home.append_json(path, current["event"])
        event = {
            "sequence": current["event"]["sequence"] + 1 if current else 1,
            "time": now(),
            "who": getpass.getuser(),
            "kind": kind,
            "from": current["version"] if current else None,
            "to": version,
            "reason": reason,
            "evidence": evidence,
        }
        home.write_json(
            home.registry_dir(line) / "champion.json",
            {"line": line, "version": version, "digest": manifest["digest"], "event": event},
        )
        home.append_json(path, event)
    return event


def _key(pointer: dict | None) -> tuple:
    return (pointer["version"], pointer["digest"]) if pointer else (None, None)


# --- one run at a time ------------------------------------------------------------------------------------------------


def take_line(line: str, run_id: str, owner: int | None = None) -> None:
    """Gives the line to a run, or renews it.

    owner: the process that stands for the whole run, if there is one on this machine; when it is gone, so is the claim.
    Without one, a claim lives for `LEASE` seconds after its last `keep_line`.

    Raises:
        Locked: another run that still lives holds it.
    """
    path = home.registry_dir(line) / "run.lock"
    with line_lock(line):
        holder = home.read_json(path)
        if holder and holder["run"] != run_id and _lives(path, holder):
            raise Locked(line, holder)
        if not holder or holder["run"] != run_id:
            started = _process_start(owner) if owner else None
            home.write_json(
                path, {"run": run_id, "since": now(), "host": socket.gethostname(), "owner": owner, "started": started}
            )
        os.utime(path)


def keep_line(line: str) -> None:
    """A sign of life from the run that holds the line."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(home.registry_dir(line) / "run.lock")


def free_line(line: str, run_id: str) -> None:
    """Gives the line back, if this run holds it."""
    path = home.registry_dir(line) / "run.lock"
    with line_lock(line):
        holder = home.read_json(path)
        if holder and holder["run"] == run_id:
            path.unlink()


def holder(line: str) -> dict | None:
    """The run that holds the line, with `lives`; None where it is free."""
    path = home.registry_dir(line) / "run.lock"
    value = home.read_json(path)
    return {**value, "lives": _lives(path, value)} if value else None


def _lives(path: Path, holder: dict) -> bool:
    if holder["owner"] and holder["host"] == socket.gethostname():
        return _process_start(holder["owner"]) == holder["started"]
    return time.time() - path.stat().st_mtime < LEASE


def _process_start(pid: int) -> str | None:
    """The start time of a living process in clock ticks since boot, so that a reused pid is not taken for its predecessor."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None
