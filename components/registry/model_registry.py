"""The registry's truth, as plain files: which version of a line serves, what came before, who moved it and why.

    registry/<line>/champion.json      the pointer: version, digest and the event that moved it
    registry/<line>/promotions.jsonl   every move of the pointer, numbered from 1, append-only (lost ones: `lost_moves.py`)
    registry/<line>/versions/<N>.json  one card a version, written once
    registry/<line>/counter            the last version number issued
    registry/<line>/removed.jsonl      versions whose folder retention took away
    registry/<line>/held/<N>/          a version that waits for a person, where nothing serves it
    serving/<line>/<N>/                the model in TF Serving's layout, manifest.json last
    serving/<line>/models.config       the pointer in TensorFlow Serving's words

Standard library only. MLflow is the catalogue that follows; nothing here reads it. What a folder holds is compared in
`components/registry/manifest.py`, whose names are offered here too.
"""

import getpass
import json
import os
from collections.abc import Callable
from pathlib import Path

from components.core import clock, errors, fileio, locks, paths
from components.core.fileio import file_hash as file_hash
from components.core.states import Move
from components.registry import model_registry, tf_serving_config
from components.registry.manifest import HELD
from components.registry.manifest import MANIFEST as MANIFEST
from components.registry.manifest import Differs as Differs
from components.registry.manifest import RegistryError as RegistryError
from components.registry.manifest import content_digest as content_digest
from components.registry.manifest import folder_hashes as folder_hashes
from components.registry.manifest import verify as verify
from components.registry.staging import clear as clear
from components.registry.staging import leftovers as leftovers


class PointerMoved(RegistryError):
    """The champion changed since it was read."""


# --- reading ---------------------------------------------------------------------------------------------------------


def champion(line: str) -> dict | None:
    """The pointer: `version` (int), `digest` (hex) and the `event` that set it; None before the first promotion.

    Raises:
        RegistryError: it cannot be read as a pointer, or is gone although there was a promotion.
    """
    path, trouble = paths.registry_dir(line) / "champion.json", "missing although there is a history"
    try:
        pointer = fileio.read_json(path)
        if pointer is None and not recorded(line):
            return None
        if pointer is not None:
            _ = pointer["version"] + pointer["event"]["sequence"], pointer["digest"], pointer["event"]["from"]
            return pointer
    except (ValueError, KeyError, TypeError) as error:
        trouble = f"unreadable, {type(error).__name__}"
    raise RegistryError(
        f"the champion pointer must be whole. Received: {path}, {trouble}. "
        "`newsdesk doctor --repair` restores it from the history."
    )


def history(line: str) -> list[dict]:
    """Every promotion, oldest first. The pointer's own event counts even if a crash kept it out of the file."""
    events, pointer = recorded(line), champion(line)
    if pointer and (not events or events[-1]["sequence"] < pointer["event"]["sequence"]):
        events.append(pointer["event"])
    return events


def recorded(line: str) -> list[dict]:
    """The events in `promotions.jsonl`, whatever the pointer says.

    Raises:
        RegistryError: a line before the last one is damaged.
    """
    path = paths.registry_dir(line) / "promotions.jsonl"
    try:
        return fileio.read_json_lines(path)
    except ValueError as error:
        raise RegistryError(f"every line of a history must be whole. Received: {path} ({error})") from error


def before(line: str) -> int | None:
    """The version a rollback returns to: the one that served before the champion, those that were rolled back left out.

    Versions that are no longer kept do not count. None where there is none. Rolling back twice goes two versions back, never
    forth again to the one that was left.
    """
    served = _served(line)
    return next((number for number in reversed(served) if number != served[-1] and folder(line, number)), None)


def best(line: str, until: int | None = None) -> dict | None:
    """The best version that ever served: `version`, `digest`, `folder`, by the test accuracy on its card, the newer of equals.

    Versions that were rolled back, and those whose folder is no longer kept, do not count. None where there is none.
    until: number of the last move that counts, where not all do.
    """
    cards = [found for number in set(_served(line, until)) if (found := card(line, number)) and folder(line, number)]
    found = max(cards, key=lambda c: (c["metrics"]["accuracy"], c["version"]), default=None)
    if not found:
        return None
    place = folder(line, found["version"])
    return {"version": found["version"], "digest": found["digest"], "folder": str(place)}


def _served(line: str, until: int | None = None) -> list[int]:
    """The versions that served, oldest first, without those that were rolled back."""
    served: list[int] = []
    for event in history(line):
        if until is not None and event["sequence"] > until:
            break
        if event["kind"] == Move.ROLLBACK and event["to"] in served:
            del served[len(served) - served[::-1].index(event["to"]) :]
            continue
        if event["kind"] != Move.ROLLBACK and event["from"] not in (None, *served[-1:]):
            served.append(event["from"])  # the move that made it serve is lost
        served.append(event["to"])
    return served


