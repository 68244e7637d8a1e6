"""`newsdesk models`: the versions of the registry, or what served at a time (`--on`)."""

import json
import re

import click

from components.registry import model_registry, serving_history
from pipelines.cli import options
from pipelines.cli.command import Command
from pipelines.reports import status as status_line

_FIELDS = ("version", "line", "preset", "created", "metrics", "data", "digest", "run")


@click.command("models", cls=Command, example="newsdesk models --on 2026-11-20T14:30")
@options.line("one registered model (default: all)")
@click.option("--on", "when", metavar="WHEN", help="what served then: YYYY-MM-DD or YYYY-MM-DDTHH:MM, in UTC")
@options.as_json()
def command(line, when, as_json) -> int:
    """List the registered versions with alias, preset, accuracy and data; with --on, list what served at that time."""
    lines = [line] if line else model_registry.lines()
    return served(lines, when, as_json) if when else listed(lines, as_json)


def listed(lines: list[str], as_json: bool) -> int:
    """Prints the versions of these lines; returns the exit code."""
    versions = []
    for line in lines:
        names = model_registry.aliases(line)
        for card in model_registry.versions(line):
            versions.append({"aliases": names.get(card["version"], []), **{key: card[key] for key in _FIELDS}})
    if as_json:
        print(json.dumps(versions, indent=1, ensure_ascii=False))
    elif not versions:
        print("no versions yet; `make retrain` or `newsdesk retrain` makes one")
    else:
        print(_row("line", "version", "aliases", "preset", "accuracy", "rows", "created", "source"))
        for version in versions:
            data, accuracy = version["data"], f"{version['metrics']['accuracy']:.4f}"
            first = (version["line"], version["version"], ",".join(version["aliases"]), version["preset"])
            print(_row(*first, accuracy, f"{data['rows']:,}", version["created"], data["source"]))
        print(*(status_line.texts() if len(lines) > 1 else [status_line.text(lines[0])]), sep="\n")
    return 0


def _row(line, version, aliases, preset, accuracy, rows, created, source) -> str:
    return f"{line:<12}{version:>7}  {aliases:<20}{preset:<22}{accuracy:>8}  {rows:>9}  {created:<26}{source}"


def served(lines: list[str], when: str, as_json: bool) -> int:
    """Prints what served at a time; returns the exit code. when: a date or a time, see `serving_history.span`."""
    start, end = serving_history.span(when)
    terms = {line: serving_history.during(model_registry.history(line), start, end) for line in lines}
    if as_json:
        rows = [{"line": line, **term, "kept": _is_kept(line, term)} for line, own in terms.items() for term in own]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    when = when if re.search(r"[+-]\d\d:?\d\d$|Z$", when[10:]) else f"{when} (UTC)"
    if not lines:
        print(f"nothing served on {when}: there are no lines yet")
    for line, own in terms.items():
        if not own:
            first = next(iter(model_registry.history(line)), None)
            more = f"its first champion came {first['time']}" if first else "it has never had a champion"
            print(f"{line}: nothing served on {when}; {more}")
        for term in own:
            print("\n".join(_term(line, term)))
    return 0


def _term(line: str, term: dict) -> list[str]:
    """One stretch of serving, for people."""
    if term["version"] is None:
        since = f"between {term['since']} and" if term["since"] else "before"
        return [f"{line}: it is not known what served {since} {term['until']}", f"  {term['why']}"]
    who = f"  {term['kind']} by {term['who']}: {term['why']}"
    if term["since"] == term["until"]:
        return [f"{line}: version {term['version']} served from {term['since']}, until when is not known", who]
    kept = "" if _is_kept(line, term) else " (no longer kept)"
    return [f"{line}: version {term['version']}{kept} served {term['since']} to {term['until'] or 'now'}", who]


def _is_kept(line: str, term: dict) -> bool:
    return term["version"] is not None and model_registry.folder(line, term["version"]) is not None
