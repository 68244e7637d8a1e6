"""ModelGate: may the candidate be released?

Reads: the candidate, TFMA's metrics, the baseline and the champion where there are any, the test rows. Makes:
ModelBlessing, and the run's `verdict.json` and `verdict.html`. Refuses: nothing by exception; a refusal is a verdict.

All models answer the same test rows. Rules: enough rows; a finite accuracy on which TFMA and the gate's own count agree;
at least the floor; not significantly worse than baseline, champion or the best version that ever served (exact McNemar
test); shown to be less than `margin` worse than champion and best, where there are rows enough to show it; no class whose
recall fell by more than `class_margin` against either. The best one is asked because many small steps down, each within
the noise, would else add up. A candidate whose content is the champion's is `unchanged`.
"""

import contextlib
import hashlib
import json
import math
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
import tensorflow_model_analysis as tfma
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation
from tfx.utils import path_utils

from components import examples as records
from components import export
from components.modelgate_page import calibration, disagreements, page
from components.paired import compare, interval
from pipelines import home, registry


def decide(
    metrics: dict, comparisons: dict[str, dict], limits: dict, unchanged: bool
) -> tuple[str, list[str], list[str]]:
    """(decision, reasons, warnings). decision: "blessed", "refused" or "unchanged".

    metrics: `accuracy`, `tfma_accuracy` (None where there is none), `rows`, `predicted_classes`, `not_finite` (rows that got
    a probability that is no number), `uncompared` (names of models that serve or must be matched, and gave no answers).
    comparisons: by name ("baseline", "champion", "best"), as `compare` gives them. limits: `GateConfig` as a dict.
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
        against = f"{name} ({_told(found)})"
        if found["worse"]:
            refusals.append(f"significantly worse than the {against}, p = {found['p_worse']:.3g}")
        elif name == "baseline":
            if not found["better"]:
                warnings.append(f"not significantly better than the {against}, p = {found['p_better']:.3g}")
            continue
        elif found["inferior"]:
            refusals.append(f"not shown to be less than {limits['margin']:.4f} worse than the {against}")
        elif found["unresolved"]:
            warnings.append(f"too few rows to show a loss of {limits['margin']:.4f} against the {against}")
        for label, part in found["classes"].items() if name != "baseline" else ():
            if part["fell"]:
                refusals.append(
                    f"recall of {label} fell by {-part['difference']:.4f} against the {name} "
                    f"(limit {limits['class_margin']:.4f}, {part['rows']:,} rows, p = {part['p_worse']:.3g})"
                )
    if refusals:
        return "refused", refusals, warnings
    passed = [f"test accuracy {accuracy:.4f} on {metrics['rows']:,} rows (floor {limits['floor']:.4f})"]
    passed += [f"not worse than the {name} ({_told(found)})" for name, found in comparisons.items()]
    return "blessed", passed, warnings


def _told(found: dict) -> str:
    return (
        f"{found['accuracy']:.4f}, difference {found['difference']:+.4f}, 95% {found['low']:+.4f} to {found['high']:+.4f}, "
        f"{found['won']} rows won, {found['lost']} lost"
    )


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
    best: Parameter[str] = "null",
):
    """labels: JSON list; limits: JSON of `GateConfig`; champion_digest: "" where the line has no champion.

    best: JSON of `registry.best`.
    """
    names, bounds = json.loads(labels), json.loads(limits)
    texts, truth = records.load(examples.uri, "test")
    folder = Path(path_utils.serving_model_dir(model.uri))
    digest = content(folder)
    answers = predictions(folder, digest, texts)
    ours = answers.argmax(axis=1)
    others = {}
    if baseline is not None:
        other = Path(path_utils.serving_model_dir(baseline.uri))
        others["baseline"] = (other, content(other))
    if champion is not None:
        other = Path(path_utils.serving_model_dir(champion.uri)).resolve()
        others["champion"] = (other, serving(other, champion_digest))
    known = json.loads(best)
    if known and known["digest"] != champion_digest:
        other = Path(known["folder"])
        others["best"] = (other, serving(other, known["digest"]))
    theirs = {name: predictions(*other, texts) for name, other in others.items()} if len(truth) else {}
    comparisons = {name: compare(truth, ours, found.argmax(axis=1), bounds, names) for name, found in theirs.items()}
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
    bins = calibration(truth, answers) if len(truth) and not metrics["not_finite"] else []
    lost = disagreements(texts, truth, answers, theirs["champion"], names) if "champion" in theirs else []
    home.write_text(home.run_dir(run) / "verdict.html", page(verdict, names, bins, lost))
    Path(blessing.uri, "BLESSED" if decision == "blessed" else "NOT_BLESSED").touch()
    blessing.set_int_custom_property("blessed", int(decision == "blessed"))
    blessing.set_string_custom_property(
        "headline", "; ".join([f"{decision}: {reasons[0]}", *reasons[1:], *(f"warning: {w}" for w in warnings)])
    )
