"""Which line a command works on, where `--line` names one and where it does not."""

import sys

from components.core import paths
from components.core.validation import check
from components.registry import model_registry
from pipelines.config.lines import DEMO_LINE, REAL_LINE


def known_lines() -> list[str]:
    """The lines that have a schema, a champion or a version, or a table in `newsdesk.toml`."""
    from pipelines.config import run_config

    used = {line for line in model_registry.lines() if model_registry.versions(line) or model_registry.champion(line)}
    return sorted({REAL_LINE, DEMO_LINE, *paths.line_names(), *used, *run_config.settings()})


def check_line(line: str, elsewhere: bool = False) -> None:
    """Raises ConfigError where a line's name could be no file name, ValueError's text included, or no part of Newsdesk knows it.

    elsewhere: the line is read from an object store, whose lines are not known here.
    """
    if not line:
        return
    try:
        paths.safe_name(line, "line")
    except ValueError as error:
        check(False, str(error))
    if not elsewhere and line not in (REAL_LINE, DEMO_LINE):
        known = known_lines()
        check(line in known, f"Unknown line {line!r}. Known lines: {', '.join(known)}")


def default_line(asked: str) -> str:
    """The line to work on: the one given, else the real one where it has a champion, else the demo's."""
    if asked:
        return paths.safe_name(asked, "line")
    if model_registry.champion(REAL_LINE) or not model_registry.champion(DEMO_LINE):
        return REAL_LINE
    return DEMO_LINE


def answering_line(asked: str) -> str:
    """As `default_line`; prints on standard error that the demo's model answers."""
    line = default_line(asked)
    if not asked and line == DEMO_LINE:
        print(f"line {REAL_LINE} has no champion yet; the demo's answers (line {line})", file=sys.stderr)
    return line
