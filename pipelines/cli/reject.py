"""`newsdesk reject N`: a person's No to a held version, with a reason that is kept."""

import click

from components.core.states import ExitCode
from pipelines.cli import options
from pipelines.cli.command import Command
from pipelines.cli.line_choice import default_line


@click.command("reject", cls=Command, example="newsdesk reject 4 --reason 'too many sports texts lost'")
@options.version_argument
@options.reason("why, kept on the version's card")
@options.line()
def command(version, reason, line) -> int:
    """Refuse the held VERSION: it does not serve, and retention may remove it."""
    from pipelines.operations import rejection

    line = default_line(line)
    changed = rejection.reject(line, version, reason)
    print(f"{line}: version {version} is {'' if changed else 'already '}rejected")
    return ExitCode.DONE
