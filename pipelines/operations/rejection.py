"""A person's No to a held version: kept on its card and in its run's outcome."""

from components.core import clock, fileio, locks, paths
from components.core.states import RunState
from components.registry import model_registry
from components.registry.version_folders import user
from pipelines.runner import runs


def reject(line: str, version: int, reason: str) -> bool:
    """Refuses a held version: its run ends as refused, and retention no longer protects it. False where it was rejected before.

    A rejection that was interrupted is completed, with the reason that it was given.

    Raises:
        model_registry.RegistryError: no such version, or it has served.
    """
    with locks.line_lock(line):
        card = model_registry.card(line, version)
        if card is None or model_registry.folder(line, version) is None:
            raise model_registry.RegistryError(
                f"a version must exist to be rejected. Received: line {line!r}, version {version}"
            )
        if served_since(line, version):
            raise model_registry.RegistryError(
                f"a version that has served cannot be rejected; `newsdesk rollback` ends its service. Received: line {line!r}, "
                f"version {version}"
            )
        new = not is_rejected(card)
        if new:
            card = {**card, "rejected": {"time": clock.now(), "who": user(), "reason": reason}}
            fileio.write_json(model_registry.card_path(line, version), card)
    completed = _refuse_run(card["run"], f"rejected: {card['rejected']['reason']}")
    return new or completed


def _refuse_run(run: str, reason: str) -> bool:
    """Ends the run of a rejected version as refused; whether a file had to be written for that."""
    folder = paths.run_dir(run)
    release = fileio.read_json(folder / "release.json")
    if not release:  # retention has removed the run
        return False
    refused = {**release, "state": RunState.REFUSED, "pushed": False, "reasons": [reason]}
    if release != refused:
        fileio.write_json(folder / "release.json", refused)
    outcome = runs.outcome_of(run)
    written = fileio.read_json(folder / "outcome.json") != outcome
    if written:
        fileio.write_json(folder / "outcome.json", outcome)
    return written or release != refused


def is_rejected(card) -> bool:
    """Whether a person rejected the version of a card."""
    return bool(card.get("rejected"))


def served_since(line: str, version: int) -> str:
    """Who made a version serve for the first time; empty where nobody has."""
    events = [event for event in model_registry.history(line) if event["to"] == version]
    return str(events[0].get("who") or "somebody") if events else ""
