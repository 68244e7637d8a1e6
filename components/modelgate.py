"""ModelGate: may the candidate be released?

Reads: the candidate, TFMA's metrics, the baseline and the champion where there are any, the test rows. Makes:
ModelBlessing, and the run's `verdict.json` and `verdict.html`. Refuses: nothing by exception; a refusal is a verdict.

All models answer the same test rows. Rules: enough rows; a finite accuracy on which TFMA and the gate's own count agree;
at least the floor; not significantly worse than baseline or champion by a one-sided exact McNemar test
(McNemar 1947, doi:10.1007/BF02295996). A candidate whose content is the champion's is `unchanged`.
"""

import contextlib
import hashlib
import html
import json
import math
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
import tensorflow_model_analysis as tfma
from scipy.stats import binom
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation
from tfx.utils import path_utils

from components import examples as records
from components import export
from pipelines import home, registry


def compare(truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray, alpha: float) -> dict:
    """A paired comparison of two models' labels on the same rows.

    truth, ours, theirs: int64[rows]. p_worse, p_better: exact one-sided McNemar, the chance of so many or more rows that
    only the other (only we) had right if both were equally good.

    Raises:
        ValueError: no rows, or not the same number of them.
    """
    if not len(truth) or not len(truth) == len(ours) == len(theirs):
        raise ValueError(
            f"models are compared on the same rows. Received: rows={len(truth)}, {len(ours)}, {len(theirs)}"
        )
    won = int(((ours == truth) & (theirs != truth)).sum())
    lost = int(((ours != truth) & (theirs == truth)).sum())
    p_worse, p_better = float(binom.sf(lost - 1, won + lost, 0.5)), float(binom.sf(won - 1, won + lost, 0.5))
    return {
        "accuracy": float((theirs == truth).mean()), "difference": (won - lost) / len(truth), "won": won, "lost": lost,
        "p_worse": p_worse, "p_better": p_better, "worse": p_worse < alpha, "better": p_better < alpha,
    }  # fmt: skip


