"""Checks a line's reviewed folder before a run does any work.

Reads what the nodes will read: `line.toml`, `schema.pbtxt`, `expectations.json` and `behaviour.toml`.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from components.core import paths
from components.core.validation import ConfigError


def check(line: str, labels: Sequence[str]) -> None:
    """labels: the line's classes in the order of their ids.

    Raises:
        ConfigError: a file is missing, cannot be read, or does not fit the labels; all of them are named.
    """
    problems = list(faults(line, labels))
    if problems:
        raise ConfigError(
            f"{paths.line_dir(line)} must be complete and fit its labels. Received: {'; '.join(problems)}"
        )


def faults(line: str, labels: Sequence[str]) -> Iterator[str]:
    """What is wrong with a line's folder, each with its path."""
    folder = paths.line_dir(line)
    if not folder.is_dir():
        yield f"no {folder}; `newsdesk init FOLDER --line {line}` proposes one"
        return
    checks: tuple[tuple[str, Callable[[Path, Sequence[str]], str]], ...] = (
        ("line.toml", _labels),
        ("schema.pbtxt", _schema),
        ("expectations.json", _expectations),
        ("behaviour.toml", _behaviour),
    )
    for name, fault in checks:
        problem = fault(folder / name, labels)
        if problem:
            yield f"{folder / name}: {problem}"


def _labels(path: Path, labels: Sequence[str]) -> str:
    texts = all(isinstance(label, str) and label.strip() for label in labels)
    right = texts and len(labels) >= 2 and len(set(labels)) == len(labels)
    return "" if right else f"labels must be two or more different texts, and are {list(labels)}"


def _schema(path: Path, labels: Sequence[str]) -> str:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    try:
        schema = text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())
    except (OSError, ValueError, text_format.ParseError) as error:
        return f"cannot be read as a schema ({error})"
    label = next((feature for feature in schema.feature if feature.name == "label"), None)
    if label is None:
        return "has no feature named label"
    low, high = label.int_domain.min, label.int_domain.max
    if label.HasField("int_domain") and (low, high) != (0, len(labels) - 1):
        return f"lets label be {low} to {high}, and the line has {len(labels)} labels, 0 to {len(labels) - 1}"
    return ""


def _expectations(path: Path, labels: Sequence[str]) -> str:
    try:
        suite = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"cannot be read as JSON ({error})"
    keys = {"type": str, "kwargs": dict}
    for item in suite if isinstance(suite, list) else [suite]:
        if not isinstance(item, dict) or not all(isinstance(item.get(key), kind) for key, kind in keys.items()):
            return f"must be a list of objects with type and kwargs, and holds {str(item)[:80]}"
        named = item["kwargs"].get("value_set") if item["kwargs"].get("column") == "label" else None
        if named is not None and set(named) != set(labels):
            return f"{item['type']} names the classes {named}, and the line's labels are {list(labels)}"
    return ""


def _behaviour(path: Path, labels: Sequence[str]) -> str:
    from components.evaluation import behavioural_tests

    try:
        behavioural_tests.load(path, labels)
    except behavioural_tests.BehaviourError as error:
        return str(error)
    return ""
