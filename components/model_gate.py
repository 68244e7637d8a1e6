"""ModelGate: may the candidate be released?

Reads: the candidate, TFMA's metrics, the baseline and the champion where there are any, the test rows, the line's reviewed
`behaviour.toml`. Makes: ModelBlessing, and the run's `verdict.json` and
`verdict_page.json` (the rows and curves that the page shows). Refuses: nothing by exception; a refusal
is a verdict.

All models answer the same test rows, those left out that champion or best learned from. Rules (`components/evaluation/gate_rules.py`): enough
rows; a finite accuracy on which TFMA and the gate's own count agree; at least the floor; not significantly worse than the baseline
(exact McNemar test), nor, by more than another seed alone may cost, than champion or the best version that ever served; shown to be
less than `margin` worse than these two, where there are rows enough to show it; the same on the fresh rows of the newest labelled
spans, with a margin of their own (`components/evaluation/fresh_news.py`); no class that significantly lost more F1, and no
length slice that lost more accuracy, than its limit against either (`components/evaluation/slices.py`); labels that hold when names, letters, capitals or commas change (`components/evaluation/behavioural_tests.py`). A word of the train rows
that alone turns the answer is a warning (`components/evaluation/trigger_words.py`). The best one
is asked because many small steps down, each within the noise, would else add up. Test rows are read in a stream, once for each
question: in memory are a row's label, key, number of words and each model's probabilities, never its text. A candidate whose content is the champion's is
`unchanged`.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow_model_analysis as tfma
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation, ModelRun
from tfx.utils import path_utils

from components.artifacts import Verdict
from components.core import fileio, paths
from components.core.intervals import wilson
from components.core.states import Decision, Release
from components.data import rows as streams
from components.data import tfrecords as records
from components.data.rows import Rows
from components.evaluation import behavioural_tests as behavioural
from components.evaluation import diagnostics, fresh_news, gate_rules, trigger_words
from components.evaluation.paired_tests import compare
from components.evaluation.predictions import ScoredModel
from components.evaluation.seen_rows import fair, keys_of
from components.evaluation.slices import Slice, slices, words_in
from components.registry import model_registry
from components.registry.manifest import label_places, pointed, write_judged
from components.training import calibration as calibrating


def sureness(probabilities: np.ndarray) -> float | None:
    """Mean probability of the answers, what the monitor compares recent articles with; None without rows or with NaN in them."""
    return float(probabilities.max(axis=1).mean()) if len(probabilities) and np.isfinite(probabilities).all() else None


def calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> dict[str, float | None]:
    """`calibration_error` of the answers, and `calibration_chance`, what a perfectly calibrated model would show by chance."""
    if not len(truth) or not np.isfinite(probabilities).all():
        return {"calibration_error": None, "calibration_chance": None}
    return {
        "calibration_error": calibrating.expected_error(probabilities, truth),
        "calibration_chance": calibrating.chance_error(probabilities),
    }


def tfma_metrics(uri: str, labels: list[str]) -> dict:
    """The candidate's metrics from a TFMA evaluation: `accuracy` (None if absent) and recall by class."""
    found = {"accuracy": None, "per_class": {}}
    parts = tfma.load_eval_result(uri, model_name=tfma.CANDIDATE_KEY).slicing_metrics
    # An evaluation of one model alone names none.
    for key, values in parts or tfma.load_eval_result(uri).slicing_metrics:
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
    return model_registry.content_digest(model_registry.folder_hashes(folder))


class Served(NamedTuple):
    """What served or serves and can be compared with, by "champion" and "best". others: labels of those that name other classes."""

    models: dict[str, ScoredModel]
    manifests: dict[str, dict]
    others: dict[str, dict]


def served_models(folders: Mapping[str, tuple[Path, str]], labels: Sequence[str]) -> Served:
    """Champion and best, after looking at their files: the node that published them may have been cached.

    folders: (folder, digest that a pointer names) by name. labels: of this run; answers are compared by name, not by place.

    Raises:
        model_registry.RegistryError: the files are not those of the digest.
    """
    served = Served({}, {}, {})
    for name, (folder, digest) in folders.items():
        found = pointed(folder, digest)
        own = found.get("labels") or []
        places = label_places(own, labels)
        if places is None:
            served.others[name] = {"version": found["version"], "labels": own, "expected": list(labels)}
            continue
        served.models[name], served.manifests[name] = ScoredModel(folder, digest, places), found
    return served


