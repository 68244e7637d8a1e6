"""`newsdesk promote` and `newsdesk rollback`: a person moves the champion pointer, with a reason that is kept."""

import argparse
import sys

from components.core.states import Move
from components.registry import model_registry
from pipelines.reports import model_card


def run(args: argparse.Namespace, line: str) -> int:
    """Moves the pointer, tells MLflow; returns the exit code."""
    if not args.reason.strip():
        print(f"newsdesk {args.command}: --reason must say why. Received: {args.reason!r}", file=sys.stderr)
        return 2
    if args.command == "promote":
        event = promote(line, args.version, args.reason, args.after)
    else:
        event = rollback(line, args.reason, args.to, args.after)
    if event is None:
        print(f"{line}: version {args.version} serves already")
    else:
        print(f"{line}: version {event['to']} serves now (before: {event['from']})")
        _rewrite_cards(line, event)
    return _tell_catalogue(line)


def promote(line: str, version: int, reason: str, after: int | None = None) -> dict | None:
    """Makes a version the champion; one that was held is moved to where it is served first. None where it serves already.

    after: see `_pointer`.

    Raises:
        registry.RegistryError: there is no such version, or it is damaged.
        registry.PointerMoved: another move came between.
    """
    pointer = _pointer(line, after)
    if pointer and pointer["version"] == version:
        model_registry.verify(model_registry.folder(line, version) or model_registry.held_dir(line) / str(version))
        return None
    if (
        model_registry.folder(line, version) is None
    ):  # before the lock, which would make a folder for a line that nobody has
        raise model_registry.RegistryError(
            f"a version must exist to be promoted. Received: line {line!r}, version {version}"
        )
    return model_registry.move_champion(line, pointer, version, Move.PROMOTE, reason, {})


def rollback(line: str, reason: str, to: int | None = None, after: int | None = None) -> dict:
    """Makes the version that served before the champion serve again.

    to: what that version must be, where somebody has decided on it. after: see `_pointer`.

    Raises:
        registry.RegistryError: there was none before, it is another one, or it is damaged.
        registry.PointerMoved: another move came between.
    """
    pointer, previous = _pointer(line, after), model_registry.before(line)
    if previous is None:
        raise model_registry.RegistryError(
            f"a rollback needs a version that served before. Received: line {line!r} has none"
        )
    if to is not None and previous != to:
        raise model_registry.RegistryError(
            f"a rollback must return to version {to}, as was decided. Received: line {line!r} would return to version {previous}"
        )
    return model_registry.move_champion(line, pointer, previous, Move.ROLLBACK, reason, {})


def _pointer(line: str, after: int | None) -> dict | None:
    """The champion. after: the number (`sequence`) of the move that must be the line's last one; 0 where nothing may have served.

    Raises:
        registry.PointerMoved: it is not.
    """
    pointer = model_registry.champion(line)
    last = pointer["event"]["sequence"] if pointer else 0
    if after is not None and last != after:
        serves = f"version {pointer['version']} serves" if pointer else "nothing serves"
        raise model_registry.PointerMoved(
            f"the line's last move must be number {after}, as when this was decided. "
            f"Received: line {line!r} is at move {last}, and {serves}"
        )
    return pointer


def _rewrite_cards(line: str, event: dict) -> None:
    """The pointer has moved; a card that cannot be written again changes nothing of that."""
    for version in filter(None, (event["from"], event["to"])):
        try:
            model_card.write(line, version)
        except Exception as error:  # a damaged record shows in many ways
            print(
                f"the card of version {version} is not up to date ({error!r}); `newsdesk doctor --repair`",
                file=sys.stderr,
            )


def _tell_catalogue(line: str) -> int:
    """The pointer has moved; where MLflow cannot follow, that is said and mended later."""
    try:
        from components.registry import mlflow_sync

        known = model_registry.card(line, model_registry.champion(line)["version"])
        if known:
            mlflow_sync.follow(line, known, model_registry.aliases(line))
    except Exception as error:  # MLflow's and its database's: many classes
        print(f"MLflow does not follow yet ({error}); `newsdesk doctor --repair` mends it", file=sys.stderr)
    return 0
