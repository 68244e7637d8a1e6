"""Mirrors the registry into MLflow, for people who browse there. `champion.json`, not MLflow, decides what serves.

`python -m components.registry.mlflow_sync` does what `mlflow db upgrade ADDRESS` does, without a password among the arguments.
"""

import json
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from components.core import clock, fileio, locks, paths
from components.core.records import RunRecord, Verdict
from components.registry import mlflow_db, model_registry

_FIRST_DAY = datetime(1970, 1, 1).toordinal()  # steps of a daily series are days since then
ALIASES = ("champion", "previous")  # the mirrored ones; other aliases are left alone
KIND = {"mlflow.experimentKind": "custom_model_development"}  # MLflow's UI then opens on training runs, not on traces
_EPOCH = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "rows_per_second")


def follow(line: str, card: Mapping, aliases: Mapping[int, list[str]]) -> int:
    """Mirrors a version and the line's aliases; returns MLflow's own version number.

    Idempotent: a version is searched by its tag first. aliases: as `model_registry.aliases` returns them; one that no version has any
    more is removed.
    """
    client = _client()
    with locks.line_lock(line, "mlflow"):  # MLflow itself registers the same source twice
        models = client.search_registered_models(f"name = '{paths.safe_name(line, 'line')}'")
        if not models:
            description = f"Newsdesk's line {line}. Versions mirror {paths.registry_dir(line)}."
            models = [client.create_registered_model(line, description=description)]
        known = {
            v.tags.get("newsdesk.version"): int(v.version) for v in client.search_model_versions(f"name = '{line}'")
        }
        if str(card["version"]) not in known:
            made = client.create_model_version(
                line, source=card["folder"], run_id=_run(client, line, card), tags=tags(card), description=summary(card)
            )
            known[str(card["version"])] = int(made.version)
        wanted = {name: known[str(n)] for n, names in aliases.items() for name in names if str(n) in known}
        present = {name: int(number) for name, number in models[0].aliases.items()}
        for name in ALIASES:
            if name in wanted and present.get(name) != wanted[name]:
                client.set_registered_model_alias(line, name, str(wanted[name]))
            elif name in present and name not in wanted:
                client.delete_registered_model_alias(line, name)
    return known[str(card["version"])]


def follow_daily(line: str, card: Mapping, scores: Sequence[Mapping]) -> None:
    """Mirrors a version's daily scores on the newest labels as `fresh.accuracy` and `fresh.rows` of its run, one step a day.

    Idempotent: a day that the series has stays. scores: `day` (ISO), `accuracy`, `rows`.
    """
    from mlflow.entities import Metric

    client = _client()
    with locks.line_lock(line, "mlflow"):
        run = _run(client, line, card)
        known = {metric.step for metric in client.get_metric_history(run, "fresh.accuracy")}
        series = []
        for score in scores:
            day = datetime.fromisoformat(score["day"]).replace(tzinfo=timezone.utc)
            step = day.toordinal() - _FIRST_DAY
            if step not in known:
                at = int(day.timestamp() * 1000)
                series += [Metric(f"fresh.{name}", float(score[name]), at, step) for name in ("accuracy", "rows")]
        if series:
            client.log_batch(run, series)


def candidate(
    record: RunRecord, verdict: Verdict, epochs: Sequence[Mapping], files: Mapping[str, Path], state: str
) -> str:
    """Mirrors what a run trained and how it was judged, refused ones too; returns the id of its MLflow run.

    epochs: one dict an epoch, as the Trainer's `history.json` has them. files: artifacts, by name in MLflow (the file's own, below
    folders). state: the gate's decision, or how the run ended. Idempotent: a run is searched by its tag first, and the same values
    are logged once.
    """
    client = _client()
    with locks.line_lock(record.line, "mlflow"):
        experiment = _experiment(client, record.line)
        own = {"newsdesk.run": record.run, "newsdesk.line": record.line}
        tagged = _tagged(client, experiment, "newsdesk.run", record.run)
        known = next((run for run in tagged if run.info.status != "FAILED"), None)
        run = (known or client.create_run(experiment, run_name=record.run, tags=own)).info.run_id
        began = datetime.fromisoformat(record.created)
        client.log_batch(run, candidate_metrics(verdict, epochs, began), _params(record))
        if not (known and known.inputs.dataset_inputs):
            client.log_inputs(run, [_dataset(record)])
        decided = {"state": state, "decision": verdict.decision, "reasons": "; ".join(verdict.reasons)[:5000]}
        for name, value in decided.items():
            client.set_tag(run, f"newsdesk.{name}", value)
        for name, path in files.items():
            client.log_artifact(run, str(path), os.path.dirname(name) or None)
        client.set_terminated(run)
    return run


