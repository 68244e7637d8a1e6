"""Registrar: makes a pushed version known, and the champion where the release is automatic.

Reads: PushedModel, ModelBlessing, the account of rows, the gate's verdict, the run's record, its nodes' reports. Makes:
`registry/<line>/versions/<N>.json`, `<N>.origin.json` (how it was made, for when the run's folder is removed) and the model card,
the champion pointer, the promotion event, the MLflow version with its tags and aliases, `release.json` of the run.

The files are the source of truth; MLflow mirrors them. The version is registered in MLflow before the pointer moves, so that while
MLflow is down the old champion goes on serving and the node can be retried; MLflow's aliases follow afterwards, and a failure there
is only reported. A run is registered once, and a retry never undoes a rollback.
"""

import json
import platform
import sys
from collections.abc import Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import ModelBlessing, PushedModel, String

from components.artifacts import Quarantine
from components.core import fileio, locks, paths, run_record
from components.core.records import RunRecord, Verdict
from components.core.states import Move, NodeState, Release, RunState
from components.evaluation import seen_rows
from components.registry import manifest as folder_manifest
from components.registry import mlflow_sync, model_registry, version_card
from components.training import search_space

# The hash of all libraries is in the code hash.
LIBRARIES = ("tensorflow", "tf-keras", "tfx", "numpy", "apache-beam", "transformers")


def origin(record: RunRecord, verdict: Verdict, account: dict, folder: Path) -> dict:
    """How a version was made, for its model card and lineage; parts that no node reported are None.

    The record's settings are those that it was trained with: the run's own, with the Tuner's choice in their place.
    """
    artifacts = {
        node: (run_record.last_event(record.run, node) or {}).get("artifacts", {})
        for node in ("Tokenizer", "Trainer", "Canary", "DataGate")
    }
    tuned = run_record.tuning(record.run)
    network, settings = search_space.merged(
        record.config.network, record.config.training, tuned["best"]["set"] if tuned else {}
    )
    canary = _report(artifacts["Canary"].get("blessing"), "report.json")
    data = _report(artifacts["DataGate"].get("verdict"), "verdict.json")
    return {
        "record": {
            **{name: value for name, value in record.items() if name != "files"},
            "config": {**record.config.to_json(), "network": network, "training": settings},
            "airflow": run_record.airflow_id(record.run, record.trigger),
        },
        "files": account["files"],
        "vocabulary": _report(artifacts["Tokenizer"].get("vocabulary"), "report.json"),
        "training": training(_report(artifacts["Trainer"].get("model_run"), "history.json")),
        "tuning": tuned and {"rows": tuned["rows"], "trials": len(tuned["trials"]), **tuned["best"]},
        "canary": canary and {name: value for name, value in canary.items() if name != "label_ids"},
        "data_verdict": data and {"decision": data["decision"], "reasons": data["reasons"]},
        "confusion": verdict.metrics.get("confusion"),
        "behaviour": verdict.behaviour,
        "limits": verdict.limits,
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        "libraries": libraries(),
        "cost": cost(record.run),
    }


def training(history: Mapping | None) -> dict | None:
    """Epochs, seconds and the validation accuracy of a training's model, from the Trainer's `history.json`."""
    epochs = (history or {}).get("epochs")
    if not epochs:
        return None
    return {
        "epochs": len(epochs),
        "seconds": sum(epoch["seconds"] for epoch in epochs),
        # Histories of earlier versions have no accuracy of the finished model.
        "accuracy": next(
            (epoch["final_accuracy"] for epoch in epochs if "final_accuracy" in epoch),
            max(epoch["val_accuracy"] for epoch in epochs),
        ),
    }


def cost(run: str) -> dict[str, dict]:
    """By node that worked in a run so far: `state`, `seconds`, `cpu_seconds` and `peak_mb` of its last attempt."""
    last = {event["node"]: event for event in run_record.events(run) if event.get("cost")}
    return {
        node: {"state": event["state"], "seconds": event["seconds"], **event["cost"]}
        for node, event in last.items()
        if event["state"] in (NodeState.DONE, NodeState.CACHED)
    }


