"""A version's card, `registry/<line>/versions/<N>.json`: making, checking and repairing it.

Standard library only.
"""

from dataclasses import replace
from pathlib import Path

from components.core import clock, errors, fileio, locks, paths, run_record
from components.core.records import RunRecord, Verdict, VersionCard
from components.core.states import Decision
from components.registry import model_registry


def card(record: RunRecord, verdict: Verdict, rows: int, version: int, folder: Path, vocabulary: str) -> VersionCard:
    """The card of a version. rows: train rows read. vocabulary: the tokenizer's fingerprint."""
    config = record.config
    metrics = {name: verdict.metrics[name] for name in ("accuracy", "interval", "rows", "per_class")}
    for name in ("confidence", "calibration_error", "coverage"):  # verdicts of earlier versions lack some
        metrics[name] = verdict.metrics.get(name)
    data = {
        "source": config.source,
        "window": config.window,
        "as_of": record.as_of,
        "hash": record.data_hash,
        "rows": rows,
        "files": len(record.files),
        "milder": config.milder_checks,
        "reason": config.data.get("reason", ""),
    }
    return VersionCard(
        version=version,
        line=config.line,
        preset=config.preset,
        created=clock.now(),
        digest=verdict.digest,
        folder=str(folder),
        run=record.run,
        seed=config.seed,
        metrics=metrics,
        fresh=verdict.fresh,
        comparisons=verdict.comparisons,
        warnings=verdict.warnings,
        code=record.code,
        data=data,
        mlmd=f"{config.line}.{record.run}",
        airflow=run_record.airflow_id(record.run, record.trigger),
        vocabulary=vocabulary,
    )


def damaged(line: str) -> dict[int, errors.DamagedFile]:
    """The cards that cannot be read, by version, each with what is wrong."""
    wrong = {}
    for number in model_registry.numbered(paths.registry_dir(line) / "versions"):
        try:
            model_registry.card(line, number)
        except errors.DamagedFile as error:
            wrong[number] = error
    return wrong


def repair(line: str, version: int) -> VersionCard:
    """Writes a damaged or lost card again from `<N>.origin.json`, and returns it.

    Origins of early versions hold no card: the metrics then come from the run's verdict, or from the promotion's evidence.

    Raises:
        RegistryError, DamagedFile: these files are missing or damaged as well.
    """
    path = model_registry.card_path(line, version)
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


def _from_parts(line: str, version: int, origin: dict) -> VersionCard:
    record = RunRecord.from_json(
        {**origin["record"], "files": origin["files"]}, model_registry.origin_path(line, version)
    )
    rows = sum(file["in"] for file in record.files if file["split"] == "train")
    folder = model_registry.folder(line, version)
    manifest = (fileio.read_json(folder / model_registry.MANIFEST) if folder else None) or {}
    verdict = _verdict(line, version, record.run)
    if verdict is None:
        raise model_registry.RegistryError(
            f"a card needs its version's measured metrics. Received: line {line!r}, version {version}: neither the verdict of run "
            f"{record.run} nor a promotion with evidence is kept; restore the card from a backup"
        )
    vocabulary = (origin.get("vocabulary") or {}).get("fingerprint", "")
    made = card(record, verdict, rows, version, folder or model_registry.served_folder(line, version), vocabulary)
    return replace(
        made, created=manifest.get("pushed") or record.created, digest=made.digest or manifest.get("digest", "")
    )


def _verdict(line: str, version: int, run: str) -> Verdict | None:
    kept = Verdict.read(paths.run_dir(run) / "verdict.json")
    if kept:
        return kept
    evidence = (event["evidence"] for event in model_registry.history(line) if event["to"] == version)
    metrics = next((each["metrics"] for each in evidence if each.get("metrics")), None)
    return Verdict(Decision.BLESSED, [], metrics) if metrics else None
