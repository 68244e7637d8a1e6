"""Lines: their names, labels and sources, and the names of their DAGs in Airflow.

Standard library and tomli only, and imports no settings: `newsdesk models` needs this module alone.
"""

import os
from collections.abc import Mapping
from typing import Any

import tomli

from components.core import paths
from components.core.validation import ConfigError, check

DEMO_LINE = "news-demo"
REAL_LINE = "news"
LABELS = ("World", "Sports", "Business", "Sci/Tech")


def scheduled_line(lines: Mapping[str, Any]) -> str:
    """The line that the schedule retrains: the real one, else the first of the file, else the demo."""
    return REAL_LINE if REAL_LINE in lines else next(iter(lines), DEMO_LINE)


def retrain_dags(lines: Mapping[str, Any]) -> dict[str, str]:
    """Airflow's retraining DAGs and their lines: `news_retrain`, and one more for each further line with a schedule."""
    return _dags("news_retrain", lines, "schedule")


def monitor_dags(lines: Mapping[str, Any]) -> dict[str, str]:
    """Airflow's monitoring DAGs and their lines: `news_monitor`, and one more for each further line with such a section."""
    return _dags("news_monitor", lines, "monitor")


def _dags(dag_id: str, lines: Mapping[str, Any], section: str) -> dict[str, str]:
    first = scheduled_line(lines)
    more = [line for line, sections in lines.items() if line != first and section in sections]
    return {dag_id: first, **{f"{dag_id}_{line}": line for line in more}}


def is_folder(source: str) -> bool:
    """Whether a source is a path, and not the name of a built-in one."""
    return source not in ("", "demo", "tfds") and not source.startswith("tfds:")


def same_source(one: str, other: str) -> bool:
    """Whether two texts name one source: paths are compared without links, `..` and closing slashes."""
    return _real(one) == _real(other)


def _real(source: str) -> str:
    if is_folder(source):
        return os.path.realpath(os.path.expanduser(source))
    return "tfds:ag_news_subset" if source == "tfds" else source


def check_folder(source: str) -> None:
    """Raises ConfigError where a source is a folder that does not exist."""
    check(not is_folder(source) or os.path.isdir(os.path.expanduser(source)), f"Folder not found: {source}")


def line_file(line: str) -> dict:
    """`line.toml` in the line's folder: `labels`, and `training`, which overrides the presets; empty where there is no file."""
    path = paths.line_dir(line) / "line.toml"
    try:
        return tomli.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"a line's file must be TOML ({error}). Received: {path}") from None


def labels_of(line: str) -> tuple[str, ...]:
    """The class names of a line; `LABELS` where the line has no file.

    Raises:
        ConfigError: names that no page, file or catalogue could show.
    """
    labels = line_file(line).get("labels", LABELS)
    usable = isinstance(labels, (list, tuple)) and all(
        isinstance(label, str) and label.strip() == label and label.isprintable() and 0 < len(label) <= 100
        for label in labels
    )
    check(
        usable and len(labels) > 1 and len(set(labels)) == len(labels),
        f"labels in {paths.line_dir(line)}/line.toml must be two or more different names of 1 to 100 printable characters, without "
        "blanks at their ends",
        labels=labels,
    )
    return tuple(labels)
