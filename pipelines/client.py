"""For consumers: the champion of a line, loaded, checked and asked. Needs numpy and TensorFlow, nothing else of Newsdesk's.

from pipelines.client import Client
Client("news").classify(["Striker signs for United"])                                        # NEWSDESK_HOME
Client("news", store="s3://bucket/newsdesk").classify(["Striker signs for United"])          # needs obstore too

`make client` builds the wheel `newsdesk-client` from this file and what it imports.
"""

import tempfile
import uuid
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.core import fileio
from components.core.request_log import LogSettings, RequestLog
from components.registry import export_file, model_registry
from components.registry.version_source import NoModel as NoModel
from components.registry.version_source import Source, StateFolder, champion_or, find, source_of

BATCH = 512  # rows a call into the graph
_LOG_LIMITS = LogSettings()


class InvalidConfidence(ValueError):
    """A least confidence that is no number of 0..1."""


@dataclass(frozen=True)
class _Loaded:
    """One version, whole. It is replaced in one step, so that no answer mixes two versions."""

    version: int
    digest: str
    labels: tuple[str, ...]
    ask: Callable[[list[bytes]], np.ndarray]


class Client:
    """Answers with the champion of a line, or with one version of it; `refresh` follows the pointer.

    min_confidence: an answer whose highest probability is below it has no label (see `classify`); 0 labels every text. The
    model's verdict and card show what share of the test rows each value leaves, and how many of these are right.
    log: a folder that keeps what `classify` was asked and answered, one folder a day (`components.core.request_log`), None to keep
    nothing. It holds the texts themselves. log_limits: of that folder. `close`, or the end of the process, writes what waits.
    store: an object store to read the line from, `s3://bucket/folder`, where it is not below `NEWSDESK_HOME`. cache: a folder that keeps
    what was downloaded (`~/.cache/newsdesk/store`); while the store is away, the champion that was read last answers from there.
    Several threads may ask while one refreshes.

    Raises:
        NoModel, model_registry.RegistryError: as `find`. TypeError: version is no whole number.
        InvalidConfidence: min_confidence is no number of 0..1.
    """

    def __init__(
        self,
        line: str,
        version: int | None = None,
        min_confidence: float = 0.0,
        log: str | Path | None = None,
        log_limits: LogSettings = _LOG_LIMITS,
        store: str = "",
        cache: str | Path | None = None,
    ):
        self.line, self.pinned, self.min_confidence = line, version, checked_confidence(min_confidence)
        self._source = source_of(line, store, cache)
        self._loaded = _open(self._source, version)
        self._keep(log, log_limits)

    @classmethod
    def from_file(
        cls,
        file: str | Path,
        min_confidence: float = 0.0,
        log: str | Path | None = None,
        log_limits: LogSettings = _LOG_LIMITS,
    ) -> "Client":
        """Answers with a version that `newsdesk export` wrote, and with no other: `refresh` changes nothing.

        Raises:
            model_registry.RegistryError: the file is no export, or not whole. NoModel, InvalidConfidence, OSError: as above.
        """
        found = cls.__new__(cls)
        found.min_confidence = checked_confidence(min_confidence)
        with tempfile.TemporaryDirectory(prefix="newsdesk-export-") as place:  # not needed once the model is loaded
            found.line, found.pinned, folder = export_file.unpack(Path(file), Path(place))
            found._loaded, found._source = _load(found.pinned, folder), StateFolder(found.line)
        found._keep(log, log_limits)
        return found

    def _keep(self, folder: str | Path | None, limits: LogSettings) -> None:
        self.log = RequestLog(Path(folder), limits) if folder else None
        self.close = weakref.finalize(self, self.log.close) if self.log else lambda: None

    @property
    def version(self) -> int:
        return self._loaded.version

    @property
    def digest(self) -> str:
        """Of the version's content, as its manifest names it."""
        return self._loaded.digest

    @property
    def labels(self) -> tuple[str, ...]:
        return self._loaded.labels

    def refresh(self) -> bool:
        """Loads the champion anew if the pointer moved; returns whether it did. The old one answers until the new one is loaded.

        Raises:
            model_registry.RegistryError, NoModel, OSError: the new one is damaged or gone; the old one goes on answering.
        """
        if champion_or(self.pinned, self._source) == self.version:
            return False
        self._loaded = _open(self._source, self.pinned)
        return True

    def probabilities(self, texts: Iterable[str]) -> np.ndarray:
        """float32[texts, classes], in the texts' order.

        Raises:
            TypeError: one text instead of a list, or something in it that is no text.
        """
        return _probabilities(self._loaded, _listed(texts))

    def classify(self, texts: Iterable[str], request_id: str = "") -> list[dict]:
        """One dict a text, in order: `label`, `label_id`, `probabilities` (by label order), `model_version`; with a log also `id`.

        Below `min_confidence` an answer is uncertain: `label` and `label_id` are None, the probabilities are there.
        request_id: the caller's own name of the request in the log, a new one where it is empty.

        Raises: as `probabilities`.
        """
        loaded, least, answers = self._loaded, self.min_confidence, []
        texts = _listed(texts)
        rows = _probabilities(loaded, texts)
        for row, certain in zip(rows, sure(rows, least)):
            label_id = int(row.argmax()) if certain else None
            answers.append(
                {
                    "label": None if label_id is None else loaded.labels[label_id],
                    "label_id": label_id,
                    "probabilities": [round(float(p), 6) for p in row],
                    "model_version": loaded.version,
                }
            )
        if self.log:
            request_id = request_id or uuid.uuid4().hex
            for number, answer in enumerate(answers, 1):
                answer["id"] = f"{request_id}-{number}"
            guesses = [(text, loaded.labels[row.argmax()], float(row.max())) for text, row in zip(texts, rows)]
            self.log.add(request_id, loaded.version, loaded.digest, guesses)
        return answers


