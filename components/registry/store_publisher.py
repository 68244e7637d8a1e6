"""The registry in an object store, written: what consumers on other machines read (`store_layout.py` names the objects).

The state folder is where a desk works; the store's pointer decides between two desks. The order of a move: the version, the pointer
in the store, the pointer in the state folder, the rest. Each step may be the last: `newer` and `follow` finish what is left.
"""

import json
import socket
import sys
import uuid
from pathlib import Path

from components.core import fileio, paths
from components.registry import tf_serving_config
from components.registry.champion_pointer import PointerMoved, champion, history, named, rollback_target
from components.registry.manifest import MANIFEST, Differs, verify
from components.registry.object_store import Conflict, ObjectStore, StoreError, check_conditional_writes, configured
from components.registry.store_layout import (
    config_key,
    manifest_of,
    move_event,
    move_key,
    moves_key,
    pointer_key,
    read_pointer,
    record_key,
    version_key,
)
from components.registry.version_folders import folder, removed, user

SAVED_MODEL = "saved_model.pb"
_TAKE_OVER = "`newsdesk doctor` compares both; `newsdesk doctor --repair` takes over moves that this folder lacks."


def checked() -> ObjectStore | None:
    """The store that is configured, after it was tried; None where none is.

    Raises:
        StoreError: it cannot keep what the registry promises (`check_conditional_writes`).
    """
    store = configured()
    if store:
        check_conditional_writes(store.uri)
    return store


def upload(store: ObjectStore, line: str, version: int) -> bool:
    """Writes a version, held or served here, into the store: its files first, the manifest last. Returns whether it was not there.

    Every file is compared with the manifest as it is sent, and written at most once; what an earlier try wrote is kept.

    Raises:
        PointerMoved: the store has another version of this number: another desk publishes there.
        RegistryError: the version is missing or damaged here.
    """
    place = folder(line, version)
    manifest = verify(place) if place else None
    if manifest is None:
        raise StoreError(f"a version must exist to be published. Received: line {line!r}, version {version}")
    prefix, there = version_key(line, version), manifest_of(store, line, version)
    if there is not None:
        if there["files"] != manifest["files"]:
            theirs = f"that of run {there.get('run', 'unknown')}, {there.get('digest', '')[:12]}"
            raise PointerMoved(
                f"a version of the store must be the one of this folder, {manifest['run']}, {manifest['digest'][:12]}. "
                f"Received: {store.uri}/{prefix} is {theirs}: another desk publishes to this store. {_TAKE_OVER}"
            )
        return False
    # The last but one: a server that looks at the folder too early finds no model rather than half of one.
    names = sorted(manifest["files"], key=lambda name: (name == SAVED_MODEL, name))
    try:
        for name in names:
            store.create(f"{prefix}/{name}", _file(place, name, manifest["files"][name]))
        store.create(f"{prefix}/{MANIFEST}", (place / MANIFEST).read_bytes())
    except Conflict as error:
        raise PointerMoved(
            f"a version's files must not be in the store with another content. {error}. Another desk sends a version {version}, "
            "or an upload of one broke off; `newsdesk doctor --repair` removes such leftovers after an hour"
        ) from None
    return True


def send_again(store: ObjectStore, line: str, version: int, names: list[str]) -> None:
    """Writes files that a version of the store has lost; its manifest lists them, and they are compared with it.

    Raises:
        RegistryError: the version is damaged here. Conflict: such a file is there, with another content.
    """
    place = folder(line, version)
    files = verify(place)["files"]
    for name in names:
        store.create(f"{version_key(line, version)}/{name}", _file(place, name, files[name]))


def move(store: ObjectStore, line: str, pointer: dict) -> None:
    """Replaces the store's pointer, if it is one that this folder's history knows and nobody else replaces it now.

    pointer: what `champion.json` will hold here. Under `line_lock`.

    Raises:
        PointerMoved: another desk moved it.
    """
    theirs, etag = read_pointer(store, line)
    if theirs and not known(line, theirs):
        raise _moved(store, line, theirs)
    data = _json({**pointer, "desk": _desk(), "write": uuid.uuid4().hex})
    try:
        if theirs:
            store.replace(pointer_key(line), data, etag)
        else:
            store.create(pointer_key(line), data)
    except Conflict:
        raise _moved(store, line, read_pointer(store, line)[0]) from None


def newer(store: ObjectStore, line: str) -> tuple[dict | None, list[dict]]:
    """The store's pointer as this folder keeps it, and the moves, oldest first, that the store is ahead by.

    The list is empty where the store's pointer is known here, or goes back to other moves than this folder's (`apart`).
    """
    theirs, _ = read_pointer(store, line)
    if theirs is None or known(line, theirs) or apart(store, line, theirs):
        return theirs, []
    ours = champion(line)
    first = ours["event"]["sequence"] + 1 if ours else 1
    events = [move_event(store, line, number) for number in range(first, theirs["event"]["sequence"])]
    kept = {name: theirs[name] for name in ("line", "version", "digest", "event")}
    return kept, [*filter(None, events), theirs["event"]]


