"""A version's card, `registry/<line>/versions/<N>.json`: how it is made, which ones are damaged, how one is written again.

Standard library only.
"""

from pathlib import Path

from components.core import clock, errors, fileio, locks, paths, run_record
from components.registry import model_registry


def card(record: dict, verdict: dict, version: int, folder: Path) -> dict:
    """What the registry says of a version, from the run's record and the gate's verdict."""
    config = record["config"]
    metrics = {name: verdict["metrics"][name] for name in ("accuracy", "interval", "rows", "per_class")}
    metrics["confidence"] = verdict["metrics"].get("confidence")
    return {
        "version": version, "line": config["line"], "preset": config["preset"], "created": clock.now(),
        "digest": verdict["digest"], "folder": str(folder), "run": record["run"], "seed": config["seed"],
        "metrics": metrics, "fresh": verdict.get("fresh"), "comparisons": verdict["comparisons"], "warnings": verdict["warnings"], "code": record["code"],
        "data": {
            "source": config["source"], "window": config["window"], "as_of": record["as_of"], "hash": record["data_hash"],
            "rows": record["rows"], "files": len(record["files"]), "milder": dict(config["data"]["checks"]),
            "reason": config["data"]["reason"],
        },
        "mlmd": f"{config['line']}.{record['run']}", "airflow": run_record.airflow_id(record["run"], record.get("trigger", "")),
    }  # fmt: skip


def damaged(line: str) -> dict[int, errors.DamagedFile]:
    """The cards that cannot be read, by version, each with what is wrong."""
    found = {}
    for number in model_registry.numbered(paths.registry_dir(line) / "versions"):
        try:
            model_registry.card(line, number)
        except errors.DamagedFile as error:
            found[number] = error
    return found


def repair(line: str, version: int) -> dict:
    """Writes a damaged or lost card again from `<N>.origin.json`, and returns it.

    Origins of versions from before the card was kept in them lack the measured figures: these come from the run's verdict, or from
    the promotion's evidence in the history.

    Raises:
        registry.RegistryError, home.DamagedFile: what it would be made from is gone or damaged as well.
    """
    path = paths.registry_dir(line) / "versions" / f"{int(version)}.json"
    origin = fileio.read_json(model_registry.origin_path(line, version))
    if origin is None:
        raise model_registry.RegistryError(
            f"a card is written again from its version's origin. Received: {path} is damaged, and "
            f"{model_registry.origin_path(line, version)} is missing; restore one of them from a backup"
        )
    with locks.line_lock(line):
        made = origin.get("card") or _from_parts(line, version, origin)
        there = model_registry.folder(line, version)
        if there and not Path(made["folder"]).is_dir():  # it was set aside, or promoted, since
            made = {**made, "folder": str(there)}
        fileio.write_json(path, made)
    return model_registry.card(line, version)


def _from_parts(line: str, version: int, origin: dict) -> dict:
    told, files = origin["record"], origin["files"]
    record = {**told, "files": files, "rows": sum(file["in"] for file in files if file["split"] == "train")}
    folder = model_registry.folder(line, version)
    manifest = (fileio.read_json(folder / model_registry.MANIFEST) if folder else None) or {}
    verdict = _verdict(line, version, told["run"])
    if verdict is None:
        raise model_registry.RegistryError(
            f"a card needs its version's measured figures. Received: line {line!r}, version {version}: neither the verdict of run "
            f"{told['run']} nor a promotion with evidence is kept; restore the card from a backup"
        )
    verdict = {"digest": manifest.get("digest", ""), **verdict}
    made = card(record, verdict, version, folder or paths.serving_dir(line) / str(version))
    vocabulary = (origin.get("vocabulary") or {}).get("fingerprint", "")
    return {**made, "created": manifest.get("pushed") or told["created"], "vocabulary": vocabulary}


def _verdict(line: str, version: int, run: str) -> dict | None:
    kept = fileio.read_json(paths.run_dir(run) / "verdict.json")
    if kept:
        return kept
    moves = [
        event for event in model_registry.history(line) if event["to"] == version and event["evidence"].get("metrics")
    ]
    return {"metrics": moves[0]["evidence"]["metrics"], "comparisons": {}, "warnings": []} if moves else None