def candidate_metrics(verdict: Verdict, epochs: Sequence[Mapping], began: datetime) -> list:
    """The curves, a value an epoch (`training.loss`, …), and the gate's numbers, one value each. Times are counted from `began`, so that
    the same run gives the same values."""
    from mlflow.entities import Metric

    points, at = [], began.timestamp()
    for number, row in enumerate(epochs, 1):
        at += row.get("seconds") or 0
        step = int(row.get("epoch") or number)
        points += [(f"training.{name}", row[name], at, step) for name in _EPOCH if _is_number(row.get(name))]
    low, high = verdict.metrics.get("interval") or (None, None)
    flat = {"accuracy": verdict.metrics.get("accuracy"), "accuracy_low": low, "accuracy_high": high}
    flat |= {"test_rows": verdict.metrics.get("rows"), **_recalls(verdict.metrics.get("per_class") or {})}
    flat |= {name: verdict.metrics.get(name) for name in ("calibration_error", "confidence")}
    points += [(name, value, at, 0) for name, value in flat.items() if _is_number(value)]
    return [Metric(name, float(value), int(when * 1000), step) for name, value, when, step in points]


def _dataset(record: RunRecord):
    """The run's files as MLflow's data set: their common hash is its digest."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = {
        "uri": record.config.source,
        "window": record.config.window,
        "as_of": record.as_of,
        "files": len(record.files),
    }
    name, profile = f"{record.line} {record.config.window}"[:500], json.dumps({"files": len(record.files)})
    data = Dataset(name, record.data_hash[:36], "local", json.dumps(source), profile=profile)
    return DatasetInput(data, [InputTag("mlflow.data.context", "training")])


def _params(record: RunRecord) -> list:
    from mlflow.entities import Param

    card = {"preset": record.config.preset, "seed": record.config.seed}
    return [Param(k, str(v)) for k, v in parameters(card, {"record": {"config": record.config}}).items()]


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tagged(client, experiment: str, tag: str, value: str) -> list:
    return client.search_runs([experiment], f"tags.`{tag}` = '{value}'")


def _experiment(client, line: str) -> str:
    """The id of the line's experiment; made once, and marked as one of training."""
    known = client.get_experiment_by_name(line)
    if known is None:
        place = mlflow_db.artifacts().as_uri()
        return client.create_experiment(line, artifact_location=place, tags=KIND)
    for name, value in KIND.items():
        if name not in known.tags:
            client.set_experiment_tag(known.experiment_id, name, value)
    return known.experiment_id


def note_removed(line: str, versions: Sequence[int]) -> None:
    """Tags versions whose folder retention removed: they can no longer be loaded."""
    client = _client()
    with locks.line_lock(line, "mlflow"):
        for mirrored in client.search_model_versions(f"name = '{paths.safe_name(line, 'line')}'"):
            if mirrored.tags.get("newsdesk.version") in {str(version) for version in versions}:
                client.set_model_version_tag(line, mirrored.version, "newsdesk.removed", clock.now())


def _client():
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow reads it at its import
    from mlflow import MlflowClient, db  # several seconds of import

    mlflow_db.ensure(db.upgrade.callback)
    return MlflowClient(mlflow_db.address(), mlflow_db.address())


