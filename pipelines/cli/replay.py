"""`newsdesk replay N`: a version beside the champion on a day's logged requests."""

import json
import re

import click

from components.core.states import ExitCode
from pipelines.cli import options
from pipelines.cli.command import Command, fail
from pipelines.cli.line_choice import default_line

SHOWN = 10  # texts


def _day(ctx: click.Context, param: click.Parameter, text: str) -> str:
    if text and not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise click.BadParameter(f"must be YYYY-MM-DD. Received: {text[:40]!r}")
    return text


@click.command("replay", cls=Command, example="newsdesk replay 4 --day 2026-11-27 --line news")
@options.version_argument
@click.option("--day", default="", metavar="YYYY-MM-DD", callback=_day, help="in UTC (default: the last one logged)")
@options.line()
@options.as_json()
def command(version, day, line, as_json) -> int:
    """Ask VERSION and the champion a day's logged requests: agreement, latency, differing texts."""
    from pipelines.cli.predict import quiet_libraries
    from pipelines.client import NoModel
    from pipelines.operations import replay

    quiet_libraries()
    try:
        result = replay.replay(default_line(line), version, day)
    except (replay.NothingToReplay, NoModel) as error:
        return fail("replay", str(error), ExitCode.FAILED)
    print(json.dumps(result, indent=1, ensure_ascii=False) if as_json else "\n".join(text(result)))
    return ExitCode.DONE


def text(result: dict) -> list[str]:
    """The result for people, as lines."""
    ours, theirs = result["latency"]["version"], result["latency"]["champion"]
    lines = [
        f"{result['line']} version {result['version']} against version {result['champion']} on {result['texts']:,} requests of {result['day']}",
        f"  the same label for {result['agreement']:.2%}; {result['differing']:,} differ",
        f"  one text  p50 {ours['p50_ms']} ms, p99 {ours['p99_ms']} ms, champion p50 {theirs['p50_ms']} ms, p99 {theirs['p99_ms']} ms",
    ]
    if result["unread"]:
        lines.append(f"  {result['unread']:,} lines of the log are no requests and were left out")
    return lines + [
        f"    {row['said']} instead of {row['champion']}  {row['text'][:100]}" for row in result["rows"][:SHOWN]
    ]
