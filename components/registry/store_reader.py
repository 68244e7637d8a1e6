"""A line in an object store, read on another machine: the pointer is followed, a version is downloaded once and kept.

    <cache>/<store>/<line>/champion.json   the pointer that was read last, with its ETag
    <cache>/<store>/<line>/<N>-<digest>/   a version, whole: compared with its manifest before it gets this name

While the store is away the pointer that was read last counts, also in a new process. `<store>` is a hash of the address.
"""

import hashlib
import logging
import os
import shutil
import uuid
from pathlib import Path, PurePosixPath

from components.core import fileio, paths
from components.registry.manifest import MANIFEST, Differs, RegistryError, check_pointed, verify
from components.registry.object_store import ObjectStore, StoredObject, StoreError
from components.registry.store_layout import as_pointer, manifest_of, pointer_key, version_key

KEPT = 3  # versions of a line in a cache, those that were used last
logger = logging.getLogger("newsdesk.store")


def default_cache() -> Path:
    """Below the user's cache folder: `XDG_CACHE_HOME`, or `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "newsdesk" / "store"


class StoreReader:
    """One line of a store. `champion` and `folder` have the meaning of `model_registry`'s, for any number of threads and processes.

    uri: `s3://bucket/folder`. cache: a folder that only this user may write to. trouble: why the store could not be asked last, "" where
    it was.

    Raises:
        StoreError: uri is no address of a store, or obstore is not installed.
    """

    def __init__(self, uri: str, line: str, cache: Path | None = None):
        self.store, self.line, self.trouble = ObjectStore(uri), paths.safe_name(line, "line"), ""
        key = hashlib.sha256(self.store.uri.encode()).hexdigest()[:16]
        self.cache = Path(cache or default_cache()) / key / self.line

    def champion(self) -> dict | None:
        """The store's pointer; where the store is away, the one that was read last. None before the first promotion.

        Raises:
            StoreError: the store is away and was never read from here, or its pointer is damaged.
        """
        known = self._known()
        try:
            pointer = self._ask(known)
        except StoreError as error:
            if known is None:
                raise
            if not self.trouble:
                logger.warning("%s; version %d goes on answering", error, known["pointer"]["version"])
            self.trouble = str(error)
            return known["pointer"]
        self.trouble = ""
        return pointer

    def folder(self, version: int) -> Path | None:
        """The folder of a version here, downloaded where it is not; None where the store has no such version.

        Raises:
            RegistryError: what the store holds is not what its manifest lists. StoreError: the store is away and the version is not here.
            OSError: it cannot be written here.
        """
        known = self._known()
        pointer = known["pointer"] if known and known["pointer"]["version"] == version else None
        here = sorted(self.cache.glob(f"{int(version)}-*"), key=_last_use)
        here = [path for path in here if not pointer or path.name == _name(version, pointer["digest"])]
        if here and _whole(here[-1]):
            os.utime(here[-1])
            return here[-1]
        manifest = manifest_of(self.store, self.line, version)
        if manifest is None:
            return None
        if pointer:
            where = f"{self.store.uri}/{version_key(self.line, version)}"
            check_pointed(manifest.get("digest"), pointer["digest"], where)
        return self._download(version, manifest)

    def _ask(self, known: dict | None) -> dict | None:
        key = pointer_key(self.line)
        found = self.store.changed(key, known["etag"]) if known else self.store.read(key)
        if found is None:
            return known and known["pointer"]
        pointer = as_pointer(self.store, self.line, found)
        self._keep(found, pointer)
        return pointer

    def _keep(self, found: StoredObject, pointer: dict) -> None:
        fileio.write_json(self.cache / "champion.json", {"etag": found.etag, "pointer": pointer})

    def _known(self) -> dict | None:
        try:
            return fileio.read_json(self.cache / "champion.json")
        except ValueError:  # damaged: the store is asked
            return None

    def _download(self, version: int, manifest: dict) -> Path:
        """Fetches every file, compares it, and gives the folder its name in one step. A process that was faster is as good."""
        target = self.cache / _name(version, str(manifest.get("digest")))
        aside = self.cache / f".{target.name}.{uuid.uuid4().hex}"
        try:
            for name, digest in manifest["files"].items():
                path = aside / _inside(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                if self.store.download(f"{version_key(self.line, version)}/{name}", path) != digest:
                    raise Differs(
                        f"a version's files must match its manifest. Received: {self.store.uri}/"
                        f"{version_key(self.line, version)}/{name} differs"
                    )
            fileio.write_json(aside / MANIFEST, manifest)
            verify(aside)
            if target.exists() and not _whole(target):
                shutil.rmtree(target)
            if not target.exists():
                _rename(aside, target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        self._forget_others(target)
        return target

    def _forget_others(self, target: Path) -> None:
        versions = [path for path in self.cache.glob("[0-9]*-*") if path != target]
        for path in sorted(versions, key=_last_use, reverse=True)[KEPT - 1 :]:
            shutil.rmtree(path, ignore_errors=True)


def _name(version: int, digest: str) -> str:
    return f"{int(version)}-{paths.safe_name(digest, 'digest')[:16]}"


def _last_use(folder: Path) -> float:
    """Seconds since 1970; 0 for what another process has removed meanwhile."""
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0


def _whole(folder: Path) -> bool:
    try:
        return bool(verify(folder))
    except (RegistryError, OSError):
        return False


def _inside(name: str) -> str:
    """A manifest's file name; raises RegistryError where it leads out of the version's folder."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\\" in name:
        raise RegistryError(f"a manifest must name files of its folder. Received: {name[:80]!r}")
    return name


def _rename(aside: Path, target: Path) -> None:
    try:
        os.rename(aside, target)
    except OSError:
        if not _whole(target):  # another process's, with the same files
            raise
