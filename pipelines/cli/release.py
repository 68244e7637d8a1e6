"""`newsdesk promote` and `newsdesk rollback`: a person moves the champion pointer, with a reason that is kept."""

import sys

import click

from components.core.states import ExitCode, Move
from components.registry import lost_champion, model_registry
from pipelines.cli import options
from pipelines.cli.command import Command, fail
from pipelines.cli.line_choice import default_line
from pipelines.reports import model_card

_AFTER = click.option(
    "--after", type=int, metavar="MOVE", help="only if the line's last move has this number; 0: no version has served"
)


@click.command("promote", cls=Command, example="newsdesk promote 4 --reason 'passed the review'")
@options.version_argument
@_AFTER
@options.reason("why, kept in the history")
@options.line()
def promote_command(version, after, reason, line) -> int:
    """Make VERSION the champion."""
    return run("promote", default_line(line), reason, version, after)


@click.command("rollback", cls=Command, example="newsdesk rollback --reason 'complaints about sports'")
@click.option("--to", type=int, metavar="VERSION", help="only if this is the version it returns to")
@click.option("--lost", is_flag=True, help="the champion is damaged for good: the next run is judged without it")
@_AFTER
@options.reason("why, kept in the history")
@options.line()
def rollback_command(to, lost, after, reason, line) -> int:
    """Roll back to the previous champion."""
    if lost and to is None:
        return lose(default_line(line), reason, after)
    if lost:
        return fail("rollback", "--lost and --to cannot be used together", ExitCode.USAGE)
    return run("rollback", default_line(line), reason, to, after)


def run(kind: str, line: str, reason: str, version: int | None, after: int | None) -> int:
    """Moves the pointer and updates MLflow; returns the exit code.

    kind: "promote" or "rollback". version: what to promote, or what a rollback must return to. after: see `_pointer`.
    """
    event = promote(line, version, reason, after) if kind == "promote" else rollback(line, reason, version, after)
    if event is None:
        print(f"{line}: version {version} serves already")
    else:
        print(f"{line}: version {event['to']} serves now (before: {event['from']})")
        _rewrite_cards(line, event)
    return _tell_catalogue(line)


def lose(line: str, reason: str, after: int | None = None) -> int:
    """Records a champion that cannot be restored as lost; returns the exit code. after: see `_pointer`.

    Raises:
        model_registry.RegistryError: the champion is whole, or a rollback would do.
    """
    event = lost_champion.record(line, _pointer(line, after), reason)
    print(f"{line}: version {event['to']} is recorded as lost; the next run is judged without it")
    return ExitCode.DONE


def promote(line: str, version: int, reason: str, after: int | None = None) -> dict | None:
    """Makes a version the champion; one that was held is moved to where it is served first. None where it serves already.

    after: see `_pointer`.

    Raises:
        model_registry.RegistryError: there is no such version, or it is damaged.
        model_registry.PointerMoved: another move came between.
    """
    pointer = _pointer(line, after)
    if pointer and pointer["version"] == version and not lost_champion.is_lost(pointer):
        model_registry.verify(model_registry.folder(line, version) or model_registry.held_dir(line) / str(version))
        return None
    if (
        model_registry.folder(line, version) is None
    ):  # before the lock, which would make a folder for a line that does not exist
        raise model_registry.RegistryError(
            f"a version must exist to be promoted. Received: line {line!r}, version {version}"
        )
    return model_registry.move_champion(line, pointer, version, Move.PROMOTE, reason, {})


def rollback(line: str, reason: str, to: int | None = None, after: int | None = None) -> dict:
    """Rolls back to the version that served before the champion.

    to: what that version must be, where a person has decided on it. after: see `_pointer`.

    Raises:
        model_registry.RegistryError: there was none before, it is another one, or it is damaged.
        model_registry.PointerMoved: another move came between.
    """
    pointer, previous = _pointer(line, after), model_registry.rollback_target(line)
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
        model_registry.PointerMoved: it is not.
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
    """Updates MLflow after the pointer has moved; a failure is a message, and `newsdesk doctor --repair` repairs it later."""
    try:
        from components.registry import mlflow_sync

        known = model_registry.card(line, model_registry.champion(line)["version"])
        if known:
            mlflow_sync.follow(line, known, model_registry.aliases(line))
    except Exception as error:  # MLflow's and its database's: many classes
        print(f"MLflow is not up to date ({error}); run `newsdesk doctor --repair`", file=sys.stderr)
    return ExitCode.DONE
