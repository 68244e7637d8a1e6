"""`newsdesk label QUEUE.csv`: a filled-in label queue becomes a dated folder of training data."""

from pathlib import Path
from types import SimpleNamespace

import click

from components.core.states import ExitCode
from pipelines.cli import options
from pipelines.cli.command import Command, fail, missing
from pipelines.cli.line_choice import default_line


@click.command("label", cls=Command, example="newsdesk label queue.csv --into incoming")
@click.argument("queue", type=click.Path(path_type=Path), metavar="QUEUE.csv")
@click.option(
    "--into", default="", metavar="SOURCE", help="source folder (default: the one that the line's schedule reads)"
)
@click.option(
    "--span", default="", metavar="DATE", help="the new folder's day (default: the newest that the source lacks)"
)
@click.option(
    "--requests",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="request log that the ids name (default: the server's, requests/LINE in NEWSDESK_HOME)",
)
@click.option("--confirm", default="", metavar="REASON", help="take all labels as they are; the reason is kept")
@options.line()
@options.as_json()
def command(queue, into, span, requests, confirm, line, as_json) -> int:
    """Write the labelled rows of QUEUE.csv into a dated folder of the source, for the next retraining.

    A file with the columns id and label alone labels logged requests by id; their texts come from the log.

    The champion and the texts' neighbours in the source check the labels first. What they contradict goes into a queue of its own:
    correct the label there or write yes into the column confirm, and bring that file back.

    Exit code 3: a label or a text is wrong, or the whole batch cannot be believed; nothing was written.
    """
    if fault := missing(queue):
        return fail("label", fault, ExitCode.FAILED)
    from pipelines.monitoring import label_import

    asked = SimpleNamespace(queue=queue, into=into, span=span, requests=requests, confirm=confirm, json=as_json)
    return label_import.run(asked, default_line(line))
