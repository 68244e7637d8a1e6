"""`newsdesk lineage N`: where a version came from, as text, JSON and a page."""

import json

import click

from pipelines.cli import options
from pipelines.cli.command import Command
from pipelines.cli.line_choice import default_line


@click.command("lineage", cls=Command, example="newsdesk lineage 3 --json")
@options.version_argument
@options.line()
@options.as_json()
def command(version, line, as_json) -> int:
    """Show where VERSION came from: data files, code, settings and every node's artifacts; writes a page too."""
    from pipelines.operations import lineage

    record = lineage.collect(default_line(line), version)
    page = lineage.page(record)
    if as_json:
        print(json.dumps({**record, "page": str(page)}, indent=1, ensure_ascii=False))
    else:
        print("\n".join([*lineage.text(record), f"  page     {page}"]))
    return 0
