"""After the nodes that decide, the run's candidate goes into MLflow with its curves, verdict and pages.

MLflow decides nothing: a failure is logged.
"""

import sys
import tempfile
from pathlib import Path

from components.core import fileio, paths, run_record
from components.core.records import RunRecord, Verdict
from components.registry import mlflow_sync, model_registry

DECIDING = ("ModelGate", "Canary", "Pusher", "Registrar")  # each may change what the run's verdict says


def after(node: str, run_id: str) -> None:
    """Mirrors the run's candidate if `node` decided about it; Canary and Pusher count only where they refused it."""
    if node not in DECIDING:
        return
    try:
        verdict = Verdict.read(paths.run_dir(run_id) / "verdict.json")
        if verdict and (node in ("ModelGate", "Registrar") or verdict.decision == "refused"):
            mirror(run_record.load(run_id), verdict)
    except Exception as error:  # of MLflow and its database: many classes, none of which undoes a verdict
        print(f"{node}: MLflow could not be updated: {error}; the result stands", file=sys.stderr)


def mirror(record: RunRecord, verdict: Verdict) -> str:
    """Mirrors the candidate as it stands now; returns MLflow's id of its run."""
    release = fileio.read_json(paths.run_dir(record.run) / "release.json") or {}
    history = fileio.read_json(_made(record.run, "Trainer", "model_run") / "history.json") or {}
    with tempfile.TemporaryDirectory(dir=paths.staging_dir(), prefix="mlflow.") as aside:
        files = {**_pages(record, release), **_pictures(record, verdict, Path(aside))}
        state = str(release.get("state") or verdict.decision)
        return mlflow_sync.candidate(record, verdict, history.get("epochs") or [], files, state)


def _pages(record: RunRecord, release: dict) -> dict[str, Path]:
    """What was drawn already, by its name in MLflow: the verdict, its rows, the curves, and a version's card."""
    folder, version = paths.run_dir(record.run), release.get("version")
    training = _made(record.run, "Trainer", "model_run")
    pages = {f"verdict/{name}": folder / name for name in ("verdict.html", "verdict.json", "rows.csv")}
    pages |= {f"training/{name}": training / name for name in ("curves.html", "history.json")}
    if version:
        card = model_registry.card_path(record.line, version)
        cards = (card, card.with_suffix(".card.html"), card.with_suffix(".card.md"))
        pages |= {f"card/{path.name}": path for path in cards}
    return {name: path for name, path in pages.items() if path.is_file()}


def _pictures(record: RunRecord, verdict: Verdict, aside: Path) -> dict[str, Path]:
    matrix = verdict.metrics.get("confusion")
    if not matrix:
        return {}
    from pipelines.reports import confusion_picture

    path = aside / "confusion_matrix.png"
    title = f"{record.line}: {verdict.decision}, accuracy {verdict.metrics.get('accuracy') or 0:.4f}"
    confusion_picture.draw(path, matrix, record.config.labels, title)
    return {path.name: path}


def _made(run_id: str, node: str, name: str) -> Path:
    """The folder of a node's artifact; one that is not there where the node left none."""
    place = ((run_record.last_event(run_id, node) or {}).get("artifacts") or {}).get(name)
    return Path(place) if place else paths.run_dir(run_id) / "none"
