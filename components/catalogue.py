"""MLflow, the catalogue that people browse: it follows the registry's files and is never asked what serves."""

from collections.abc import Mapping

from pipelines import claims, home

ALIASES = ("champion", "previous")  # the ones that follow; a person's own are left alone


def follow(line: str, card: Mapping, aliases: Mapping[int, list[str]]) -> int:
    """Makes MLflow show a version and the line's aliases; returns MLflow's own version number.

    Doing it twice changes nothing: the version's tag is looked for first. card: as `registry.versions` gives it.
    aliases: as `registry.aliases` gives them; an alias that nothing bears any more is taken away.
    """
    from mlflow import MlflowClient  # several seconds of import

    client = MlflowClient(tracking_uri=tracking_uri(), registry_uri=tracking_uri())
    with claims.line_lock(line, "mlflow"):  # MLflow itself registers the same source twice
        found = client.search_registered_models(f"name = '{home.safe_name(line, 'line')}'")
        if not found:
            told = f"Newsdesk's line {line}. Versions follow {home.registry_dir(line)}."
            found = [client.create_registered_model(line, description=told)]
        known = {
            v.tags.get("newsdesk.version"): int(v.version) for v in client.search_model_versions(f"name = '{line}'")
        }
        if str(card["version"]) not in known:
            made = client.create_model_version(line, source=card["folder"], tags=tags(card), description=summary(card))
            known[str(card["version"])] = int(made.version)
        wanted = {name: known[str(n)] for n, names in aliases.items() for name in names if str(n) in known}
        present = {name: int(number) for name, number in found[0].aliases.items()}
        for name in ALIASES:
            if name in wanted and present.get(name) != wanted[name]:
                client.set_registered_model_alias(line, name, str(wanted[name]))
            elif name in present and name not in wanted:
                client.delete_registered_model_alias(line, name)
    return known[str(card["version"])]


def tracking_uri() -> str:
    return f"sqlite:///{home.home() / 'mlflow.db'}"


def tags(card: Mapping) -> dict[str, str]:
    """A version's card as flat text tags."""
    flat = {f"newsdesk.{name}": str(card[name]) for name in ("version", "run", "preset", "seed", "digest", "code")}
    flat |= {f"newsdesk.data.{name}": str(value) for name, value in card["data"].items()}
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