def by_slice(parts: list[Slice], right: np.ndarray) -> list[dict]:
    """The share right of each slice with its 95% interval: `name`, `kind`, `rows`, `share`, `low`, `high`."""
    found = []
    for part in parts:
        share, rows = float(right[part.rows].mean()), int(part.rows.sum())
        low, high = wilson(share, rows)
        found.append({"name": part.name, "kind": part.kind, "rows": rows, "share": share, "low": low, "high": high})
    return found


def behave(
    path: Path | None, test: Rows, keys: np.ndarray, labels: list[str], models: Mapping[str, ScoredModel], bounds: dict
) -> dict:
    """The behavioural tests: `trouble`, `missing`, `kinds` and `examples` of flipped texts; see `components/evaluation/behavioural_tests.py`.

    keys: uint64[test rows]. models: by name, "candidate" and, where there is one to compare with, "champion".
    """
    result = {"trouble": "", "missing": "", "kinds": {}, "examples": []}
    try:
        spec = behavioural.load(path, labels) if path else None
    except behavioural.BehaviourError as error:
        return {**result, "trouble": str(error)}
    if spec is None:
        return {**result, "missing": path.name if path else "behaviour.toml"}
    asked = behavioural.cases(spec, test.plain(), keys.tolist())
    different = sorted({text for case in asked for text in case.texts})
    rows = np.array([text.encode("utf-8", "replace") for text in different], object)
    answers_of = {}
    for name, model in models.items() if different else ():
        answers_of[name] = dict(zip(different, [labels[i] for i in model.answers(rows).argmax(axis=1)]))
    flips = {name: behavioural.flipped(asked, answers) for name, answers in answers_of.items()}
    ours = flips.get("candidate", np.zeros(0, bool))
    kinds = behavioural.examine(asked, ours, flips.get("champion"), bounds)
    return {**result, "kinds": kinds, "examples": behavioural.examples(asked, ours, answers_of.get("candidate", {}))}


def on_trigger_words(uri: str, test: Rows, answers: np.ndarray, candidate: ScoredModel, labels: list[str], bounds: dict) -> list[dict]:  # fmt: skip
    """Findings on words of the train rows that alone turn the candidate's answer. answers: to the test rows, as `trigger_words.pull`."""
    train = streams.from_split(uri, "train")
    words = trigger_words.candidates(train.plain(), train.labels, test.plain(), len(labels))

    def ask(changed: list[str]) -> np.ndarray:
        rows = np.array([text.encode("utf-8", "replace") for text in changed], object)
        return candidate.answers(rows).argmax(axis=1)

    return trigger_words.judge(words, trigger_words.pull(words, test.plain(), answers, ask), labels, bounds)


def on_fresh_rows(uri: str, models: Mapping[str, ScoredModel], manifests: dict[str, dict], bounds: dict) -> dict | None:
    """What candidate, champion and best say of the fresh rows; see `components.evaluation.fresh_news.examine`."""
    spans = records.fresh_spans(uri)
    if not len(spans):
        return None
    fresh = streams.from_split(uri, records.FRESH)
    kept, taken, _ = fair(keys_of(fresh), manifests)
    asked = {name: model for name, model in models.items() if name != "baseline"}
    answers = {name: model.answers(fresh).argmax(axis=1)[kept] for name, model in asked.items()}
    return fresh_news.examine(fresh.labels[kept], spans[kept], answers, taken, bounds)


