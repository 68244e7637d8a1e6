"""`newsdesk export N FILE`: one version as a file for other machines."""

from pathlib import Path

import click

from components.core.states import ExitCode
from components.registry import export_file
from pipelines.cli import options
from pipelines.cli.command import Command, fail
from pipelines.cli.line_choice import default_line


@click.command("export", cls=Command, example="newsdesk export 3 news-3.zip --line news")
@options.version_argument
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.zip")
@options.line()
def command(version, file, line) -> int:
    """Write VERSION with its card and checksums into FILE.zip, complete or not at all.

    The package newsdesk-client (`make client`) reads it: Client.from_file("FILE.zip").
    """
    line = default_line(line)
    if file.suffix != ".zip" or file.exists():
        why = "it exists already" if file.exists() else "its name must end in .zip"
        return fail("export", f"FILE must be a new zip file. Received: {file}, {why}", ExitCode.USAGE)
    sums = export_file.write(line, version, file)
    print(f"{line} version {version}: {len(sums)} files, {file.stat().st_size / 1e6:.1f} MB, in {file}")
    return ExitCode.DONE
