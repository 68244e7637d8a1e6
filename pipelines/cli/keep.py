"""`newsdesk keep N`: the settings that a version's search chose become those of its line."""

import click

from components.core import fileio
from components.core.states import ExitCode
from components.registry import model_registry
from pipelines.cli import options
from pipelines.cli.command import Command, fail
from pipelines.cli.line_choice import default_line
from pipelines.config import kept_settings


@click.command("keep", cls=Command, example="newsdesk keep 3 --line news")
@options.version_argument
@options.line()
def command(version, line) -> int:
    """Write the settings that VERSION's tuning chose to newsdesk.toml, for later runs with its preset."""
    line = default_line(line)
    card = model_registry.card(line, version)
    if card is None:
        return fail("keep", f"a version must be registered in line {line!r}. Received: {version}", ExitCode.FAILED)
    tuned = (fileio.read_json(model_registry.origin_path(line, version)) or {}).get("tuning")
    if not tuned:
        return fail(
            "keep",
            f"only a version made with tuning.trials has settings to keep: newsdesk retrain --set tuning.trials=20. "
            f"Received: version {version} of {line}",
            ExitCode.FAILED,
        )
    path = kept_settings.keep(line, card["preset"], version, tuned["set"])
    print(f"{line}: runs with the preset {card['preset']} use from now on, by {path}:")
    for name, value in tuned["set"].items():
        print(f"  {name:<28}{value}")
    return ExitCode.DONE
