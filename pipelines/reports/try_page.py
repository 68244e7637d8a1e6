"""The page *Try it*: a text, what the champion answers and, beside it, another version, with the words that decided."""

from collections.abc import Mapping
from contextlib import suppress

from components.core import paths
from components.registry import model_registry
from pipelines.reports import charts
from pipelines.runner.node_client import NoServer
from pipelines.serving import answers_socket

FEATURES = 10  # of a linear part shown
SHADES = 5  # classes of the style sheet: a page's policy allows no style of its own


def view(line: str, text: str = "", other: str = "") -> dict:
    """What the template shows. other: a version's number beside the champion, empty for none. Nothing of the text is kept.

    Raises:
        ValueError: a line whose name is none.
    """
    paths.safe_name(line, "line")
    choice = int(other) if other.isdecimal() and len(other) < 9 else None
    asked = [None, *([choice] if choice else [])] if text else []
    fault, answers = "", []
    try:
        if text:
            answers_socket.check(text)
            answers = [answered(line, version, text) for version in asked]
    except answers_socket.BadText as error:
        fault = str(error)
    return {
        "line": line, "text": text, "other": choice, "versions": others(line), "answers": answers, "fault": fault,
        "longest": answers_socket.LONGEST_TEXT_BYTES,
    }  # fmt: skip


def others(line: str) -> list[int]:
    """The versions that can be asked beside the champion, the newest first."""
    serves = None
    with suppress(model_registry.RegistryError, KeyError, TypeError, ValueError):
        serves = (model_registry.champion(line) or {}).get("version")
    numbers = model_registry.numbered(paths.serving_dir(line)), model_registry.numbered(model_registry.held_dir(line))
    return sorted({number for each in numbers for number in each} - {serves}, reverse=True)


def answered(line: str, version: int | None, text: str) -> dict:
    """One answer as the template shows it; `trouble` where there is none."""
    name = "the champion" if version is None else f"version {version}"
    try:
        found = answers_socket.ask(line, version, text)
    except answers_socket.NoAnswer as error:
        return {"name": name, "trouble": str(error)}
    with suppress(NoServer):
        found["curl"] = answers_socket.curl(line, version, text)
    name = f"version {found['model_version']}" + (", the champion" if version is None else "")
    return {"name": name, "trouble": "", **shown(found)}


def shown(answer: Mapping) -> dict:
    """An answer of the process with words shaded by their attention, and a bar for each probability."""
    words, highest = (
        answer.get("words") or [],
        max([one["attention"] for one in answer.get("words") or []], default=0) or 1,
    )
    label = answer["label"]
    return {
        "label": label, "sure": max(answer["probabilities"]), "curl": answer.get("curl", ""),
        "probabilities": [(name, p, charts.share_bar(p)) for name, p in zip(answer["labels"], answer["probabilities"])],
        "words": [{**one, "shade": round(SHADES * one["attention"] / highest)} for one in words],
        "added": [(one["feature"], one["adds"][label]) for one in (answer.get("added") or [])[:FEATURES]],
        "more": max(len(answer.get("added") or []) - FEATURES, 0),
        "reasons": "words" in answer or "added" in answer,
    }  # fmt: skip
