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
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import ModelBlessing, PushedModel, String

from components.artifacts import Quarantine
from components.core import clock, fileio, paths, run_record
from components.evaluation import seen_rows
from components.registry import mlflow_sync, model_registry
from pipelines.reports import model_card

# The hash of all libraries is in the code hash.
LIBRARIES = ("tensorflow", "tf-keras", "tfx", "numpy", "apache-beam", "transformers")


def card(record: dict, verdict: dict, version: int, folder: Path) -> dict:
    """What the registry says of a version, from the run's record and the gate's verdict."""
    config = record["config"]
    metrics = {name: verdict["metrics"][name] for name in ("accuracy", "interval", "rows", "per_class")}
    metrics["confidence"] = verdict["metrics"].get("confidence")
    return {
        "version": version, "line": config["line"], "preset": config["preset"], "created": clock.now(),
        "digest": verdict["digest"], "folder": str(folder), "run": record["run"], "seed": config["seed"],
        "metrics": metrics, "comparisons": verdict["comparisons"], "warnings": verdict["warnings"], "code": record["code"],
        "data": {
            "source": config["source"], "window": config["window"], "as_of": record["as_of"], "hash": record["data_hash"],
            "rows": record["rows"], "files": len(record["files"]), "milder": dict(config["data"]["checks"]),
            "reason": config["data"]["reason"],
        },
        "mlmd": f"{config['line']}.{record['run']}", "airflow": run_record.airflow_id(record["run"], record.get("trigger", "")),
    }  # fmt: skip


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


@component
def Registrar(
    run: Parameter[str],
    quarantine: InputArtifact[Quarantine],
    blessing: InputArtifact[ModelBlessing],
    pushed: InputArtifact[PushedModel],
    registered: OutputArtifact[String],
):
    """run: the run's id; its record and verdict are read from its folder."""
    account = json.loads(Path(quarantine.uri, "report.json").read_text())
    record = {**run_record.load(run), "rows": sum(f["in"] for f in account["files"] if f["split"] == "train")}
    verdict = fileio.read_json(paths.run_dir(run) / "verdict.json")
    config, line = record["config"], record["config"]["line"]
    if pushed.get_int_custom_property("pushed") != 1 or blessing.get_int_custom_property("blessed") != 1:
        raise ValueError(
            f"only a pushed and blessed model is registered. Received: run {run}, decision {verdict['decision']}"
        )
    folder = Path(pushed.get_string_custom_property("pushed_destination"))
    version = int(pushed.get_string_custom_property("pushed_version"))
    model_registry.verify(folder)
    path = paths.registry_dir(line) / "versions" / f"{version}.json"
    if not path.exists():
        # The profile first: a card says that all of its version is there.
        profile = json.loads(Path(quarantine.uri, "profile.json").read_text())["train"]
        fileio.write_json(path.with_name(f"{version}.profile.json"), profile)
        rows = seen_rows.load(Path(quarantine.uri, seen_rows.FILE))
        if rows is not None:
            seen_rows.save(seen_rows.place(line, version), rows)
        made = origin(record, verdict, account, folder)
        fileio.write_json(model_registry.origin_path(line, version), made)
        fingerprint = (made["vocabulary"] or {}).get("fingerprint", "")
        fileio.write_json(path, {**card(record, verdict, version, folder), "vocabulary": fingerprint})
    known, note = fileio.read_json(path), ""
    mlflow_sync.follow(line, known, model_registry.aliases(line))
    state = "held"
    if config["release"] == "auto":
        state = "released"
        if not any(event["to"] == version for event in model_registry.history(line)):
            evidence = {"run": run, "metrics": verdict["metrics"]}
            model_registry.move_champion(
                line, record["champion"], version, "release", "; ".join(verdict["reasons"]), evidence
            )
        note = tell(line, known)
    for shown in {version, *model_registry.aliases(line)}:
        model_card.write(line, shown)
    release = {"state": state, "version": version, "folder": str(folder)}
    fileio.write_json(paths.run_dir(run) / "release.json", release)
    Path(registered.uri).parent.mkdir(parents=True, exist_ok=True)
    registered.value = json.dumps(release)
    told = f"version {version} of {line} {state}: accuracy {verdict['metrics']['accuracy']:.4f}{note}"
    registered.set_string_custom_property("headline", told)
