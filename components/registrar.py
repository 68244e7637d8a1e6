"""Registrar: makes a pushed version known, and the champion where the release is automatic.

Reads: PushedModel, ModelBlessing, the account of rows, the gate's verdict, the run's record, what its nodes reported. Makes:
`registry/<line>/versions/<N>.json`, `<N>.origin.json` (how it was made, kept when the run's folder is not) and the model card,
the champion pointer, the promotion event, the MLflow version with its tags and aliases, `release.json` of the run.

The files are the truth; MLflow follows. It is told of the version before the pointer moves, so that while it is down the old
champion serves on and the node can be retried; whether its aliases followed the pointer is only reported. A run that is
registered already is not registered again, and a retry never undoes a rollback.
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
from components.core.states import Move, Release, RunState
from components.evaluation import seen_rows
from components.registry import manifest as folder_manifest
from components.registry import mlflow_sync, model_registry, version_card

# The hash of all libraries is in the code hash.
LIBRARIES = ("tensorflow", "tf-keras", "tfx", "numpy", "apache-beam", "transformers")


def origin(record: dict, verdict: dict, account: dict, folder: Path) -> dict:
    """How a version was made, for its model card and its lineage; parts that no node reported are None."""
    told = {
        node: (run_record.last_event(record["run"], node) or {}).get("artifacts", {})
        for node in ("Tokenizer", "Trainer", "Canary", "DataGate")
    }
    canary = _report(told["Canary"].get("blessing"), "report.json")
    data = _report(told["DataGate"].get("verdict"), "verdict.json")
    return {
        "record": {
            **{name: value for name, value in record.items() if name not in ("files", "rows")},
            "airflow": run_record.airflow_id(record["run"], record.get("trigger", "")),
        },
        "files": account["files"],
        "vocabulary": _report(told["Tokenizer"].get("vocabulary"), "report.json"),
        "training": training(_report(told["Trainer"].get("model_run"), "history.json")),
        "canary": canary and {name: value for name, value in canary.items() if name != "label_ids"},
        "data_verdict": data and {"decision": data["decision"], "reasons": data["reasons"]},
        "confusion": verdict["metrics"].get("confusion"), "behaviour": verdict.get("behaviour"), "limits": verdict.get("limits"),
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        "libraries": libraries(),
    }  # fmt: skip


def training(history: Mapping | None) -> dict | None:
    """Epochs, seconds and the validation accuracy of a training's model, from the Trainer's `history.json`."""
    epochs = (history or {}).get("epochs")
    if not epochs:
        return None
    return {
        "epochs": len(epochs),
        "seconds": sum(epoch["seconds"] for epoch in epochs),
        # A history that an earlier version wrote has no finished model's accuracy.
        "accuracy": next(
            (epoch["final_accuracy"] for epoch in epochs if "final_accuracy" in epoch),
            max(epoch["val_accuracy"] for epoch in epochs),
        ),
    }


def libraries() -> dict[str, str]:
    """Versions of what a model's numbers depend on most."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = installed(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _report(folder: str | None, name: str):
    return fileio.read_json(Path(folder, name)) if folder else None


def tell(line: str, known: dict) -> str:
    """Makes MLflow's aliases follow the pointer; returns what to add to the headline where it would not."""
    try:
        mlflow_sync.follow(line, known, model_registry.aliases(line))
    except Exception as error:  # MLflow's and its database's: many classes, none of which undoes the release
        print(f"MLflow does not follow: {error}", file=sys.stderr)
        return "; MLflow does not follow yet (newsdesk doctor --repair)"
    return ""


def checked(folder: Path, blessing: Path, digest: str) -> None:
    """Compares a pushed version with its manifest, and its model with what the gate judged.

    blessing: the gate's. digest: of the gate's verdict.

    Raises:
        registry.Differs: a file is another one.
        registry.RegistryError: the folder is no version.
    """
    manifest, judged = model_registry.verify(folder), folder_manifest.judged(blessing)
    found = {name: manifest["files"].get(name, "") for name in judged}
    folder_manifest.compare(found, judged, folder, "what the model gate judged")
    for where, other in (("manifest", manifest["digest"]), ("verdict", digest)):
        if other != folder_manifest.content_digest(judged):
            raise model_registry.Differs(
                f"the {where} must name the model that the gate judged. Received: {folder}, {where} {other[:12]}"
            )


