"""For tests of everything behind the gate: tiny real models, exported once a process, and short ways to publish them."""

import functools
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from components.core import fileio, paths
from components.models import family
from components.registry import model_registry
from components.training import export
from pipelines.config import run_config

LINE = "news"
LABELS = ["World", "Sports", "Business", "Sci/Tech"]
WORDS = (
    "minister treaty embassy border",
    "goal coach season striker",
    "shares profit bank merger",
    "chip software orbit browser",
)
# Lists of labels that are not LABELS, by kind of model.
LABELS_OF = {
    "reordered": ["Sci/Tech", "World", "Sports", "Business"],
    "wider": [*LABELS, "Weather"],
    "narrower": LABELS[:3],
}
NETWORK = {"length": 8, "width": 4, "buckets": 32, "pair_width": 4, "dropout": 0.0, "word_dropout": 0.0}
LIMITS = {**run_config.GateConfig().model_dump(), "min_rows": 20}


def articles(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Texts (object[count] of bytes) and label ids: three words of the class's four and one of anybody's."""
    draw = np.random.default_rng(seed)
    ids = np.arange(count, dtype=np.int64) % len(LABELS)
    everybody = " ".join(WORDS).split()
    texts = [" ".join([*draw.choice(WORDS[i].split(), 3), draw.choice(everybody)]) for i in ids]
    return np.array([text.encode() for text in texts], dtype=object), ids


@functools.cache
def model(kind: str) -> Path:
    """The folder of a SavedModel; the same for each call, not to be written to.

    kind: "good"; "shifted", which gives each class's probability to the next; "swapped", with a vocabulary in another
    order; "renamed", with labels in another order; "silent", without signatures; "nan", with weights that are no numbers;
    "stuck", which always says the same; "reordered", the good one with its classes in another order; "wider" and "narrower", with a
    class more and a class less (`LABELS_OF`).
    """
    bag, tokens = family("bag"), ["", "[UNK]", *" ".join(WORDS).split()]
    folder = Path(tempfile.mkdtemp(prefix="newsdesk-tiny-")) / kind
    if kind == "silent":
        tf.saved_model.save(tf.Module(), str(folder))
        return folder
    if kind == "swapped":
        tokens = [*tokens[:2], *tokens[:1:-1]]
    labels = labels_of(kind)
    network = bag.build_network(tokens, NETWORK, len(labels))
    # What training would find: a word speaks for its class, a pair for none. No fit, which takes ten seconds to build.
    ids = np.repeat(np.arange(4), 4)
    network.get_layer("words").set_weights([np.vstack([np.zeros((2, 4)), np.eye(4)[ids]])])
    network.get_layer("pairs").set_weights([np.zeros((32, 4))])
    kernel, bias = np.vstack([np.eye(4), np.zeros((4, 4))]), np.array([0.1, 0.0, 0.0, 0.0])
    if kind == "shifted":
        kernel = np.roll(kernel, 1, axis=1)
    bias = {"nan": bias * np.nan, "stuck": np.array([0.0, 0.0, 99.0, 0.0])}.get(kind, bias)
    if kind in LABELS_OF:
        # A class that the others do not have comes last, and nothing speaks for it.
        order = [LABELS.index(label) if label in LABELS else 4 for label in labels]
        kernel, bias = np.pad(kernel, ((0, 0), (0, 1)))[:, order], np.append(bias, -9.0)[order]
    network.get_layer("logits").set_weights([kernel, bias])
    export.export(folder, bag.build_tokenizer(tokens, NETWORK), network, labels)
    return folder


def labels_of(kind: str) -> list[str]:
    """The labels in the graph of a kind of model."""
    return [*LABELS[1:], LABELS[0]] if kind == "renamed" else LABELS_OF.get(kind, LABELS)


@functools.cache
def answers(kind: str, texts: tuple[str, ...]) -> np.ndarray:
    """What a kind of model says: float32[texts, 4]."""
    return export.predict(model(kind), texts)


def push(run: str, kind: str = "good", line: str = LINE, **more) -> tuple[int, Path]:
    """Publishes a kind of model for a run. `judged` is what it holds and the line's claim does not count, unless `more` says so."""
    from components import pusher

    more = {"judged": model_registry.folder_hashes(model(kind)), "allowed": lambda: None, **more}
    return pusher.push(model(kind), line, run, LABELS_OF.get(kind, LABELS), **more)


def release(run: str, kind: str = "good", line: str = LINE) -> int:
    """Publishes and registers a model and makes it the champion; returns the version."""
    version, folder = push(run, kind, line)
    register(version, folder, run, line)
    model_registry.move_champion(line, model_registry.champion(line), version, "release", "it passed", {"run": run})
    return version


def two_versions() -> str:
    """A line with two versions of which the first serves; returns its name."""
    release("run-1")
    version, folder = push("run-2", "shifted")
    register(version, folder, "run-2")
    return LINE


def register(version: int, folder: Path, run: str = "run", line: str = LINE) -> dict:
    """Writes a version's card."""
    card = {
        "version": version, "line": line, "preset": "bag", "created": "2025-01-02T03:04:05+00:00",
        "digest": model_registry.verify(folder)["digest"], "folder": str(folder), "run": run, "seed": 1, "code": "c0de",
        "metrics": {"accuracy": 0.9, "interval": [0.88, 0.92], "rows": 400, "per_class": dict.fromkeys(LABELS, 0.9)},
        "comparisons": {}, "warnings": [],
        "data": {"source": "demo", "window": "all", "as_of": "2025-01-02", "hash": "da7a", "rows": 400, "files": 1},
    }  # fmt: skip
    fileio.write_json(paths.registry_dir(line) / "versions" / f"{version}.json", card)
    return card
