"""An object store as the registry uses it: whole objects, written once or replaced only where nobody else has replaced them.

`NEWSDESK_STORE` names it (`s3://bucket/folder`), credentials come from where the store's other programs have theirs: variables of
the environment, a profile (`AWS_PROFILE`, with boto3), or the machine's own role. Needs obstore, which is imported when a store is opened.

Every promise of the published registry rests on conditional writes: `If-None-Match: *` makes an object once, `If-Match` replaces
what was read. A store that ignores these headers answers 200 and looks healthy, so `check_conditional_writes` tries it first.
"""

import contextlib
import functools
import hashlib
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from components.registry.manifest import RegistryError

VARIABLE = "NEWSDESK_STORE"
_URI = re.compile(r"(s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]{1,254}(/[A-Za-z0-9][A-Za-z0-9._-]*)*/?")
# Times and counts of tries in the library's messages: with them the same cause reads as another one each time.
_TIMES = re.compile(r" in [\d.]+(ns|µs|ms|s)\b(, after \d+ retries, max_retries: \d+, retry_timeout: \S+)?")
_LIMITS = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=120)}
_RETRIES = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}


class StoreError(RegistryError):
    """The object store does not answer, refuses, or cannot keep what the registry promises."""


class Conflict(StoreError):
    """A conditional write was refused: the object is there already, or another one than was read."""


@dataclass(frozen=True)
class StoredObject:
    """What was read. etag: the version of the object, for `replace` and `changed`."""

    data: bytes
    etag: str


class ObjectStore:
    """The objects below one address. Keys are relative to it. Safe in several threads, not across a fork.

    uri: `s3://bucket/folder`; `gs://` and `az://` open Google's and Azure's.

    Raises (every method):
        StoreError: the store does not answer, or refuses; the message names address, key and cause.
    """

    def __init__(self, uri: str):
        self.uri = checked_uri(uri)
        try:
            from obstore.store import from_url
        except ImportError:
            raise StoreError(
                f"{self.uri} needs the package obstore. Install it beside Newsdesk or its client."
            ) from None
        with self._told("", "open"):
            self._store = from_url(self.uri, retry_config=_RETRIES, **_options(self.uri))

    def read(self, key: str) -> StoredObject | None:
        """An object; None where there is none."""
        return self._get(key)

    def changed(self, key: str, etag: str) -> StoredObject | None:
        """An object that is no longer the one of `etag`; None where it still is.

        Raises:
            StoreError: there is none any more, or as every method.
        """
        import obstore

        try:
            found = self._get(key, {"if_none_match": etag})
        except obstore.exceptions.NotModifiedError:
            return None
        if found is None:
            raise StoreError(f"an object that was read must stay. Received: {self.uri}/{key} is gone")
        return found

    def create(self, key: str, data: bytes) -> None:
        """Writes an object that is not there yet; one with the same content is as good.

        Raises:
            Conflict: it is there, with another content.
        """
        import obstore

        try:
            with self._told(key, "write"):
                obstore.put(self._store, key, data, mode="create", use_multipart=False)
        except obstore.exceptions.AlreadyExistsError:
            self._ours(key, data)

    def replace(self, key: str, data: bytes, etag: str) -> None:
        """Writes an object in the place of the one that was read.

        Raises:
            Conflict: it is another one by now.
        """
        import obstore

        try:
            with self._told(key, "write"):
                obstore.put(self._store, key, data, mode={"e_tag": etag}, use_multipart=False)
        except (obstore.exceptions.PreconditionError, obstore.exceptions.AlreadyExistsError):
            self._ours(key, data)

    def write(self, key: str, data: bytes) -> None:
        """Writes an object, whatever is there. For what follows from other objects, and is written by nobody else meanwhile."""
        import obstore

        with self._told(key, "write"):
            obstore.put(self._store, key, data, use_multipart=False)

    def download(self, key: str, path: Path) -> str:
        """Writes an object to a file; returns the sha256 of what was written, hex.

        Raises:
            StoreError: there is none, or as every method. OSError: the file cannot be written.
        """
        import obstore

        digest = hashlib.sha256()
        with open(path, "wb") as file:
            try:
                with self._told(key, "read"):
                    blocks = iter(obstore.get(self._store, key).stream(min_chunk_size=1 << 20))
                while (block := self._next(key, blocks)) is not None:
                    digest.update(block)
                    file.write(block)
            except _Missing as error:
                raise StoreError(f"an object must be there to be read. Received: {self.uri}/{key} ({error})") from None
        return digest.hexdigest()

    def keys(self, prefix: str) -> dict[str, datetime]:
        """Every object below a folder, with the time of its last write."""
        import obstore

        with self._told(prefix, "list"):
            return {each["path"]: each["last_modified"] for page in obstore.list(self._store, prefix) for each in page}

    def remove(self, keys: Iterable[str]) -> None:
        """Removes objects in this order, one after the other; those that are gone are no error."""
        import obstore

        for key in keys:
            with contextlib.suppress(_Missing), self._told(key, "remove"):
                obstore.delete(self._store, key)

    def _get(self, key: str, options: dict | None = None) -> StoredObject | None:
        import obstore

        try:
            with self._told(key, "read"):
                found = obstore.get(self._store, key, options=options)
                return StoredObject(bytes(found.bytes()), found.meta["e_tag"] or "")
        except _Missing:
            return None

    def _next(self, key: str, blocks: Iterator) -> bytes | None:
        with self._told(key, "read"):
            return next(blocks, None)

    def _ours(self, key: str, data: bytes) -> None:
        """Raises Conflict unless the object is what was to be written: an earlier try whose answer was lost may have written it."""
        there = self.read(key)
        if there is None or there.data != data:
            raise Conflict(
                f"an object must not change under a conditional write. Received: {self.uri}/{key} is another one"
            )

    @contextlib.contextmanager
    def _told(self, key: str, what: str) -> Iterator[None]:
        """Turns the library's errors into StoreError, but for those of a condition, and `_Missing` where there is nothing to read."""
        import obstore

        conditions = (
            obstore.exceptions.AlreadyExistsError,
            obstore.exceptions.NotModifiedError,
            obstore.exceptions.PreconditionError,
        )
        try:
            yield
        except conditions:
            raise
        except (obstore.exceptions.BaseError, OSError, ValueError, RuntimeError) as error:
            told = _TIMES.sub("", " ".join(str(error).partition("\n\nDebug source")[0].split()))[:400]
            if isinstance(error, FileNotFoundError) and what in ("read", "remove") and "NoSuchBucket" not in told:
                raise _Missing(told) from None
            raise StoreError(
                f"the object store must answer. Received: {what} {self.uri}{'/' if key else ''}{key}: {told}"
            ) from error


