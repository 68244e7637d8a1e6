"""Draws the pages of a node once it has ended, from the JSON that it left.

A node writes numbers and rows; how they look is decided here. So a change of a page retrains nothing, and old runs can be drawn anew.
"""

import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

from components.core import fileio, paths
from components.registry import model_registry


def draw(node: str, run_id: str, artifacts: Mapping[str, str]) -> None:
    """Draws what belongs to `node`; a page that cannot be drawn is reported in the log and does not fail the node.

    artifacts: the folders of the node's outputs, by output name.
    """
    try:
        _DRAWERS.get(node, lambda run_id, artifacts: None)(run_id, artifacts)
    except Exception:
        print(f"{node}: its page could not be drawn; the result stands:", file=sys.stderr)
        traceback.print_exc()


def _data_verdict(run_id: str, artifacts: Mapping[str, str]) -> None:
    folder = Path(artifacts["verdict"])
    if (folder / "verdict.html").exists():  # taken from the cache
        return
    from pipelines.reports import data_charts, data_verdict

    verdict = fileio.read_json(folder / "verdict.json")
    profile, champion = (_read(verdict["profiles"][whose]) for whose in ("run", "champion"))
    pictures = data_charts.pictures(profile, champion) if profile and profile["train"]["rows"] else []
    page = data_verdict.page(verdict, verdict["account"], pictures, verdict["docs"])
    fileio.write_text(folder / "verdict.html", page)


def _learning_curves(run_id: str, artifacts: Mapping[str, str]) -> None:
    folder = Path(artifacts["model_run"])
    history = _read(folder / "history.json")
    if history and not (folder / "curves.html").exists():
        from pipelines.reports import learning_curves

        fileio.write_text(folder / "curves.html", learning_curves.page(history))


def model_verdict(run_id: str, artifacts: Mapping[str, str]) -> None:
    """Draws the run's `verdict.html` anew; a later refusal by the canary is on it as well."""
    from pipelines.reports import model_verdict

    folder = paths.run_dir(run_id)
    verdict, shown = fileio.read_json(folder / "verdict.json"), fileio.read_json(folder / "verdict_page.json")
    labels = shown.pop("labels")
    if shown["data"]:
        shown["data"]["page"] = os.path.normpath(folder / shown["data"]["page"])
    rows = model_verdict.rows_as_csv(labels, shown.get("mistakes", ()), shown["differing"])
    fileio.write_text(folder / model_verdict.CSV, rows)
    fileio.write_text(folder / "verdict.html", model_verdict.page(verdict, labels, **shown))


def _model_cards(run_id: str, artifacts: Mapping[str, str]) -> None:
    from pipelines.reports import model_card

    line = fileio.read_json(paths.run_dir(run_id) / "run.json")["config"]["line"]
    release = fileio.read_json(paths.run_dir(run_id) / "release.json")
    if not release:  # refused by the Registrar
        return model_verdict(run_id, artifacts)
    for version in {release["version"], *model_registry.aliases(line)}:
        model_card.write(line, version)


def _read(path: str | Path):
    return fileio.read_json(Path(path)) if path else None


_DRAWERS = {
    "DataGate": _data_verdict,
    "Trainer": _learning_curves,
    "ModelGate": model_verdict,
    "Canary": model_verdict,
    "Pusher": model_verdict,
    "Registrar": _model_cards,
}
