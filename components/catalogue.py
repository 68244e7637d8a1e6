"""MLflow, the catalogue that people browse: it follows the registry's files and is never asked what serves."""

from collections.abc import Mapping

from pipelines import home


def follow(line: str, card: Mapping, aliases: Mapping[int, list[str]]) -> int:
    """Makes MLflow show a version and the line's aliases; returns MLflow's own version number.

    Doing it twice changes nothing: the run's tag is looked for first. card: as `registry.versions` gives it.
    """
    from mlflow import MlflowClient  # several seconds of import

    client = MlflowClient(tracking_uri=tracking_uri(), registry_uri=tracking_uri())
    if not client.search_registered_models(f"name = '{line}'"):
        client.create_registered_model(line, description=f"Newsdesk's line {line}. Versions follow {home.registry_dir(line)}.")
    known = {v.tags.get("newsdesk.version"): int(v.version) for v in client.search_model_versions(f"name = '{line}'")}
    if str(card["version"]) not in known:
        found = client.create_model_version(line, source=card["folder"], tags=tags(card), description=summary(card))
        known[str(card["version"])] = int(found.version)
    for version, names in aliases.items():
        for name in names:
            if str(version) in known:
                client.set_registered_model_alias(line, name, str(known[str(version)]))
    return known[str(card["version"])]


def tracking_uri() -> str:
    return f"sqlite:///{home.home() / 'mlflow.db'}"


def tags(card: Mapping) -> dict[str, str]:
    """A version's card as flat text tags."""
    flat = {f"newsdesk.{name}": str(card[name]) for name in ("version", "run", "preset", "seed", "digest", "code")}
    flat |= {f"newsdesk.data.{name}": str(value) for name, value in card["data"].items()}
    flat |= {"newsdesk.accuracy": f"{card['metrics']['accuracy']:.4f}", "newsdesk.test_rows": str(card["metrics"]["rows"])}
    return flat


def summary(card: Mapping) -> str:
    return (
        f"Preset {card['preset']}, seed {card['seed']}, test accuracy {card['metrics']['accuracy']:.4f} "
        f"on {card['metrics']['rows']:,} rows, trained on {card['data']['source']} ({card['data']['rows']:,} rows)."
    )