def sure(rows: np.ndarray, least: float) -> np.ndarray:
    """bool[texts]: whether an answer's highest probability is at least `least`. rows: float32[texts, classes]."""
    return rows.max(axis=1) >= least


def checked_confidence(value: float) -> float:
    """The value as a float.

    Raises:
        InvalidConfidence: it is no number of 0..1.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)) or not 0 <= value <= 1:
        raise InvalidConfidence(f"min_confidence must be a number from 0 to 1. Received: {value!r:.80}")
    return float(value)


def _open(source: Source, version: int | None) -> _Loaded:
    """Loads a version, or the champion: the one that serves when the loading ends well.

    A champion whose successors came while it was loaded may have been removed meanwhile; that is no fault of what serves now.
    """
    while True:
        number = champion_or(version, source)
        try:
            return _load(*find(source.line, number, source))
        except Exception:
            if version is not None or champion_or(None, source) == number:
                raise


def _load(version: int, folder: Path) -> _Loaded:
    import tensorflow as tf

    model = load_model(folder)
    classify = model.signatures["classify"]

    def ask(texts: list[bytes]) -> np.ndarray:
        _ = model  # a signature alone does not keep the model's tables alive
        return classify(text=tf.constant(texts))["probabilities"].numpy()

    manifest = fileio.read_json(folder / model_registry.MANIFEST)
    return _Loaded(version, manifest["digest"], tuple(manifest["labels"]), ask)


def load_model(folder: Path):
    """The SavedModel of a version. One whose tokenizer consists of tensorflow_text's operations (WordPiece) needs that library.

    Raises:
        NoModel: it is needed and not installed.
    """
    import tensorflow as tf

    try:
        return tf.saved_model.load(str(folder))
    except Exception as error:  # an operation that it does not know is told by several classes
        if "Op type not registered" not in str(error):
            raise
        try:
            import tensorflow_text  # noqa: F401, its import makes the operations known
        except ImportError:
            raise NoModel(
                f"version {folder.name} has a WordPiece tokenizer; install tensorflow-text of TensorFlow's version {tf.__version__}"
            ) from None
    return tf.saved_model.load(str(folder))


def _listed(texts: Iterable[str]) -> list[str]:
    """The texts as a list, also those of a generator, which gives them once."""
    listed = [] if isinstance(texts, str | bytes) else list(texts)
    odd = [texts] if isinstance(texts, str | bytes) else [text for text in listed if not isinstance(text, str)]
    if odd:
        raise TypeError(f"texts must be a list of str. Received: {type(odd[0]).__name__} {odd[0]!r:.80}")
    return listed


def _probabilities(loaded: _Loaded, texts: list[str]) -> np.ndarray:
    """Rows go in by length, so that a batch is padded little."""
    raw = [text.encode("utf-8", "replace") for text in texts]
    answers = np.zeros((len(raw), len(loaded.labels)), np.float32)
    order = np.argsort([len(text) for text in raw], kind="stable")
    for start in range(0, len(raw), BATCH):
        rows = order[start : start + BATCH]
        answers[rows] = loaded.ask([raw[row] for row in rows])
    return answers