def write_card(record: dict, verdict: dict, account: dict, quarantine: Path, version: int, folder: Path) -> None:
    """Writes a version's card, last, and what stands beside it: a card says that all of its version is there."""
    line = record["config"]["line"]
    path = paths.registry_dir(line) / "versions" / f"{version}.json"
    if path.exists():
        return
    profile = json.loads((quarantine / "profile.json").read_text())["train"]
    fileio.write_json(path.with_name(f"{version}.profile.json"), profile)
    rows = seen_rows.load(quarantine / seen_rows.FILE)
    if rows is not None:
        seen_rows.save(seen_rows.place(line, version), rows)
    made = origin(record, verdict, account, folder)
    known = {
        **version_card.card(record, verdict, version, folder),
        "vocabulary": (made["vocabulary"] or {}).get("fingerprint", ""),
    }
    fileio.write_json(model_registry.origin_path(line, version), {**made, "card": known})
    fileio.write_json(path, known)


def release(record: dict, verdict: dict, version: int, folder: Path, attempt: str) -> dict:
    """Moves the pointer to a version, if the line and its champion are still as the verdict found them; else it waits for a person.

    Returns `state` (RELEASED or HELD), `version`, `folder` and, where it waits against the run's wish, `reasons`.

    Raises:
        claims.LostClaim, claims.Superseded: another run holds the line, or a later attempt has started.
        registry.Differs: the files changed since they were checked.
    """
    config, line, run = record["config"], record["config"]["line"], record["run"]
    state = {"state": RunState.HELD, "version": version, "folder": str(folder)}
    if config["release"] != Release.AUTO:
        return state
    if not any(event["to"] == version for event in model_registry.history(line)):
        try:
            model_registry.move_champion(
                line, record["champion"], version, Move.RELEASE, "; ".join(verdict["reasons"]),
                {"run": run, "metrics": verdict["metrics"]}, partial(locks.check, line, run, "Registrar", attempt),
            )  # fmt: skip
        except model_registry.PointerMoved as error:
            return {**state, "folder": str(model_registry.set_aside(line, version)), "reasons": [f"it waits: {error}"]}
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
    record = {**run_record.load(run), "rows": sum(f["in"] for f in account["files"] if f["split"] == "train")}
    verdict, line = fileio.read_json(paths.run_dir(run) / "verdict.json"), record["config"]["line"]
    if pushed.get_int_custom_property("pushed") != 1 or blessing.get_int_custom_property("blessed") != 1:
        raise ValueError(
            f"only a pushed and blessed model is registered. Received: run {run}, decision {verdict['decision']}"
        )
    version, note = int(pushed.get_string_custom_property("pushed_version")), ""
    folder = Path(pushed.get_string_custom_property("pushed_destination"))
    if not folder.is_dir():  # an earlier attempt set it aside
        folder = model_registry.folder(line, version) or folder
    try:
        checked(folder, Path(blessing.uri), verdict["digest"])
        write_card(record, verdict, account, Path(quarantine.uri), version, folder)
        mlflow_sync.follow(line, model_registry.card(line, version), model_registry.aliases(line))
        ended = release(record, verdict, version, folder, attempt)
    except model_registry.Differs as error:
        ended = {"state": RunState.REFUSED, "version": version, "folder": str(model_registry.set_aside(line, version))}
        registered.set_string_custom_property("refused", f"nothing was released: {error}")
        told = f"version {version} of {line} refused: {error}"
    else:
        if ended["state"] == RunState.RELEASED:
            note = tell(line, model_registry.card(line, version))
        fileio.write_json(paths.run_dir(run) / "release.json", ended)
        why = "".join(f"; {reason}" for reason in ended.get("reasons", ()))
        told = f"version {version} of {line} {ended['state']}: accuracy {verdict['metrics']['accuracy']:.4f}{why}{note}"
    Path(registered.uri).parent.mkdir(parents=True, exist_ok=True)
    registered.value = json.dumps(ended)
    registered.set_string_custom_property("headline", told)