def libraries() -> dict[str, str]:
    """Versions of Python and of the libraries that a model's metrics depend on most."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = installed(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _report(folder: str | None, name: str):
    return fileio.read_json(Path(folder, name)) if folder else None


def mirror_aliases(line: str, known: dict) -> str:
    """Mirrors the aliases into MLflow; returns a note for the headline where that fails."""
    try:
        mlflow_sync.follow(line, known, model_registry.aliases(line))
    except Exception as error:  # of MLflow and its database: many classes, none of which undoes the release
        print(f"MLflow could not be updated: {error}", file=sys.stderr)
        return "; MLflow is not up to date (newsdesk doctor --repair)"
    return ""


def checked(folder: Path, blessing: Path, digest: str, registered: str = "") -> None:
    """Compares a pushed version with its manifest, and its model with what the gate judged.

    blessing: the gate's. digest: of the gate's verdict. registered: the digest on the version's card, if this run registered it
    before. Then the model must be that one: when its tasks are cleared, a run may train and judge another model.

    Raises:
        model_registry.Differs: a file is another one.
        model_registry.RegistryError: the folder is no version.
    """
    manifest, judged = model_registry.verify(folder), folder_manifest.judged(blessing)
    pushed = {name: manifest["files"].get(name, "") for name in judged}
    if registered:
        if registered != folder_manifest.content_digest(pushed):
            raise model_registry.Differs(f"{folder} does not hold the model {registered[:12]} that was registered")
        return
    folder_manifest.compare(pushed, judged, folder, "what the model gate judged")
    for where, other in (("manifest", manifest["digest"]), ("verdict", digest)):
        if other != folder_manifest.content_digest(judged):
            raise model_registry.Differs(
                f"the {where} must name the model that the gate judged. Received: {folder}, {where} {other[:12]}"
            )


def write_card(
    record: RunRecord, verdict: Verdict, account: dict, quarantine: Path, version: int, folder: Path
) -> None:
    """Writes a version's profile, row hashes and origin, then its card: a card means that all the others exist."""
    line = record.line
    path = model_registry.card_path(line, version)
    if path.exists():
        return
    profile = json.loads((quarantine / "profile.json").read_text())["train"]
    fileio.write_json(path.with_name(f"{version}.profile.json"), profile)
    rows = seen_rows.load(quarantine / seen_rows.FILE)
    if rows is not None:
        seen_rows.save(seen_rows.place(line, version), rows)
    made = origin(record, verdict, account, folder)
    train_rows = sum(file["in"] for file in account["files"] if file["split"] == "train")
    vocabulary = (made["vocabulary"] or {}).get("fingerprint", "")
    card = version_card.card(record, verdict, train_rows, version, folder, vocabulary)
    fileio.write_json(model_registry.origin_path(line, version), {**made, "card": card})
    fileio.write_json(path, card)


def release(record: RunRecord, verdict: Verdict, version: int, folder: Path, attempt: str) -> dict:
    """Moves the pointer to a version, if the line and its champion are still as the verdict found them; else the version is held.

    Returns `state` (RELEASED or HELD), `version`, `folder` and, where it is held although the run asked for a release, `reasons`.

    Raises:
        locks.LostClaim, locks.Superseded: another run holds the line, or a later attempt has started.
        model_registry.Differs: the files changed since they were checked.
    """
    line, run = record.line, record.run
    state = {"state": RunState.HELD, "version": version, "folder": str(folder)}
    if record.config.release != Release.AUTO:
        return state
    if not any(event["to"] == version for event in model_registry.history(line)):
        try:
            model_registry.move_champion(
                line,
                record.champion,
                version,
                Move.RELEASE,
                "; ".join(verdict.reasons),
                {"run": run, "metrics": verdict.metrics},
                partial(locks.check, line, run, "Registrar", attempt),
            )
        except model_registry.PointerMoved as error:
            return {**state, "folder": str(model_registry.set_aside(line, version)), "reasons": [f"held: {error}"]}
        except (locks.LostClaim, model_registry.Differs):
            model_registry.set_aside(line, version)
            raise
    return {**state, "state": RunState.RELEASED}


@component
def Registrar(
    run: Parameter[str],
    quarantine: InputArtifact[Quarantine],
    blessing: InputArtifact[ModelBlessing],
    pushed: InputArtifact[PushedModel],
    registered: OutputArtifact[String],
    attempt: Parameter[str] = "",
):
    """run: the run's id; its record and verdict are read from its folder. attempt: which start of this node it is."""
    account = json.loads(Path(quarantine.uri, "report.json").read_text())
    record, verdict = run_record.load(run), Verdict.read(paths.run_dir(run) / "verdict.json")
    line = record.line
    if pushed.get_int_custom_property("pushed") != 1 or blessing.get_int_custom_property("blessed") != 1:
        raise ValueError(
            f"only a pushed and blessed model is registered. Received: run {run}, decision {verdict.decision}"
        )
    version, note = int(pushed.get_string_custom_property("pushed_version")), ""
    folder = Path(pushed.get_string_custom_property("pushed_destination"))
    if not folder.is_dir():  # an earlier attempt set it aside
        folder = model_registry.folder(line, version) or folder
    known = model_registry.card(line, version)
    registered_before = known["digest"] if known and known["run"] == run else ""
    try:
        checked(folder, Path(blessing.uri), verdict.digest, registered_before)
        write_card(record, verdict, account, Path(quarantine.uri), version, folder)
        mlflow_sync.follow(line, model_registry.card(line, version), model_registry.aliases(line))
        ended = release(record, verdict, version, folder, attempt)
    except model_registry.Differs as error:
        ended = {"state": RunState.REFUSED, "version": version, "folder": str(model_registry.set_aside(line, version))}
        registered.set_string_custom_property("refused", f"nothing was released: {error}")
        headline = f"version {version} of {line} refused: {error}"
    else:
        if ended["state"] == RunState.RELEASED:
            note = mirror_aliases(line, model_registry.card(line, version))
        fileio.write_json(paths.run_dir(run) / "release.json", ended)
        if registered_before not in ("", verdict.digest):
            note += "; registered before, and the model that this run trained again is not published"
        why = "".join(f"; {reason}" for reason in ended.get("reasons", ()))
        accuracy = verdict.metrics["accuracy"]
        headline = f"version {version} of {line} {ended['state']}: accuracy {accuracy:.4f}{why}{note}"
    Path(registered.uri).parent.mkdir(parents=True, exist_ok=True)
    registered.value = json.dumps(ended)
    registered.set_string_custom_property("headline", headline)
