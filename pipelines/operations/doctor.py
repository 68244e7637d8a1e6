"""`newsdesk doctor`: what is installed, reachable, writable and in step, and what is wrong; `--repair` mends what a crash left.

A check is a function that yields what it looked at, whether that is well, and what there is to say: what is wrong, where, and
the command that mends it. One that fails is a finding like any other, so the rest is checked nevertheless.
"""

from collections.abc import Callable, Collection, Iterator
from functools import partial

from components.core import errors, paths
from components.registry import model_registry
from pipelines.operations import doctor_databases, doctor_line, doctor_state
from pipelines.operations.doctor_state import Finding, Mended


def findings() -> Iterator[Finding]:
    """What was looked at, whether it is well, and what there is to say; the configuration first."""
    yield from _guarded("configuration", doctor_state.configuration)
    usable = True
    for finding in _guarded("state folder", doctor_state.state_folder):
        usable = usable and finding[1]
        yield finding
    for what, check in doctor_state.INSTALLED.items():
        yield from _guarded(what, check)
    if not usable:
        return
    for what, check in doctor_state.CHECKS.items():
        yield from _guarded(what, check)
    yield from _guarded("databases", doctor_databases.databases)
    for line in model_registry.lines():
        for what, check in doctor_line.checks(line).items():
            yield from _guarded(f"{what} of {line}", partial(check, line))
    yield from _guarded("staging", doctor_state.staging)


def _guarded(what: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # whatever is broken, the other checks are made
        yield what, False, f"could not be checked: {_said(error)}"


def repair(free: Collection[str] = ()) -> Iterator[Mended]:
    """Frees locks of dead runs, sets damaged files aside, removes leftovers, ends servers that do not answer, and brings pointer,
    history, folders, MLMD and MLflow back in step. What it cannot mend it says (False), and goes on.

    free: lines that a silent run shall give back, whether or not its scheduler is down.
    """
    try:
        paths.ensure()
    except errors.HomeError as error:
        yield False, str(error)
        return
    for mend in (*doctor_state.REPAIRS, *doctor_databases.REPAIRS):
        yield from _attempted("", mend)
    for line in model_registry.lines():
        for mend in (partial(doctor_line.free_lock, asked=line in free), *doctor_line.REPAIRS):
            failed = False
            for done, says in _attempted(f"{line}: ", partial(mend, line)):
                failed = failed or not done
                yield done, says
            if failed:
                break
    yield from _attempted("", doctor_state.clear_staging)


def _attempted(where: str, mend: Callable[[], Iterator[Mended]]) -> Iterator[Mended]:
    try:
        yield from mend()
    except Exception as error:  # whatever cannot be mended, the rest is
        yield False, where + _said(error)


def _said(error: Exception) -> str:
    """Errors that speak for themselves as they are, others with their kind."""
    plain = isinstance(error, (errors.HomeError, model_registry.RegistryError, OSError)) and str(error)
    return str(error) if plain else f"{type(error).__name__}: {error}"