def apart(store: ObjectStore, line: str, theirs: dict) -> bool:
    """Whether the store's pointer, unknown here, does not follow on this folder's last move."""
    ours = champion(line)
    if ours is None:
        return False
    number, event = ours["event"]["sequence"], theirs["event"]
    if event["sequence"] <= number:
        return True
    last = move_event(store, line, number)
    if last is None and event["sequence"] == number + 1:  # a crash came before the store's copy of it
        return event["from"] != ours["version"]
    return _text(last) != _text(ours["event"])


def follow(store: ObjectStore, line: str) -> bool:
    """Brings what follows from the pointer into the store; a failure is only printed, because the pointer has moved. Returns success."""
    try:
        mirror(store, line)
    except (StoreError, OSError) as error:
        print(f"the store is not up to date: {error}; run `newsdesk doctor --repair`", file=sys.stderr)
        return False
    return True


def withdraw(line: str) -> list[int]:
    """Removes from the store what retention removed here, each version's manifest first; returns the versions. Cards and moves stay.

    A failure is only printed: the next call goes on.
    """
    withdrawn = []
    try:
        store = configured()
        theirs = read_pointer(store, line)[0] if store else None
        keys = list(store.keys(f"serving/{line}")) if theirs else []
        for version in removed(line):
            prefix = f"{version_key(line, version)}/"
            gone = sorted((key for key in keys if key.startswith(prefix)), key=lambda key: key != prefix + MANIFEST)
            if gone and version != theirs["version"] and folder(line, version) is None:
                store.remove(gone)
                withdrawn.append(version)
    except StoreError as error:
        print(f"the store keeps what was removed here: {error}; `newsdesk clean --apply` tries again", file=sys.stderr)
    return withdrawn


def mirror(store: ObjectStore, line: str) -> list[str]:
    """Writes the moves, the champion's records and models.config where the store lacks them; returns the keys written.

    Raises:
        StoreError: the store does not answer.
    """
    written, there = [], store.keys(moves_key(line))
    for event in history(line):
        key = move_key(line, event["sequence"])
        if key not in there:
            store.create(key, _json(event))
            written.append(key)
    pointer = champion(line)
    for path in record_files(line, pointer["version"]) if pointer else ():
        key, data = record_key(line, path.name), path.read_bytes()
        found = store.read(key)
        if found is None or found.data != data:
            store.write(key, data)
            written.append(key)
    return written + _write_config(store, line)


def record_files(line: str, version: int) -> list[Path]:
    """The files that the state folder keeps of a version beside its model."""
    return sorted((paths.registry_dir(line) / "versions").glob(f"{int(version)}.*"))


def _write_config(store: ObjectStore, line: str) -> list[str]:
    """Writes models.config for the store's pointer, unless a later move has written it."""
    key = config_key(line)
    for _ in range(3):
        there = store.read(key)
        theirs, _ = read_pointer(store, line)
        if theirs is None or not known(line, theirs):
            return []
        previous = rollback_target(line)
        if previous is not None and manifest_of(store, line, previous) is None:
            previous = None
        base = f"{store.uri}/serving/{line}"
        data = tf_serving_config.text(line, base, theirs["version"], previous).encode()
        if there and there.data == data:
            return []
        try:
            store.replace(key, data, there.etag) if there else store.create(key, data)
            return [key]
        except Conflict:
            continue
    return []


def known(line: str, theirs: dict) -> bool:
    """Whether this folder's history has the move of a pointer, to the same model where that is still here."""
    wanted, place = _text(theirs["event"]), folder(line, theirs["version"])
    if not any(_text(event) == wanted for event in history(line)):
        return False
    return place is None or (fileio.read_json(place / MANIFEST) or {}).get("digest") == theirs["digest"]


def _moved(store: ObjectStore, line: str, theirs: dict | None) -> PointerMoved:
    by = (
        f", moved by {theirs['event'].get('who')} at {theirs['event'].get('time')} from {theirs.get('desk')}"
        if theirs
        else ""
    )
    return PointerMoved(
        f"the store's champion must be one that this folder has seen; here it is {named(champion(line))}. "
        f"Received: {store.uri} has {named(theirs)}{by}. Another desk moved it, or this folder is an old copy. {_TAKE_OVER}"
    )


def _file(place: Path, name: str, digest: str) -> bytes:
    data = (place / name).read_bytes()
    if fileio.bytes_hash(data) != digest:
        raise Differs(f"files must match their manifest. Received: {place / name} changed while it was sent")
    return data


def _desk() -> str:
    return f"{user()}@{socket.gethostname()}:{paths.home()}"


def _json(value: dict) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _text(value: dict | None) -> str:
    """For comparison: a number that is none does not equal itself."""
    return json.dumps(value, sort_keys=True)
