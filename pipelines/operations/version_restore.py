"""Makes the folder of a served version again, where it is damaged or gone: from the object store, else from the model that its run trained."""

import os
import shutil
import uuid
import warnings
from pathlib import Path

from components.core import clock, fileio, locks, paths
from components.core.records import VersionCard
from components.registry import manifest, model_registry, object_store
from components.registry.manifest import MANIFEST, RegistryError
from components.registry.store_reader import StoreReader


def restore(line: str, version: int) -> Path:
    """Replaces the folder of a served version by a whole one, whose model is byte for byte that of the version's card.

    Returns where the model was found. From the object store comes the whole folder; a model of the artifact store gets warm-up
    requests, MLflow's files and manifest as the Pusher gave them.

    Raises:
        RegistryError: the version has no card, or the model of its card is found nowhere; nothing is changed.
    """
    card = model_registry.card(line, version)
    source = card and (_stored(line, version) or _trained(line, card.digest))
    if not source:
        raise RegistryError(
            f"version {version} of {line} must be in the object store or in {_models(line)}, as its card names it. Received: found nowhere"
        )
    aside, old = (paths.staging_dir() / f"restore-{line}-{version}.{uuid.uuid4().hex}" for _ in range(2))
    served = model_registry.served_folder(line, version)
    try:
        shutil.copytree(source, aside)
        os.utime(aside)  # it had got its source's time, and would be taken for a leftover
        if not (aside / MANIFEST).exists():
            _complete(aside, line, card, _labels(line, version))
        for path in (*aside.rglob("*"), aside):
            fileio.sync(path)
        if model_registry.verify(aside)["digest"] != card.digest:
            raise manifest.Differs(
                f"a version must hold the model of its card, {card.digest[:12]}. Received: {source} holds another"
            )
        served.parent.mkdir(parents=True, exist_ok=True)
        with locks.line_lock(line):
            if os.path.lexists(served):
                os.rename(served, old)
            os.rename(aside, served)
            fileio.sync(served.parent)
    finally:
        model_registry.clear([path for path in (aside, old) if os.path.lexists(path)])
    return source


def _models(line: str) -> Path:
    return paths.artifacts_dir(line) / "Trainer" / "model"


def _stored(line: str, version: int) -> Path | None:
    """The version out of the object store, downloaded into `staging/`; None where it is not there, or no store answers."""
    try:
        there = object_store.configured()
        return there and StoreReader(there.uri, line, paths.staging_dir() / "store.cache").folder(version)
    except RegistryError:  # the artifact store is asked next
        return None


def _trained(line: str, digest: str) -> Path | None:
    """The folder in the artifact store that holds a model; None where none does."""
    folders = _models(line).glob("*/Format-Serving")
    return next((each for each in folders if manifest.content_digest(manifest.folder_hashes(each)) == digest), None)


def _labels(line: str, version: int) -> list[str]:
    """The labels that a version was trained with, from its manifest, else from its origin.

    Raises:
        RegistryError: neither names them.
    """
    labels = model_registry.labels_of(line, version)
    if not labels:
        raise RegistryError(
            f"version {version} of {line} must have its labels in its manifest or its origin. Received: neither"
        )
    return labels


def _complete(folder: Path, line: str, card: VersionCard, labels: list[str]) -> None:
    """Adds to a model's folder what the Pusher adds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of libraries, about Python's version
        from components import pusher  # TensorFlow

    pusher.write_warm_up(folder)
    pusher.write_mlmodel(folder, labels)
    content = {
        "version": card.version,
        "line": line,
        "run": card.run,
        "digest": card.digest,
        "labels": labels,
        "files": model_registry.folder_hashes(folder),
        "pushed": card.created,
        "restored": clock.now(),
    }
    fileio.write_json(folder / MANIFEST, content)
