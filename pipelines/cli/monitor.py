"""`newsdesk monitor`: the champion on recent articles."""

import click

from pipelines.cli import options
from pipelines.cli.command import Command
from pipelines.cli.line_choice import answering_line


@click.command("monitor", cls=Command, example="newsdesk monitor incoming --window 'last 7d' --line news")
@click.argument("folder", default="")
@click.option(
    "--window", default="", help="dated folders to read: all, 'last Nd', or one day YYYY-MM-DD (default: all)"
)
@options.line()
@options.as_json()
def command(folder, window, line, as_json) -> int:
    """Score the recent articles in FOLDER (default: the one in newsdesk.toml), measure drift, and choose texts to label.

    Exit code 3: a file cannot be read.
    """
    from pipelines.monitoring import monitor

    return monitor.run(answering_line(line), folder, window, as_json)