def interval(accuracy: float, rows: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    z = 1.959964
    centre = (accuracy + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * math.sqrt(accuracy * (1 - accuracy) / rows + z * z / (4 * rows * rows))
    return max(0.0, centre - half), min(1.0, centre + half)


def decide(
    metrics: dict, comparisons: dict[str, dict], limits: dict, unchanged: bool
) -> tuple[str, list[str], list[str]]:
    """(decision, reasons, warnings). decision: "blessed", "refused" or "unchanged".

    metrics: `accuracy`, `tfma_accuracy` (None where there is none), `rows`, `predicted_classes`, `not_finite` (rows that got
    a probability that is no number), `uncompared` (names of models that serve or must be matched, and gave no answers).
    comparisons: by name ("baseline", "champion"), as `compare` gives them. limits: `GateConfig` as a dict.
    """
    if unchanged:
        return "unchanged", ["the candidate is the model that serves now, byte for byte"], []
    accuracy, seen = metrics["accuracy"], metrics["tfma_accuracy"]
    refusals, warnings = [], []
    if metrics["rows"] < limits["min_rows"]:
        refusals.append(f"{metrics['rows']} test rows are too few to decide on (least {limits['min_rows']})")
    finite = [value is not None and math.isfinite(value) for value in (accuracy, seen)]
    if not all(finite):
        refusals.append(f"the accuracy must be a finite number (TFMA: {seen}, own count: {accuracy})")
    elif abs(seen - accuracy) > 1e-3:
        refusals.append(f"TFMA's accuracy {seen:.4f} and the gate's own count {accuracy:.4f} must agree")
    if finite[0] and accuracy < limits["floor"]:
        refusals.append(f"test accuracy {accuracy:.4f} is under the floor {limits['floor']:.4f}")
    if metrics["not_finite"]:
        refusals.append(f"{metrics['not_finite']} rows got a probability that is no finite number")
    if metrics["predicted_classes"] < 2:
        refusals.append("the candidate gives every row the same class")
    refusals += [f"there is a {name}, and nothing to compare with it" for name in metrics["uncompared"]]
    for name, found in comparisons.items():
        told = (
            f"{name} {found['accuracy']:.4f}, difference {found['difference']:+.4f}: "
            f"{found['won']} rows won, {found['lost']} lost, p = {found['p_worse']:.3g}"
        )
        if found["worse"]:
            refusals.append(f"significantly worse than the {told}")
        elif name == "baseline" and not found["better"]:
            warnings.append(
                f"not significantly better than the {name} ({found['accuracy']:.4f}, p = {found['p_better']:.3g})"
            )
    if refusals:
        return "refused", refusals, warnings
    passed = [f"test accuracy {accuracy:.4f} on {metrics['rows']:,} rows (floor {limits['floor']:.4f})"]
    for name, found in comparisons.items():
        passed.append(
            f"not worse than the {name} ({found['accuracy']:.4f}, difference {found['difference']:+.4f}, "
            f"{found['won']} rows won, {found['lost']} lost, p = {found['p_worse']:.3g})"
        )
    return "blessed", passed, warnings


def predictions(model_dir: Path, digest: str, texts: np.ndarray) -> np.ndarray:
    """Probabilities float32[rows, classes], scored once for each pair of model content and test rows.

    What an earlier attempt left behind counts only if it is whole: a zip file checks its own sums.
    """
    rows = hashlib.sha256(b"".join(len(text).to_bytes(8, "little") + text for text in texts)).hexdigest()
    kept = home.home() / "predictions" / f"{digest[:32]}-{rows[:32]}.npz"
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        with np.load(kept, allow_pickle=False) as found:
            answers = found["probabilities"]
        if answers.shape[0] == len(texts):
            return answers
    answers = export.predict(model_dir, texts)
    kept.parent.mkdir(parents=True, exist_ok=True)
    aside = kept.with_suffix(f".{os.getpid()}.part.npz")
    try:
        np.savez(aside, probabilities=answers)
        aside.replace(kept)
    finally:
        aside.unlink(missing_ok=True)
    return answers


def tfma_metrics(uri: str, labels: list[str]) -> dict:
    """The candidate's metrics from a TFMA evaluation: `accuracy` (None if absent) and recall by class."""
    found = {"accuracy": None, "per_class": {}}
    slices = tfma.load_eval_result(uri, model_name=tfma.CANDIDATE_KEY).slicing_metrics
    # An evaluation of one model alone names none.
    for key, values in slices or tfma.load_eval_result(uri).slicing_metrics:
        value = values.get("", {}).get("", {}).get("sparse_categorical_accuracy", {}).get("doubleValue")
        if key == ():
            found["accuracy"] = value
        elif key[0][0] == "label":
            found["per_class"][labels[int(key[0][1])]] = value
    return found


def confusion(truth: np.ndarray, ours: np.ndarray, classes: int) -> list[list[int]]:
    """Counts [true class][predicted class]."""
    table = np.zeros((classes, classes), int)
    np.add.at(table, (truth, ours), 1)
    return table.tolist()


def page(verdict: dict, labels: list[str]) -> str:
    """The verdict as a self-contained HTML page."""

    def items(lines):
        return "".join(f"<li>{html.escape(line)}</li>" for line in lines)

    head = "".join(f"<th>{html.escape(label)}" for label in labels)
    matrix = "".join(
        f"<tr><th>{html.escape(label)}" + "".join(f"<td>{count:,}" for count in row) + f"<td>{row[i] / max(sum(row), 1):.1%}"
        for i, (label, row) in enumerate(zip(labels, verdict["metrics"]["confusion"], strict=True))
    )  # fmt: skip
    low, high = verdict["metrics"]["interval"]
    return f"""<!doctype html><meta charset=utf-8><title>Model verdict: {verdict["decision"]}</title>
<style>:root{{color-scheme:light dark}}body{{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse;margin:1rem 0}}td,th{{text-align:right;padding:.35rem .8rem;border-bottom:1px solid #8884}}</style>
<h1>Model verdict: {verdict["decision"]}</h1><ul>{items(verdict["reasons"])}</ul>
{"<h2>Warnings</h2><ul>" + items(verdict["warnings"]) + "</ul>" if verdict["warnings"] else ""}
<h2>Test accuracy {verdict["metrics"]["accuracy"] or 0:.4f} (95% interval {low:.4f} to {high:.4f})</h2>
<table><tr><th>true \\ predicted{head}<th>recall</tr>{matrix}</table>
<p>Run {html.escape(verdict["run"])}, candidate {verdict["digest"][:12]}</p>
"""


def content(folder: Path) -> str:
    """The digest by which a model is known: the same files have the same, wherever they lie."""
    return registry.content_digest(registry.folder_hashes(folder))


def serving(folder: Path, digest: str) -> str:
    """The champion's digest, after looking at its files: the node that published it may have been cached.

    Raises:
        registry.RegistryError: the files are not the champion's.
    """
    found = registry.verify(folder)["digest"]
    if found != digest:
        raise registry.RegistryError(
            f"the champion must be what the pointer names, {digest[:12]}. Received: {folder} holds {found[:12]}"
        )
    return found


@component
def ModelGate(
    run: Parameter[str],
    labels: Parameter[str],
    limits: Parameter[str],
    champion_digest: Parameter[str],
    examples: InputArtifact[Examples],
    model: InputArtifact[Model],
    evaluation: InputArtifact[ModelEvaluation],
    blessing: OutputArtifact[ModelBlessing],
    baseline: InputArtifact[Model] = None,
    champion: InputArtifact[Model] = None,
):
    """labels: JSON list; limits: JSON of `GateConfig`; champion_digest: "" where the line has no champion."""
    names, bounds = json.loads(labels), json.loads(limits)
    texts, truth = records.load(examples.uri, "test")
    folder = Path(path_utils.serving_model_dir(model.uri))
    digest = content(folder)
    answers = predictions(folder, digest, texts)
    ours = answers.argmax(axis=1)
    comparisons = {}
    for name, artifact in (("baseline", baseline), ("champion", champion)):
        if artifact is not None and len(truth):
            other = Path(path_utils.serving_model_dir(artifact.uri)).resolve()
            known = serving(other, champion_digest) if name == "champion" else content(other)
            comparisons[name] = compare(truth, ours, predictions(other, known, texts).argmax(axis=1), bounds["alpha"])
    measured = tfma_metrics(evaluation.uri, names)
    accuracy = float((ours == truth).mean()) if len(truth) else None
    metrics = {
        "accuracy": accuracy, "tfma_accuracy": measured["accuracy"], "rows": len(truth),
        "interval": interval(accuracy or 0.0, max(len(truth), 1)), "per_class": measured["per_class"],
        "predicted_classes": len(set(ours.tolist())), "not_finite": int((~np.isfinite(answers).all(axis=1)).sum()),
        "uncompared": ["champion"] if champion_digest and "champion" not in comparisons else [],
        "confusion": confusion(truth, ours, len(names)),
    }  # fmt: skip
    decision, reasons, warnings = decide(metrics, comparisons, bounds, unchanged=digest == champion_digest)
    verdict = {
        "run": run, "decision": decision, "reasons": reasons, "warnings": warnings, "digest": digest,
        "metrics": metrics, "comparisons": comparisons, "limits": bounds, "model": str(folder),
    }  # fmt: skip
    home.write_json(home.run_dir(run) / "verdict.json", verdict)
    home.write_text(home.run_dir(run) / "verdict.html", page(verdict, names))
    Path(blessing.uri, "BLESSED" if decision == "blessed" else "NOT_BLESSED").touch()
    blessing.set_int_custom_property("blessed", int(decision == "blessed"))
    blessing.set_string_custom_property(
        "headline", "; ".join([f"{decision}: {reasons[0]}", *reasons[1:], *(f"warning: {w}" for w in warnings)])
    )
