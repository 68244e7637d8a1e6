"""`newsdesk show N`: one version with its metrics, data and history."""

import json
import sys

import click

from components.core import paths
from components.registry import model_registry
from pipelines.cli import options
from pipelines.cli.command import Command
from pipelines.cli.line_choice import default_line


@click.command("show", cls=Command, example="newsdesk show 3 --line news")
@options.version_argument
@options.line()
@options.as_json()
def command(version, line, as_json) -> int:
    """Show one VERSION: metrics, comparisons, data, files and history."""
    line = default_line(line)
    card = next((card for card in model_registry.versions(line) if card["version"] == version), None)
    if card is None:
        print(f"a version must be registered in line {line!r}. Received: {version}", file=sys.stderr)
        return 1
    aliases = model_registry.aliases(line).get(version, [])
    history = [event for event in model_registry.history(line) if version in (event["from"], event["to"])]
    if as_json:
        print(json.dumps({**card, "aliases": aliases, "history": history}, indent=1))
    else:
        print("\n".join(text(line, card, aliases, history)))
    return 0


def text(line: str, card: dict, aliases: list[str], history: list[dict]) -> list[str]:
    """The version's card for people, as lines."""
    from pipelines.reports import model_card

    metrics, data, version = card["metrics"], card["data"], card["version"]
    low, high = metrics["interval"]
    names = ", ".join(aliases) or "no alias"
    lines = [
        f"{line} version {version} ({names}), preset {card['preset']}, seed {card['seed']}, made {card['created']}",
        f"  test accuracy {metrics['accuracy']:.4f} (95% {low:.4f} to {high:.4f}) on {metrics['rows']:,} rows",
    ]
    lines += [f"    {name:<12}{value:.4f}" for name, value in metrics["per_class"].items()]
    for name, pair in card["comparisons"].items():
        rows = f"{pair['won']} rows won, {pair['lost']} lost, p = {pair['p_worse']:.3g}"
        lines.append(f"  against the {name} ({pair['accuracy']:.4f}): {rows}")
    source = f"{data['source']}, window {data['window']}, {data['rows']:,} rows, hash {data['hash'][:12]}"
    lines += [f"  data   {source}", f"  run    {paths.run_dir(card['run'])}", f"  folder {card['folder']}"]
    for kind, path in model_card.card_files(line, version).items():
        lines.append(f"  card   {path if path.exists() else f'no {kind} form; newsdesk doctor --repair writes it'}")
    for event in history:
        move = f"{event['kind']} {event['from']} -> {event['to']}"
        lines.append(f"  {event['time']}  {move} by {event['who']}: {event['reason']}")
    return lines
