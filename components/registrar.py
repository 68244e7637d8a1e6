"""Registrar: makes a pushed version known, and the champion where the release is automatic.

Reads: PushedModel, ModelBlessing, the account of rows, the gate's verdict, the run's record. Makes: `registry/<line>/versions/<N>.json`, the champion pointer,
the promotion event, the MLflow version with its tags and aliases, `release.json` of the run.

The files come first and are the truth; MLflow follows. A run that is registered already is not registered again.
"""

import json
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import ModelBlessing, PushedModel, String

from components import catalogue
from components.artifacts import Quarantine
from pipelines import home, registry, runs


def card(record: dict, verdict: dict, version: int, folder: Path) -> dict:
    """What the registry says of a version, from the run's record and the gate's verdict."""
    config = record["config"]
    metrics = {name: verdict["metrics"][name] for name in ("accuracy", "interval", "rows", "per_class")}
    return {
        "version": version, "line": config["line"], "preset": config["preset"], "created": registry.now(),
        "digest": verdict["digest"], "folder": str(folder), "run": record["run"], "seed": config["seed"],
        "metrics": metrics, "comparisons": verdict["comparisons"], "warnings": verdict["warnings"], "code": record["code"],
        "data": {
            "source": config["source"], "window": config["window"], "as_of": record["as_of"], "hash": record["data_hash"],
            "rows": record["rows"], "files": len(record["files"]),
        },
    }  # fmt: skip


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
    record = {**runs.load(run), "rows": sum(f["in"] for f in account["files"] if f["split"] == "train")}
    verdict = home.read_json(home.run_dir(run) / "verdict.json")
    config, line = record["config"], record["config"]["line"]
    if pushed.get_int_custom_property("pushed") != 1 or blessing.get_int_custom_property("blessed") != 1:
        raise ValueError(f"only a pushed and blessed model is registered. Received: run {run}, decision {verdict['decision']}")
    folder = Path(pushed.get_string_custom_property("pushed_destination"))
    version = int(pushed.get_string_custom_property("pushed_version"))
    manifest = registry.verify(folder)
    path = home.registry_dir(line) / "versions" / f"{version}.json"
    if not path.exists():
        home.write_json(path, card(record, verdict, version, folder))
    state, reason = "held", "waits for a person: newsdesk promote"
    if config["release"] == "auto":
        state, reason = "released", "; ".join(verdict["reasons"])
        pointer = registry.champion(line)
        if not pointer or pointer["digest"] != manifest["digest"] or pointer["version"] != version:
            registry.move_champion(line, record["champion"], version, "release", reason, {"run": run, "metrics": verdict["metrics"]})
    catalogue.follow(line, home.read_json(path), registry.aliases(line))
    release = {"state": state, "version": version, "folder": str(folder)}
    home.write_json(home.run_dir(run) / "release.json", release)
    Path(registered.uri).parent.mkdir(parents=True, exist_ok=True)
    registered.value = json.dumps(release)
    registered.set_string_custom_property("headline", f"version {version} of {line} {state}: accuracy {verdict['metrics']['accuracy']:.4f}")
