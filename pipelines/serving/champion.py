"""Which versions a server answers with: the champion, and the one before it, so that a rollback needs no loading."""

import threading
import time
from dataclasses import dataclass

import numpy as np

from components.registry.manifest import check_pointed
from pipelines.client import Client, source_of

PROBE = ("Stocks slide as oil hits a record", "")
RETRY = 30.0  # seconds until a version that was refused is tried again, unless the pointer moves before


@dataclass(frozen=True)
class ServedModel:
    """One version, loaded and checked."""

    version: int
    digest: str
    client: Client

    @property
    def key(self) -> tuple[int, str]:
        return self.version, self.digest


def load(line: str, version: int, digest: str, store: str = "", cache: str = "") -> ServedModel:
    """Loads what the pointer names, compares it with its manifest and its digest, and asks it two texts. store, cache: as `Client`'s.

    Raises:
        RegistryError: its files are not those of its manifest, or the manifest is not the one that the pointer names.
        ValueError: its answers are no probabilities, one for each label.
        NoModel, OSError: it is gone, or needs a library that is not installed.
    """
    client = Client(line, version, store=store, cache=cache)
    check_pointed(client.digest, digest, f"version {version}")
    answers = client.probabilities(PROBE)
    if answers.shape != (len(PROBE), len(client.labels)) or not np.allclose(answers.sum(axis=1), 1, atol=1e-3):
        raise ValueError(
            f"version {version} must answer with one probability for each of {len(client.labels)} labels. "
            f"Received: shape {answers.shape}, sums {answers.sum(axis=1).tolist()}"
        )
    return ServedModel(version, digest, client)


class Champion:
    """Follows a line's champion pointer. `check` loads and may take seconds; everything else answers at once, in any thread.

    champion: what answers now, None before the first. previous: the one before, still loaded. trouble: why the champion is not
    what the pointer names, or why a store could not be asked for it, "" where all is well. swaps, refusals: how often it changed, how often a change failed.
    """

    def __init__(self, line: str, store: str = "", cache: str = ""):
        self.line, self._place = line, (store, cache)
        self._source = source_of(line, *self._place)
        self.champion: ServedModel | None = None
        self.previous: ServedModel | None = None
        self.trouble = "not looked for yet"
        self.swaps = self.refusals = 0
        self._refused: tuple[tuple[int, str], float] | None = None
        self._lock = threading.Lock()

    def check(self) -> bool:
        """Follows the pointer if it moved; returns whether another version answers now. What answered goes on until then."""
        with self._lock:
            wanted = None
            try:
                pointer = self._source.champion()
                if pointer is None:
                    self.trouble = f"line {self.line} has no champion yet"
                    return False
                wanted = (pointer["version"], pointer["digest"])
                changed = self._follow(*wanted)
                self.trouble = self.trouble or getattr(self._source, "trouble", "")
                return changed
            except Exception as error:  # whatever is wrong with the new one, the old one answers
                self.refusals += 1
                self.trouble = str(error) or type(error).__name__
                if wanted:
                    self._refused = wanted, time.monotonic()
                    self.trouble = f"version {wanted[0]} serves by the pointer and cannot answer: {self.trouble}"
                return False

    def _follow(self, version: int, digest: str) -> bool:
        if self.champion and self.champion.key == (version, digest):
            self.trouble, self._refused = "", None
            return False
        if self._refused and self._refused[0] == (version, digest) and time.monotonic() - self._refused[1] < RETRY:
            return False
        previous = self.previous
        new = (
            previous
            if previous and previous.key == (version, digest)
            else load(self.line, version, digest, *self._place)
        )
        self.champion, self.previous = new, self.champion
        self.swaps += 1
        self.trouble, self._refused = "", None
        return True

    def loaded(self) -> list[ServedModel]:
        """What can answer, the champion first."""
        return [model for model in (self.champion, self.previous) if model]

    def find(self, version: int | None = None, label: str | None = None) -> ServedModel | None:
        """The champion, or the loaded version with this number or label (`champion`, `previous`); None where there is none."""
        if version is not None:
            return next((model for model in self.loaded() if model.version == version), None)
        return {None: self.champion, "champion": self.champion, "previous": self.previous}.get(label)