def folder(line: str, version: int) -> Path | None:
    """Where a version lies, served or held; None where it does not exist."""
    return next((path for path in _places(line, version) if path.is_dir()), None)


def _places(line: str, version: int) -> tuple[Path, Path]:
    return paths.serving_dir(line) / str(int(version)), held_dir(line) / str(int(version))


def held_dir(line: str) -> Path:
    """Where a version waits for a person: not below `serving/`, because TensorFlow Serving serves the highest integer there."""
    return paths.registry_dir(line) / HELD


def numbered(folder: Path) -> list[int]:
    """The version numbers among the names in a folder, lowest first; empty where there is no folder."""
    names = [path.stem for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def versions(line: str) -> list[dict]:
    """The cards of all registered versions, oldest first.

    Raises:
        home.DamagedFile: one cannot be read.
    """
    return [found for n in numbered(paths.registry_dir(line) / "versions") if (found := card(line, n))]


def card(line: str, version: int) -> dict | None:
    """One version's card; None where it is not registered.

    Raises:
        home.DamagedFile: it cannot be read; `components/registry/version_card.py` writes it again.
    """
    path = paths.registry_dir(line) / "versions" / f"{int(version)}.json"
    found = fileio.read_json(path)
    if found is not None and not (isinstance(found, dict) and found.get("version") == version):
        raise errors.DamagedFile(path, f"the card of version {version}", f"{str(found)[:80]}")
    return found


def removed(line: str) -> dict[int, dict]:
    """What `note_removed` wrote down, by version: `time`, `who`, `version`, `why`."""
    return {event["version"]: event for event in fileio.read_json_lines(paths.registry_dir(line) / "removed.jsonl")}


def lines() -> list[str]:
    folder = paths.home() / "registry"
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != ".") if folder.is_dir() else []


def must_exist(line: str) -> None:
    """Raises where no run ever worked on a line: taking a lock would make its folder.

    Raises:
        RegistryError: there is no such line.
    """
    if not paths.registry_dir(line).is_dir():
        raise RegistryError(f"a line must exist. Received: line {line!r}, known are: {', '.join(lines()) or 'none'}")


def aliases(line: str) -> dict[int, list[str]]:
    """Names of versions: the champion and, as `previous`, the one a rollback returns to."""
    pointer, previous = champion(line), before(line)
    names = {pointer["version"]: ["champion"]} if pointer else {}
    return {**names, previous: ["previous"]} if previous is not None else names


# --- writing ---------------------------------------------------------------------------------------------------------


def next_version(line: str) -> int:
    """Issues a version number: one more than any issued, present or recorded before, whatever the clock says.

    Call it under `line_lock`.
    """
    folder = paths.registry_dir(line)
    counter = folder / "counter"
    written = counter.read_text().strip() if counter.exists() else ""
    issued = [int(written)] if written.isascii() and written.isdigit() else []
    used = [
        number for place in (paths.serving_dir(line), held_dir(line), folder / "versions") for number in numbered(place)
    ]
    pointed = [event["to"] for event in history(line)]
    number = max([0, *issued, *used, *pointed]) + 1
    fileio.write_text(counter, f"{number}\n")
    return number


def check_champion(line: str, expected: dict | None) -> dict | None:
    """The pointer, if it is still the expected one: the same version, content and move. Under `line_lock`.

    Raises:
        PointerMoved: it moved, even if it came back to the same version.
    """
    current = champion(line)
    if _key(current) != _key(expected):
        raise PointerMoved(
            f"the champion must be the one this decision was made against, {_named(expected)}. "
            f"Received: {_named(current)} serves now. Run again to compare with it."
        )
    return current


def move_champion(
    line: str,
    expected: dict | None,
    version: int,
    kind: Move,
    reason: str,
    evidence: dict,
    allowed: Callable[[], None] = lambda: None,
) -> dict:
    """Points the line at `version` if it still points at `expected` (compare-and-swap), and records who and why.

    evidence: anything a reader of the history should see. allowed: asked first, under
    the lock; raises where the caller may not publish (`claims.check`).

    Raises:
        PointerMoved: the champion is no longer the expected one.
        RegistryError: the version is incomplete, damaged, or not what its card says.
    """
    with locks.line_lock(line):
        allowed()
        current = check_champion(line, expected)
        folder, known = _serve_held(line, version), card(line, version)
        manifest = verify(folder)
        if known and known["digest"] != manifest["digest"]:
            raise Differs(
                f"a version must hold the model of its card, {known['digest'][:12]}. "
                f"Received: {folder} holds {manifest['digest'][:12]}"
            )
        mend_history(line)
        event = {
            "sequence": current["event"]["sequence"] + 1 if current else 1,
            "time": clock.now(),
            "who": user(),
            "kind": kind,
            "from": current["version"] if current else None,
            "to": version,
            "reason": reason,
            "evidence": evidence,
        }
        fileio.write_json(
            paths.registry_dir(line) / "champion.json",
            {"line": line, "version": version, "digest": manifest["digest"], "event": event},
        )
        fileio.append_json(paths.registry_dir(line) / "promotions.jsonl", event)
        tell_server(line)
    return event