class _Missing(Exception):
    """There is no such object."""


def configured() -> ObjectStore | None:
    """The store that `NEWSDESK_STORE` names; None where it names none.

    Raises:
        StoreError: it is no address of a store.
    """
    uri = os.environ.get(VARIABLE, "").strip()
    return ObjectStore(uri) if uri else None


@functools.lru_cache(maxsize=8)
def check_conditional_writes(uri: str) -> None:
    """Tries whether the store refuses a second `If-None-Match: *` and a wrong `If-Match`; once a process where it does.

    Raises:
        StoreError: it lets one through, or does not answer.
    """
    import obstore

    store = ObjectStore(uri)
    key = f".newsdesk-check/{uuid.uuid4().hex}"
    conditions = {"If-None-Match: *": "create", "If-Match": {"e_tag": '"00000000000000000000000000000000"'}}
    refusals = (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError)
    let_through = []
    try:
        store.create(key, b"first")
        for header, mode in conditions.items():
            with store._told(key, "write"), contextlib.suppress(*refusals):
                obstore.put(store._store, key, f"not {header}".encode(), mode=mode, use_multipart=False)
                let_through.append(header)
    finally:
        with contextlib.suppress(StoreError):
            store.remove([key])
    if let_through:
        raise StoreError(
            "an object store must answer 412 where a write's condition is false; otherwise two writers overwrite each other. "
            f"Received: {store.uri} wrote an object that was there, against {' and '.join(let_through)}. "
            "Nothing was published. Use a store that honours both headers, or unset NEWSDESK_STORE"
        )


def checked_uri(uri: str) -> str:
    """An address without a slash at its end.

    Raises:
        StoreError: it is none.
    """
    if not _URI.fullmatch(uri):
        received = uri[:200] if "@" not in uri else "an address with a user or password"
        raise StoreError(
            "a store must be an address such as s3://bucket/folder (letters, digits, dots, dashes, underscores; gs and az too), "
            f"without credentials. Received: {received!r}"
        )
    return uri.rstrip("/")


def _options(uri: str) -> dict:
    """What obstore does not take from the environment by itself."""
    if not uri.startswith("s3:"):
        return {"client_options": _LIMITS}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    options = {
        "client_options": {**_LIMITS, "allow_http": endpoint.startswith("http://")},
        "config": {
            "checksum_algorithm": "SHA256",
            "disable_bulk_delete": True,
            **({"endpoint": endpoint} if endpoint else {}),
        },
    }
    if os.environ.get("AWS_PROFILE"):
        try:
            from obstore.auth.boto3 import Boto3CredentialProvider
        except ImportError:
            raise StoreError(
                "AWS_PROFILE needs the package boto3. Install it, or put the credentials into the environment: "
                'eval "$(aws configure export-credentials --format env)"'
            ) from None
        options["credential_provider"] = Boto3CredentialProvider()
    return options
