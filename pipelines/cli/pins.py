"""`newsdesk pin` and `newsdesk unpin`: which versions retention keeps whatever their age."""

import click

from components.core.states import ExitCode
from components.registry import pins
from pipelines.cli import options
from pipelines.cli.command import Command
from pipelines.cli.line_choice import default_line


@click.command("pin", cls=Command, example="newsdesk pin 3 --reason 'the audit needs it'")
@options.version_argument
@options.reason("why the version is kept")
@options.line()
def pin_command(version, reason, line) -> int:
    """Keep VERSION whatever its age, until it is unpinned."""
    return _change("pin", version, reason, line)


@click.command("unpin", cls=Command, example="newsdesk unpin 3 --reason 'the audit is over'")
@options.version_argument
@options.reason("why the version need not be kept")
@options.line()
def unpin_command(version, reason, line) -> int:
    """Let retention treat VERSION like any other again."""
    return _change("unpin", version, reason, line)


def _change(kind: str, version: int, reason: str, line: str) -> int:
    line = default_line(line)
    changed = pins.change(line, kind, version, reason)
    state = "pinned: it is kept until it is unpinned" if kind == "pin" else "not pinned"
    print(f"{line}: version {version} is {'' if changed else 'already '}{state}")
    return ExitCode.DONE
