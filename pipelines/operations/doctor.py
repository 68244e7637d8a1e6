"""`newsdesk doctor`: checks the installation and the state folder; `--repair` repairs state left by a crash.

A check is a function that yields what it checked, whether it is well, and a message: what is wrong, where, and the command
that repairs it. A check that raises is reported as a finding, and the other checks still run.
"""

from collections.abc import Callable, Collection, Iterator
from functools import partial

from components.core import errors, paths
from components.registry import model_registry
from pipelines.operations import doctor_databases, doctor_line, doctor_line_repairs, doctor_state, doctor_store
from pipelines.operations.doctor_state import Finding, Mended


def findings() -> Iterator[Finding]:
    """What was checked, whether it is well, and a message; the configuration first."""
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
    yield from _guarded("object store", doctor_store.store)
    for line in model_registry.lines():
        for what, check in doctor_line.checks(line).items():
            yield from _guarded(f"{what} of {line}", partial(check, line))
    yield from _guarded("staging", doctor_state.staging)


def _guarded(what: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # the other checks still run
        yield what, False, f"could not be checked: {_message(error)}"


def repair(free: Collection[str] = ()) -> Iterator[Mended]:
    """Frees locks of dead runs, sets damaged files aside, removes leftovers and sockets of servers that do not answer, and makes
    pointer, history, folders, MLMD and MLflow consistent. What it cannot repair it reports (False) and continues.

    free: lines to free from a silent run, even if its scheduler runs.
    """
    try:
        paths.ensure()
    except errors.HomeError as error:
        yield False, str(error)
        return
    for mend in (*doctor_state.REPAIRS, *doctor_databases.REPAIRS):
        yield from _attempted("", mend)
    for line in model_registry.lines():
        for mend in (partial(doctor_line_repairs.free_lock, asked=line in free), *doctor_line_repairs.REPAIRS):
            failed = False
            for done, message in _attempted(f"{line}: ", partial(mend, line)):
                failed = failed or not done
                yield done, message
            if failed:
                break
    yield from _attempted("", doctor_state.clear_staging)


def _attempted(where: str, mend: Callable[[], Iterator[Mended]]) -> Iterator[Mended]:
    try:
        yield from mend()
    except Exception as error:  # the other repairs still run
        yield False, where + _message(error)


def _message(error: Exception) -> str:
    """The text of errors that are written for people; of others the type too."""
    plain = isinstance(error, (errors.HomeError, model_registry.RegistryError, OSError)) and str(error)
    return str(error) if plain else f"{type(error).__name__}: {error}"
