"""Mirrors the registry into MLflow, for people who browse there. `champion.json`, not MLflow, decides what serves.

`python -m components.registry.mlflow_sync` does what `mlflow db upgrade ADDRESS` does, without a password among the arguments.
"""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone

from components.core import clock, fileio, locks, paths
from components.registry import mlflow_db, model_registry

_FIRST_DAY = datetime(1970, 1, 1).toordinal()  # steps of a daily series are days since then
ALIASES = ("champion", "previous")  # the mirrored ones; other aliases are left alone


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


def note_removed(line: str, versions: Sequence[int]) -> None:
    """Tags versions whose folder retention removed: they can no longer be loaded."""
    client = _client()
    with locks.line_lock(line, "mlflow"):
        for mirrored in client.search_model_versions(f"name = '{paths.safe_name(line, 'line')}'"):
            if mirrored.tags.get("newsdesk.version") in {str(version) for version in versions}:
                client.set_model_version_tag(line, mirrored.version, "newsdesk.removed", clock.now())


def _client():
    from mlflow import MlflowClient, db  # several seconds of import

    mlflow_db.ensure(db.upgrade.callback)
    return MlflowClient(mlflow_db.address(), mlflow_db.address())


def _run(client, line: str, card: Mapping) -> str:
    """The MLflow run with a version's settings and metrics, in an experiment named after the line; created once."""
    from mlflow.entities import Metric, Param

    found = client.get_experiment_by_name(line)
    place = (paths.home() / "mlflow-artifacts").as_uri()
    experiment = found.experiment_id if found else client.create_experiment(line, artifact_location=place)
    for known in client.search_runs([experiment], f"tags.`newsdesk.version` = '{card['version']}'"):
        if known.info.status == "FINISHED":
            return known.info.run_id
        client.set_terminated(known.info.run_id, "FAILED")  # an attempt that ended on the way
    run = client.create_run(experiment, run_name=f"{line} {card['version']}", tags=tags(card)).info.run_id
    origin = fileio.read_json(model_registry.origin_path(line, card["version"])) or {}
    now = int(time.time() * 1000)
    measured = [Metric(name, value, now, 0) for name, value in metrics(card, origin).items()]
    client.log_batch(run, measured, [Param(name, str(value)) for name, value in parameters(card, origin).items()])
    client.set_terminated(run)
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
    flat |= {
        f"recall.{name}": card["metrics"]["per_class"][label]
        for label, name in named(card["metrics"]["per_class"]).items()
    }
    flat |= {name: (origin.get("canary") or {}).get(name) for name in ("p50_ms", "p99_ms")}
    return {name: float(value) for name, value in flat.items() if value is not None}


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