def _run(client, line: str, card: Mapping) -> str:
    """The MLflow run of a version, with its settings and metrics: its candidate's where that was mirrored, else made here, once."""
    from mlflow.entities import Metric, Param

    experiment, name = _experiment(client, line), f"{line} {card['version']}"
    for known in _tagged(client, experiment, "newsdesk.version", card["version"]):
        if known.info.status == "FINISHED":
            return known.info.run_id
        client.set_terminated(known.info.run_id, "FAILED")  # an attempt that ended on the way
    mirrored = _tagged(client, experiment, "newsdesk.run", card["run"])
    candidate = next((run for run in mirrored if run.info.status == "FINISHED"), None)
    run = (candidate or client.create_run(experiment, run_name=name, tags=tags(card))).info.run_id
    origin = fileio.read_json(model_registry.origin_path(line, card["version"])) or {}
    now = int(time.time() * 1000)
    measured = [Metric(name, value, now, 0) for name, value in metrics(card, origin).items()]
    settings = {} if candidate else parameters(card, origin)  # a candidate has its own already
    client.log_batch(run, measured, [Param(name, str(value)) for name, value in settings.items()])
    client.update_run(run, name=name)
    client.set_terminated(run)
    if candidate:  # last: the tag of its version says that the run is whole
        for tag, value in tags(card).items():
            client.set_tag(run, tag, value)
    return run


def parameters(card: Mapping, origin: Mapping) -> dict[str, str]:
    """A version's settings, flat."""
    config = origin.get("record", {}).get("config", {})
    flat = {"preset": card["preset"], "seed": card["seed"], "family": config.get("family", "")}
    return flat | {f"{part}.{k}": v for part in ("network", "training") for k, v in config.get(part, {}).items()}


def metrics(card: Mapping, origin: Mapping) -> dict[str, float]:
    """A version's numbers, flat: shares in 0..1, milliseconds, bytes."""
    low, high = card["metrics"]["interval"]
    flat = {"accuracy": card["metrics"]["accuracy"], "accuracy_low": low, "accuracy_high": high}
    flat |= {"test_rows": card["metrics"]["rows"], "train_rows": card["data"]["rows"], "bytes": origin.get("bytes")}
    flat |= _recalls(card["metrics"]["per_class"])
    flat |= {name: (origin.get("canary") or {}).get(name) for name in ("p50_ms", "p99_ms")}
    return {name: float(value) for name, value in flat.items() if value is not None}


def _recalls(per_class: Mapping[str, float]) -> dict[str, float]:
    return {f"recall.{name}": per_class[label] for label, name in named(per_class).items()}


def named(labels: Iterable[str]) -> dict[str, str]:
    """A metric's name for each class: `_` for characters that MLflow refuses or reads as a folder; a number makes names unique."""
    names: dict[str, str] = {}
    for number, label in enumerate(labels):
        name = re.sub(r"[^A-Za-z0-9_. -]", "_", label)
        names[label] = f"{name} {number}" if name in names.values() else name
    return names


def tags(card: Mapping) -> dict[str, str]:
    """A version's card as flat text tags."""
    flat = {f"newsdesk.{name}": str(card[name]) for name in ("version", "run", "preset", "seed", "digest", "code")}
    flat |= {f"newsdesk.data.{name}": str(value) for name, value in card["data"].items()}
    flat |= {f"newsdesk.{name}": card[name] for name in ("vocabulary", "mlmd", "airflow") if card.get(name)}
    flat |= {
        "newsdesk.accuracy": f"{card['metrics']['accuracy']:.4f}",
        "newsdesk.test_rows": str(card["metrics"]["rows"]),
    }
    return flat


def summary(card: Mapping) -> str:
    return (
        f"Preset {card['preset']}, seed {card['seed']}, test accuracy {card['metrics']['accuracy']:.4f} "
        f"on {card['metrics']['rows']:,} rows, trained on {card['data']['source']} ({card['data']['rows']:,} rows)."
    )


if __name__ == "__main__":
    from mlflow import db

    db.upgrade.callback(mlflow_db.address())
