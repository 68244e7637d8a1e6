"""What lies in a version's folder, by content: hashes, one digest, and the manifest that every file is compared with.

Standard library only.
"""

import hashlib
import json
from pathlib import Path

from components.core import fileio

MANIFEST = "manifest.json"
# MLflow leaves a note of its own in a folder that it loads by alias; nobody reads it.
_NOT_OURS = {MANIFEST, "registered_model_meta"}  # in a version's own folder, not below it


class RegistryError(Exception):
    """The registry cannot do what was asked; nothing was changed."""


def folder_hashes(folder: Path) -> dict[str, str]:
    """sha256 by relative path of every file below `folder`, but for its manifest and MLflow's note.

    Raises:
        RegistryError: a link, which could show another content later.
    """
    hashes = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise RegistryError(f"a model's folder must hold files, not links. Received: {path}")
        if path.is_file() and name not in _NOT_OURS:
            hashes[name] = fileio.file_hash(path)
    return hashes


def content_digest(hashes: dict[str, str]) -> str:
    """One sha256 for a folder's content."""
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def verify(folder: Path) -> dict:
    """The manifest of a pushed version, after comparing every file with it.

    Raises:
        RegistryError: no manifest, or a file is missing, changed or unknown to the manifest.
    """
    try:
        manifest = fileio.read_json(folder / MANIFEST)
        listed = manifest and manifest["files"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise RegistryError(
            f"a version's {MANIFEST} must be whole. Received: {folder} ({type(error).__name__})"
        ) from error
    if not listed:
        raise RegistryError(f"a version must have a {MANIFEST}. Received: {folder} without one")
    found = folder_hashes(folder)
    wrong = sorted(name for name in found.keys() | listed.keys() if found.get(name) != listed.get(name))
    if wrong:
        raise RegistryError(
            f"files of a version must match its manifest. Received: {folder} differs in {', '.join(wrong[:5])}"
        )
    return manifest
