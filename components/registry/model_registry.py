"""The model registry: plain files that say which version of a line serves; here they are written.

    serving/<line>/models.config       the pointer as TensorFlow Serving's configuration

`version_folders.py` and `champion_pointer.py` name the other files and read them; their functions are offered here too, so that
callers need one module. MLflow mirrors the registry; nothing here reads it. Standard library only.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from components.core import clock, fileio, locks, paths
from components.core.fileio import file_hash as file_hash
from components.core.states import Move
from components.registry import object_store, store_publisher, tf_serving_config
from components.registry.champion_pointer import PointerMoved as PointerMoved
from components.registry.champion_pointer import aliases as aliases
from components.registry.champion_pointer import best_released as best_released
from components.registry.champion_pointer import champion, history, named, recorded, rollback_target
from components.registry.manifest import MANIFEST as MANIFEST
from components.registry.manifest import Differs, RegistryError, pointed, verify
from components.registry.manifest import content_digest as content_digest
from components.registry.manifest import folder_hashes as folder_hashes
from components.registry.staging import clear as clear
from components.registry.staging import leftovers as leftovers
from components.registry.version_folders import card, card_path, held_dir, numbered, places, served_folder, user
from components.registry.version_folders import folder as folder
from components.registry.version_folders import labels_of as labels_of
from components.registry.version_folders import lines as lines
from components.registry.version_folders import must_exist as must_exist
from components.registry.version_folders import note_removed as note_removed
from components.registry.version_folders import origin_path as origin_path
from components.registry.version_folders import removed as removed
from components.registry.version_folders import versions as versions


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
            f"the champion must be the one this decision was made against, {named(expected)}. "
            f"Received: {named(current)} serves now. Run again to compare with it."
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
    the lock; raises where the caller may not publish (`locks.check`). Where `NEWSDESK_STORE` names an object store, the version is
    there before the pointer moves, and the store's pointer moves first: it decides between two desks.

    Raises:
        PointerMoved: the champion is no longer the expected one, here or in the store.
        StoreError: the store cannot be written; the pointer is where it was.
        RegistryError: the version is incomplete, damaged, or not what its card says.
    """
    store = store_publisher.checked()
    if store:
        with locks.line_lock(line):
            allowed()
            done = _adopt_own_move(store, line)
            if done and (done["from"], done["to"], done["kind"]) == (expected and expected["version"], version, kind):
                return done  # an earlier try, which ended between the store and this folder
            check_champion(line, expected)
        store_publisher.upload(store, line, version)  # outside the lock: it takes as long as the network does
    with locks.line_lock(line):
        allowed()
        current = check_champion(line, expected)
        folder, known = _serve_held(line, version), card(line, version)
        manifest = verify(folder)
        if known and known.digest != manifest["digest"]:
            raise Differs(
                f"a version must hold the model of its card, {known.digest[:12]}. "
                f"Received: {folder} holds {manifest['digest'][:12]}"
            )
        repair_history(line)
        event = new_move(current, version, kind, reason, evidence)
        pointer = {"line": line, "version": version, "digest": manifest["digest"], "event": event}
        if store:
            store_publisher.move(store, line, pointer)
        write_move(line, pointer)
    if store:
        store_publisher.follow(store, line)
    return event


def new_move(current: dict | None, version: int, kind: Move, reason: str, evidence: dict) -> dict:
    """The event of a move of the pointer to `version`, the next one after that of `current`."""
    return {
        "sequence": current["event"]["sequence"] + 1 if current else 1,
        "time": clock.now(),
        "who": user(),
        "kind": kind,
        "from": current["version"] if current else None,
        "to": version,
        "reason": reason,
        "evidence": evidence,
    }


def write_move(line: str, pointer: dict) -> None:
    """Writes a move of the pointer: the pointer itself, the history, TensorFlow Serving's file. Under `line_lock`."""
    fileio.write_json(paths.registry_dir(line) / "champion.json", pointer)
    fileio.append_json(paths.registry_dir(line) / "promotions.jsonl", pointer["event"])
    write_serving_config(line)


def _adopt_own_move(store: object_store.ObjectStore, line: str) -> dict | None:
    """Writes a move that the store has and a crash kept out of this folder; returns its event. Under `line_lock`."""
    pointer, events = store_publisher.newer(store, line)
    if len(events) != 1:
        return None
    try:
        return adopt(line, pointer, events)[0]
    except RegistryError:  # another desk's version: the move that was asked for will say so
        return None


