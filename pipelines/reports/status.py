"""One line for the top of every page, for `make status`, `newsdesk models` and every notice: what serves, how the last run ended, and what is down since when with the command to mend it."""

from components.core import paths
from components.registry import model_registry
from components.registry.lost_champion import is_lost
from pipelines.airflow_stack import stack_state
from pipelines.reports import models_page, render


def status(line: str) -> dict:
    """`line`, `serves` and `last` as short texts, `run` of the last one (None without any), its `state`, and `down` (empty where all is up).

    Raises:
        ValueError: a line whose name is none.
    """
    paths.safe_name(line, "line")
    runs = models_page.latest_runs(line, 1)
    last = runs[0] if runs else None
    return {
        "line": line,
        "serves": serves(line),
        "run": last["run"] if last else None,
        "state": last["state"] if last else "",
        "last": f"last run {last['state']}, opened {render.time(last['when'])} UTC" if last else "no run yet",
        "down": stack_state.warning(),
    }


def status_of(line: str | None) -> dict:
    """The same for the page of a line, or of none: then of the line that comes first. A page is shown whatever the line's files hold."""
    try:
        known = models_page.lines()
        if line or known:
            return status(str(line or known[0]))
    except (OSError, ValueError):
        pass
    return {
        "line": "Newsdesk",
        "serves": serves(""),
        "run": None,
        "state": "",
        "last": "",
        "down": stack_state.warning(),
    }


def text(line: str) -> str:
    """The same as one line for a terminal or a message. Never raises: it stands beside what matters more."""
    found = status_of(line)
    return " ".join([f"{_short(found)}.", *filter(None, [found["down"]])])


def texts() -> list[str]:
    """One line for every line of models; what is down is named once, at the end."""
    found = [status_of(line) for line in models_page.lines()] or [status_of(None)]
    return [*map(_short, found), *filter(None, [stack_state.warning()])]


def _short(found: dict) -> str:
    return f"{found['line']}: {found['serves']}" + (f"; {found['last']}" if found["last"] else "")


def serves(line: str) -> str:
    """What answers now."""
    if not line:
        return "nothing serves yet: run `make retrain`"
    try:
        pointer = model_registry.champion(line)
        card = model_registry.card(line, pointer["version"]) if pointer else None
    except (model_registry.RegistryError, KeyError, TypeError, ValueError):
        return "the registry is damaged: run `newsdesk doctor --repair`"
    if not pointer:
        return "nothing serves yet: run `make retrain`"
    if is_lost(pointer):
        return f"version {pointer['version']} is recorded as lost: the next run is judged without it"
    accuracy = ((card or {}).get("metrics") or {}).get("accuracy")
    return f"version {pointer['version']} serves" + (f", accuracy {render.score(accuracy)}" if accuracy else "")