def tell_server(line: str) -> bool:
    """Makes TensorFlow Serving's file follow the pointer; returns whether it did not. Under `line_lock`."""
    pointer = champion(line)
    return bool(pointer) and tf_serving_config.write(line, pointer["version"], before(line))


def mend_history(line: str) -> bool:
    """Writes what a crash or a full disk kept out of the history; returns whether there was anything. Under `line_lock`."""
    path, events = paths.registry_dir(line) / "promotions.jsonl", history(line)
    written = path.read_bytes() if path.exists() else b""
    if recorded(line) == events and written[-1:] in (b"", b"\n"):
        return False
    fileio.write_text(path, "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events))
    return True


def restore_champion(line: str) -> int | None:
    """Writes a pointer that is lost or unreadable anew from the history's last event; returns its version, None if there is none.

    Raises:
        RegistryError: that version is damaged, or the history is.
    """
    with locks.line_lock(line):
        events = recorded(line)
        if not events:
            return None
        version = events[-1]["to"]
        manifest = verify(paths.serving_dir(line) / str(version))
        pointer = {"line": line, "version": version, "digest": manifest["digest"], "event": events[-1]}
        fileio.write_json(paths.registry_dir(line) / "champion.json", pointer)
        tell_server(line)
        return version


def _serve_held(line: str, version: int) -> Path:
    """Moves a held version to where it is served, unless it is there; returns that folder. Under `line_lock`.

    A link stays behind: the run, MLMD and MLflow have recorded the first address.
    """
    served, held = _places(line, version)
    told = card(line, version)
    if not served.exists() and held.is_dir():
        verify(held)
        served.parent.mkdir(parents=True, exist_ok=True)
        os.rename(held, served)
        fileio.sync_folder(served.parent)
    if served.is_dir() and told and told["folder"] == str(held) and not held.exists():
        held.symlink_to(served, target_is_directory=True)
    if not served.is_dir():
        raise RegistryError(f"a version must exist to be promoted. Received: line {line!r}, version {version}")
    return served


def set_aside(line: str, version: int) -> Path:
    """Moves a version that does not serve to where it waits for a person; returns its folder.

    Raises:
        RegistryError: it is the champion.
    """
    with locks.line_lock(line):
        pointer, (served, held) = champion(line), _places(line, version)
        if pointer and pointer["version"] == version:
            raise RegistryError(f"the champion cannot be set aside. Received: line {line!r}, version {version}")
        if served.is_dir() and not held.exists():
            held.parent.mkdir(parents=True, exist_ok=True)
            os.rename(served, held)
            fileio.sync_folder(held.parent)
            fileio.sync_folder(served.parent)
        known = card(line, version)
        if known and known["folder"] != str(held):
            fileio.write_json(paths.registry_dir(line) / "versions" / f"{version}.json", {**known, "folder": str(held)})
    return held


def note_removed(line: str, version: int, why: str) -> None:
    """Writes down that a version's folder is gone for good; its card stays."""
    event = {"time": clock.now(), "who": user(), "version": version, "why": why}
    fileio.append_json(paths.registry_dir(line) / "removed.jsonl", event)


def user() -> str:
    """Who asks, for the history."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def _key(pointer: dict | None) -> tuple:
    return (pointer["event"]["sequence"], pointer["version"], pointer["digest"]) if pointer else ()


def _named(pointer: dict | None) -> str:
    return f"version {pointer['version']} (move {pointer['event']['sequence']})" if pointer else "none"


def verified_folder(line: str, version: int, digest: str) -> Path:
    """The champion's folder.

    Raises:
        registry.RegistryError: it is damaged, or holds another model than the pointer names.
    """
    folder = paths.serving_dir(line) / str(version)
    manifest = model_registry.verify(folder)
    if manifest["digest"] != digest:
        raise model_registry.RegistryError(
            f"the champion's content must be what the pointer names, {digest[:12]}. "
            f"Received: {folder} holds {manifest['digest'][:12]}"
        )
    return folder


def origin_path(line: str, version: int) -> Path:
    return paths.registry_dir(line) / "versions" / f"{int(version)}.origin.json"
