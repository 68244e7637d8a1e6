"""`newsdesk compare A B`: two versions side by side, as text, JSON, a page and a file of rows."""

import json
import sys

import click

from components.core import fileio
from pipelines.cli import options
from pipelines.cli.command import Command
from pipelines.cli.line_choice import default_line


@click.command("compare", cls=Command, example="newsdesk compare 3 2 --line news")
@click.argument("first", type=click.IntRange(1))
@click.argument("second", type=click.IntRange(1))
@options.line()
@options.as_json()
def command(first, second, line, as_json) -> int:
    """Compare version FIRST with version SECOND on the same test rows: metrics, settings, data, rows won and lost, cost."""
    from pipelines.cli.predict import quiet_libraries
    from pipelines.operations import compare
    from pipelines.reports import comparison, model_verdict

    quiet_libraries()
    line = default_line(line)
    try:
        differences = compare.collect(line, first, second)
    except compare.NotComparable as error:
        print(f"newsdesk: {error}", file=sys.stderr)
        return 1
    folder = compare.place(line, first, second)
    fileio.write_json(folder / "comparison.json", differences)
    fileio.write_text(folder / model_verdict.CSV, comparison.rows_as_csv(differences))
    fileio.write_text(folder / "comparison.html", comparison.page(differences))
    if as_json:
        print(json.dumps({**differences, "page": str(folder / "comparison.html")}, indent=1, ensure_ascii=False))
    else:
        print("\n".join([*comparison.text(differences), f"  page      {folder / 'comparison.html'}"]))
    return 0