def catch_up(line: str) -> dict | None:
    """Writes the move that a crash kept out of this folder, before a run decides against the champion; returns its event, if any.

    A store that is away is printed and no reason not to train: the release will ask it again.
    """
    try:
        store = object_store.configured()
        if store is None:
            return None
        with locks.line_lock(line):
            return _adopt_own_move(store, line)
    except object_store.StoreError as error:
        print(f"the object store was not asked: {error}", file=sys.stderr)
        return None


def adopt(line: str, pointer: dict, events: list[dict]) -> list[dict]:
    """Writes moves that the store is ahead by; returns them. Under `line_lock`.

    pointer, events: as `store_publisher.newer` gives them.

    Raises:
        RegistryError: the version that serves there is not here, or is another model here.
    """
    verified_folder(line, pointer["version"], pointer["digest"])
    repair_history(line)
    for event in events[:-1]:
        fileio.append_json(paths.registry_dir(line) / "promotions.jsonl", event)
    write_move(line, pointer)
    return events


def write_serving_config(line: str) -> bool:
    """Writes TensorFlow Serving's configuration for the pointer; returns whether it changed. Under `line_lock`."""
    pointer = champion(line)
    return bool(pointer) and tf_serving_config.write(line, pointer["version"], rollback_target(line))


def repair_history(line: str) -> bool:
    """Appends the pointer's event where a crash or a full disk lost it; returns whether the file changed. Under `line_lock`."""
    path, events = paths.registry_dir(line) / "promotions.jsonl", history(line)
    written = path.read_bytes() if path.exists() else b""
    if recorded(line) == events and written[-1:] in (b"", b"\n"):
        return False
    fileio.write_text(path, "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events))
    return True


def restore_champion(line: str) -> int | None:
    """Writes a lost or unreadable pointer again from the history's last event; returns its version, None without a history.

    Raises:
        RegistryError: that version is damaged, or the history is.
    """
    with locks.line_lock(line):
        events = recorded(line)
        if not events:
            return None
        version = events[-1]["to"]
        manifest = verify(served_folder(line, version))
        pointer = {"line": line, "version": version, "digest": manifest["digest"], "event": events[-1]}
        fileio.write_json(paths.registry_dir(line) / "champion.json", pointer)
        write_serving_config(line)
        return version


def _serve_held(line: str, version: int) -> Path:
    """Moves a held version to where it is served, unless it is there; returns that folder. Under `line_lock`.

    A link stays behind: the run, MLMD and MLflow have recorded the first address.
    """
    served, held = places(line, version)
    known = card(line, version)
    if not served.exists() and held.is_dir():
        verify(held)
        served.parent.mkdir(parents=True, exist_ok=True)
        os.rename(held, served)
        fileio.sync(served.parent)
    if served.is_dir() and known and known.folder == str(held) and not held.exists():
        held.symlink_to(served, target_is_directory=True)
    if not served.is_dir():
        raise RegistryError(f"a version must exist to be promoted. Received: line {line!r}, version {version}")
    return served


def set_aside(line: str, version: int) -> Path:
    """Moves a version that does not serve to the held ones; returns its folder.

    Raises:
        RegistryError: it is the champion.
    """
    with locks.line_lock(line):
        pointer, (served, held) = champion(line), places(line, version)
        if pointer and pointer["version"] == version:
            raise RegistryError(f"the champion cannot be set aside. Received: line {line!r}, version {version}")
        if served.is_dir() and not held.exists():
            held.parent.mkdir(parents=True, exist_ok=True)
            os.rename(served, held)
            fileio.sync(held.parent)
            fileio.sync(served.parent)
        known = card(line, version)
        if known and known.folder != str(held):
            fileio.write_json(card_path(line, version), {**known, "folder": str(held)})
    return held


def _key(pointer: dict | None) -> tuple:
    return (pointer["event"]["sequence"], pointer["version"], pointer["digest"]) if pointer else ()


def verified_folder(line: str, version: int, digest: str) -> Path:
    """The champion's folder.

    Raises:
        RegistryError: it is damaged, or holds another model than the pointer names.
    """
    folder = served_folder(line, version)
    try:
        pointed(folder, digest)
    except RegistryError as error:
        raise RegistryError(f"{error}. `newsdesk doctor` says what to do") from error
    return folder
