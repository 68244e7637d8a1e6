"""`newsdesk reproduce N`: makes a version again and says whether the model is the same, byte for byte."""

import json
import sys

import click

from components.core.states import ExitCode
from pipelines.cli import options
from pipelines.cli.command import Command, fail
from pipelines.cli.line_choice import default_line
from pipelines.cli.node_runs import interruptible


@click.command("reproduce", cls=Command, example="newsdesk reproduce 3 --line news")
@options.version_argument
@options.line()
@options.as_json()
def command(version, line, as_json) -> int:
    """Train VERSION again from its commit, settings and files, and compare the model byte for byte."""
    from pipelines.operations import reproduce

    line = default_line(line)
    with interruptible():
        try:
            result = reproduce.reproduce(line, version, lambda text: print(text, file=sys.stderr, flush=True))
        except reproduce.NotReproducible as error:
            return fail("reproduce", str(error), ExitCode.FAILED)
    print(json.dumps(result, indent=1) if as_json else summary(result))
    return ExitCode.DONE if result["equal"] else ExitCode.FAILED


def summary(result: dict) -> str:
    """The comparison, for people."""
    head = f"{result['line']} version {result['version']}, commit {result['commit'][:12]}"
    if result["equal"]:
        return f"{head}: reproduced, {result['files']} files with equal bytes, digest {result['digest'][:12]}"
    names = "\n".join(f"  {name}" for name in result["differing"]) or "  files of the version that were not made again"
    if not any(name.startswith("variables/") for name in result["differing"]):
        names += "\n  the weights are equal; names in a graph depend on what its process did before, and a node without the warm server differs in them"
    return f"{head}: differs, digest {result['again'][:12]} instead of {result['digest'][:12]}\n{names}"
