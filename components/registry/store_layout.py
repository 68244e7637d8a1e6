"""The registry in an object store: its objects, named as the files of the state folder, and how they are read.

serving/<line>/<N>/…                  a version that serves or served, its manifest.json last: what has none is no version
serving/<line>/models.config          the pointer as TensorFlow Serving's configuration
registry/<line>/versions/<N>.…        the version's card and what else the state folder keeps of it
registry/<line>/champion.json         the pointer: made once, then replaced only against the ETag that was read
registry/<line>/moves/<number>.json   every move of the pointer, each written once
"""

import json

from components.core import paths
from components.registry.champion_pointer import check_pointer
from components.registry.manifest import MANIFEST
from components.registry.object_store import ObjectStore, StoredObject, StoreError


def version_key(line: str, version: int) -> str:
    return f"serving/{paths.safe_name(line, 'line')}/{int(version)}"


def pointer_key(line: str) -> str:
    return f"registry/{paths.safe_name(line, 'line')}/champion.json"


def moves_key(line: str) -> str:
    return f"registry/{paths.safe_name(line, 'line')}/moves"


def config_key(line: str) -> str:
    return f"serving/{paths.safe_name(line, 'line')}/models.config"


def record_key(line: str, name: str) -> str:
    return f"registry/{paths.safe_name(line, 'line')}/versions/{name}"


def move_key(line: str, number: int) -> str:
    return f"{moves_key(line)}/{number:08d}.json"


def manifest_of(store: ObjectStore, line: str, version: int) -> dict | None:
    """The manifest of a version in the store; None where there is no such version, or no whole one.

    Raises:
        StoreError: it is no manifest.
    """
    key = f"{version_key(line, version)}/{MANIFEST}"
    found = store.read(key)
    if found is None:
        return None
    manifest = parsed(store, key, found)
    if not isinstance(manifest.get("files"), dict) or not manifest["files"]:
        raise StoreError(f"a manifest must list files. Received: {store.uri}/{key}")
    return manifest


def read_pointer(store: ObjectStore, line: str) -> tuple[dict | None, str]:
    """The store's pointer and its ETag; None and "" before the first move.

    Raises:
        StoreError: it is no pointer.
    """
    found = store.read(pointer_key(line))
    return (as_pointer(store, line, found), found.etag) if found else (None, "")


def as_pointer(store: ObjectStore, line: str, found: StoredObject) -> dict:
    """What was read as a pointer; raises StoreError where it is none."""
    pointer = parsed(store, pointer_key(line), found)
    try:
        check_pointer(pointer)
    except (KeyError, TypeError):
        raise StoreError(f"a champion pointer must be complete. Received: {store.uri}/{pointer_key(line)}") from None
    return pointer


def move_event(store: ObjectStore, line: str, number: int) -> dict | None:
    """A move by its number; None where the store has none."""
    key = move_key(line, number)
    found = store.read(key)
    return parsed(store, key, found) if found else None


def parsed(store: ObjectStore, key: str, found: StoredObject) -> dict:
    """An object's JSON; raises StoreError where it is no JSON object."""
    try:
        value = json.loads(found.data.decode("utf-8"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise StoreError(f"an object must hold JSON. Received: {store.uri}/{key}, {len(found.data)} bytes")
    return value