def _beside(folder: str, name: str):
    """JSON that an earlier node left; None where that cannot be read: the page then does without."""
    try:
        return fileio.read_json(Path(folder, name))
    except (OSError, ValueError):
        return None


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
    model_run: InputArtifact[ModelRun] = None,
    data_verdict: InputArtifact[Verdict] = None,
    best: Parameter[str] = "null",
    behaviour: Parameter[str] = "",
    release: Parameter[str] = "",
):
    """labels: JSON list; limits: JSON of `GateConfig`; champion_digest: "" where the line has no champion.

    best: JSON of `champion_pointer.best_released`. behaviour: the line's `behaviour.toml`. model_run, data_verdict: shown on the page. release: what
    becomes of a blessed candidate; with `hold` a person decides, so that a champion of other classes is no obstacle.
    """
    names, bounds = json.loads(labels), json.loads(limits)
    test = streams.from_split(examples.uri, "test")
    truth, keys = test.labels, keys_of(test)
    folder = Path(path_utils.serving_model_dir(model.uri))
    # What is judged here is what canary, pusher and registrar let through: they compare every file with this list.
    judged = model_registry.folder_hashes(folder)
    digest = write_judged(Path(blessing.uri), judged)
    models, known = {"candidate": ScoredModel(folder, digest)}, json.loads(best)
    if baseline is not None:
        other = Path(path_utils.serving_model_dir(baseline.uri))
        models["baseline"] = ScoredModel(other, content(other))
    folders = {}
    if champion is not None:
        folders["champion"] = (Path(path_utils.serving_model_dir(champion.uri)).resolve(), champion_digest)
    if known and known["digest"] != champion_digest:
        folders["best"] = (Path(known["folder"]), known["digest"])
    served = served_models(folders, names)
    models, manifests = {**models, **served.models}, served.manifests
    kept, taken, unlisted = fair(keys, manifests)
    compared, keys = test.where(kept), keys[kept]
    answers = {name: model.answers(test) for name, model in models.items()} if len(truth) else {}
    every = answers.get("candidate", np.zeros((0, len(names)), np.float32))
    all_right = every.argmax(axis=1) == truth
    ours, left = every[kept], truth[kept]
    predicted, right = ours.argmax(axis=1), all_right[kept]
    parts = slices(left, words_in(compared), names)
    comparisons = {
        name: compare(left, predicted, found[kept].argmax(axis=1), bounds, parts)
        for name, found in answers.items()
        if name != "candidate" and len(left)
    }
    measured = tfma_metrics(evaluation.uri, names)
    accuracy = float(right.mean()) if len(left) else None
    metrics = {
        "accuracy": accuracy, "all_accuracy": float(all_right.mean()) if len(truth) else None,
        "tfma_accuracy": measured["accuracy"], "rows": len(left), "taken_out": taken, "unlisted": unlisted,
        "interval": wilson(accuracy or 0.0, max(len(left), 1)), "per_class": measured["per_class"],
        "coverage": diagnostics.coverage(left, ours) if np.isfinite(ours).all() else [],
        "confidence": sureness(ours), **calibration_error(ours, left), "slices": by_slice(parts, right),
        "predicted_classes": len(set(predicted.tolist())), "not_finite": int((~np.isfinite(every).all(axis=1)).sum()),
        "uncompared": sorted({*manifests, *(["champion"] if champion_digest else [])} - {*comparisons, *served.others}),
        "confusion": confusion(left, predicted, len(names)),
    }  # fmt: skip
    unchanged = digest == champion_digest
    asked = {name: models[name] for name in ("candidate", "champion") if name in models}
    behaved = {"trouble": "", "missing": "", "kinds": {}, "examples": []}
    if not unchanged:
        behaved = behave(Path(behaviour) if behaviour else None, compared, keys, names, asked, bounds)
    fresh = None if unchanged else on_fresh_rows(examples.uri, models, manifests, bounds)
    findings = [
        *gate_rules.other_labels(served.others, release == Release.HOLD),
        *gate_rules.judge(metrics, comparisons, behaved, bounds),
        *fresh_news.judge(fresh, bounds),
    ]
    if not unchanged and len(left):
        findings += on_trigger_words(examples.uri, compared, predicted, models["candidate"], names, bounds)
    decision, reasons, warnings = gate_rules.decide(findings, unchanged)
    verdict = {
        "run": run, "decision": decision, "reasons": reasons, "warnings": warnings, "digest": digest, "rules": findings,
        "metrics": metrics, "comparisons": comparisons, "behaviour": behaved, "fresh": fresh, "limits": bounds, "model": str(folder),
    }  # fmt: skip
    fileio.write_json(paths.run_dir(run) / "verdict.json", verdict)
    shown = {
        "labels": names,
        "bins": diagnostics.calibration(left, ours) if len(left) and not metrics["not_finite"] else [],
        "differing": diagnostics.disagreements(compared, left, ours, answers["champion"][kept], names) if "champion" in answers else None,
        "mistakes": diagnostics.mistakes(compared, left, ours, names, answers["champion"][kept] if "champion" in answers else None),
        "curves": (_beside(model_run.uri, "history.json") or {}).get("epochs", []) if model_run is not None else [],
        "data": _beside(data_verdict.uri, "verdict.json") if data_verdict is not None else None,
    }  # fmt: skip
    if shown["data"]:
        shown["data"] = {
            **{key: shown["data"].get(key) for key in ("decision", "reasons")},
            "page": os.path.relpath(Path(data_verdict.uri, "verdict.html"), paths.run_dir(run)),
        }
    fileio.write_json(paths.run_dir(run) / "verdict_page.json", shown)
    Path(blessing.uri, "BLESSED" if decision == Decision.BLESSED else "NOT_BLESSED").touch()
    blessing.set_int_custom_property("blessed", int(decision == Decision.BLESSED))
    blessing.set_string_custom_property("digest", digest)
    blessing.set_string_custom_property(
        "headline", "; ".join([f"{decision}: {reasons[0]}", *reasons[1:], *(f"warning: {w}" for w in warnings)])
    )
