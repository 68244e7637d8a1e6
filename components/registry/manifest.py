"""The content of a version's folder: hashes of its files, one digest over them, and the manifest that lists them.

Standard library only.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from components.core import fileio

MANIFEST = "manifest.json"
JUDGED = "files.json"  # in the model gate's blessing
HELD = "held"  # folder of held versions; a promoted one leaves a link there
# MLflow writes a file of its own into a folder that it loads by alias; nothing reads it.
_NOT_OURS = {MANIFEST, "registered_model_meta"}  # in a version's own folder, not below it


class RegistryError(Exception):
    """The registry cannot do what was requested; nothing was changed."""


class Differs(RegistryError):
    """Files differ from what they must be."""


def folder_hashes(folder: Path) -> dict[str, str]:
    """sha256 by relative path of every file below `folder`, except for its manifest and MLflow's own file.

    Raises:
        RegistryError: a link, whose target could change.
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


def compare(actual: dict[str, str], expected: dict[str, str], where: Path, what: str) -> None:
    """Compares two sets of hashes by file. where: the folder of `actual`; what: describes `expected` in the message.

    Raises:
        Differs: a file is missing, changed or unknown.
    """
    wrong = sorted(name for name in actual.keys() | expected.keys() if actual.get(name) != expected.get(name))
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise Differs(f"files must match {what}. Received: {where} differs in {', '.join(wrong[:5])}{more}")


def write_judged(folder: Path, hashes: dict[str, str]) -> str:
    """Records the files that the model gate judged, beside its blessing; returns their digest."""
    digest = content_digest(hashes)
    fileio.write_json(folder / JUDGED, {"digest": digest, "files": hashes})
    return digest


def judged(folder: Path) -> dict[str, str]:
    """sha256 by relative path of the files that the model gate judged. folder: the blessing's.

    Raises:
        Differs: the blessing lists none, or its digest does not match them.
    """
    record = fileio.read_json(folder / JUDGED) or {}
    files = record.get("files") or {}
    if not files or content_digest(files) != record.get("digest"):
        raise Differs(f"a blessing must name the files that were judged. Received: {folder / JUDGED} without them")
    return files


def verify(folder: Path) -> dict:
    """The manifest of a pushed version, after every file was compared with it.

    Raises:
        RegistryError: no manifest; a file is missing, changed or not listed; or the folder is a link outside the held versions,
            whose target could change.
    """
    if folder.is_symlink() and folder.parent.name != HELD:
        raise RegistryError(f"a served version must be a folder, not a link. Received: {folder} -> {folder.readlink()}")
    try:
        manifest = fileio.read_json(folder / MANIFEST)
        listed = manifest and manifest["files"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise RegistryError(
            f"a version's {MANIFEST} must be complete. Received: {folder} ({type(error).__name__})"
        ) from error
    if not listed:
        raise RegistryError(f"a version must have a {MANIFEST}. Received: {folder} without one")
    compare(folder_hashes(folder), listed, folder, "its manifest")
    return manifest


def check_pointed(found: str | None, digest: str, where: Path | str) -> None:
    """Checks that a version is the one that a pointer names: its content decides, not its number.

    found: the digest in the manifest of what lies at `where`. digest: of the pointer.

    Raises:
        RegistryError: it is another one.
    """
    if found != digest:
        raise RegistryError(
            f"a version's content must be what the pointer names, {digest[:12]}. Received: {where} holds {str(found)[:12]}"
        )


def pointed(folder: Path, digest: str) -> dict:
    """The manifest of the version that a pointer names, after every file was compared with it.

    Raises:
        RegistryError: it is damaged, or another one.
    """
    manifest = verify(folder)
    check_pointed(manifest["digest"], digest, folder)
    return manifest


def label_places(own: Sequence[str], labels: Sequence[str]) -> list[int] | None:
    """Where each of `labels` stands among a model's `own`, so that its answers can be put in the order of `labels`.

    None where the two name other classes: then no order makes the answers comparable.
    """
    if sorted(own) != sorted(labels):
        return None
    return [list(own).index(label) for label in labels]
