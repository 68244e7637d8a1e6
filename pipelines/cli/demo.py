"""`newsdesk demo FOLDER`: the demo's articles as files, or one day of them that drifted or was damaged on purpose."""

from datetime import date
from pathlib import Path

import click

from components.core.states import ExitCode
from pipelines.cli import options
from pipelines.cli.command import Command, fail


@click.command("demo", cls=Command, example="newsdesk demo recent --drifted 2026-02-01")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--drifted", default="", metavar="DATE", help="one day with vocabulary and class drift")
@click.option("--damaged", default="", metavar="DATE", help="one day with wrong and unreadable rows")
@click.option("--articles", type=int, help="how many (default: 10,000, or 2,000 a day)")
@click.option("--seed", type=int, default=1, show_default=True)
@click.pass_context
def command(ctx, folder, drifted, damaged, articles, seed) -> int:
    """Write the demo's articles into FOLDER, or one drifted or damaged day of them."""
    options.exclusive(ctx, drifted=drifted, damaged=damaged)
    more = {"seed": seed, **({} if articles is None else {"articles": articles})}
    try:
        if articles is not None and not 1 <= articles <= 10_000_000:
            raise ValueError(f"--articles must lie in 1..10000000. Received: --articles={articles}")
        print(write(folder, drifted, damaged, more))
    except FileExistsError as error:
        return fail("demo", str(error), ExitCode.FAILED)
    except ValueError as error:
        return fail("demo", str(error), ExitCode.USAGE)
    return ExitCode.DONE


def write(folder: Path, drifted: str, damaged: str, more: dict) -> Path:
    """Writes the articles; returns their folder. drifted, damaged: an ISO date or empty. more: `seed`, `articles`.

    Raises:
        ValueError: no ISO date. FileExistsError: the day exists already, or the folder holds something else.
    """
    from components.data import demo_corpus

    if not drifted and not damaged:
        return demo_corpus.write(folder, **more)
    day = date.fromisoformat(drifted or damaged)
    target = folder / f"span={day}"
    if target.exists():
        raise FileExistsError(f"the day must be new. Received: {target} exists")
    make = demo_corpus.write_drifted_span if drifted else demo_corpus.write_damaged_span
    return make(folder, day, **more)
