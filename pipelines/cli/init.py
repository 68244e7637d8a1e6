"""`newsdesk init FOLDER`: a new line proposed from data files."""

import re
import shlex
from datetime import datetime, timezone
from pathlib import Path

import click

from components.core import paths
from components.core.states import ExitCode
from pipelines.cli.command import Command, fail


@click.command("init", cls=Command, example="newsdesk init ~/tickets --line tickets")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--line", default="", metavar="LINE", help="the new line's name (default: the folder's)")
@click.option("--label", default="", metavar="COLUMN", help="the column with the label (default: found out)")
@click.option(
    "--text", "texts", multiple=True, metavar="COLUMN", help="a column with text, twice at most (default: found out)"
)
@click.option(
    "--encoding", default="", metavar="NAME", help="the files' encoding, such as latin-1 (default: found out)"
)
@click.option("--shared", is_flag=True, help="write to data_schemas/, to be committed, not to the state folder")
def command(folder, line, label, texts, encoding, shared) -> int:
    """Look at the data files in FOLDER and propose a line: labels, schema, expectations, behavioural tests, settings.

    Exit code 3: the files cannot be read as labelled texts.
    """
    from pipelines.cli.predict import quiet_libraries

    quiet_libraries()
    from components.data import sources
    from pipelines.operations import line_files, line_proposal
    from pipelines.runner import line_folder

    folder = folder.expanduser().absolute()
    line = line or re.sub(r"[^A-Za-z0-9._-]+", "-", folder.name).strip("-.") or "line"
    if not folder.is_dir():
        return fail("init", f"Folder not found: {folder}", ExitCode.USAGE)
    if line in paths.line_names():
        return fail(
            "init", f"line {line!r} exists already: {paths.line_dir(line)}. Give another --line", ExitCode.USAGE
        )
    if len(texts) > 2:
        return fail("init", f"--text must be given twice at most. Received: {', '.join(texts)}", ExitCode.USAGE)
    try:
        paths.safe_name(line, "line")
    except ValueError as error:
        return fail("init", str(error), ExitCode.USAGE)
    try:
        files, ignored = sources.resolve(str(folder), "all", datetime.now(timezone.utc))
        proposal = line_proposal.propose(files, label, texts, encoding)
    except sources.SourceError as error:
        return fail("init", str(error), ExitCode.STOPPED)
    place = (paths.REPOSITORY / "data_schemas" if shared else paths.ensure() / "lines") / line
    line_files.write(place, line, folder, proposal)
    line_folder.check(line, proposal.labels)
    print(summary(line, folder, place, proposal, [file.path for file in files], ignored))
    return ExitCode.DONE


def summary(line: str, folder: Path, place: Path, proposal, files: list[str], ignored: list[str]) -> str:
    """What was seen and proposed, and what to do next."""
    table, total = proposal.table, sum(proposal.counts.values())
    form = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", "": "JSON or Parquet"}[table.delimiter]
    lines = [
        f"{folder}: {len(files)} file(s), {total:,} train rows, separated by {form}, "
        f"{'a header' if table.header else 'no header'}" + (f" after {table.skipped} line(s)" if table.skipped else ""),
        *(f"  not read: {what}" for what in ignored[:5]),
        *(f"  {name:<12} is the column {theirs!r}" for name, theirs in proposal.columns.items()),
        f"  {len(proposal.labels)} labels: "
        + ", ".join(f"{name} {proposal.counts.get(name, 0) / total:.1%}" for name in proposal.labels[:20]),
        f"Proposed: {place}/",
        "Read and correct its files; `settings.toml` belongs into newsdesk.toml. Then:",
        "  " + shlex.join(["newsdesk", "data", "check", str(folder), "--line", line]),
        "  " + shlex.join(["newsdesk", "retrain", "--source", str(folder), "--line", line, "--preset", "linear"]),
    ]
    return "\n".join(lines)
