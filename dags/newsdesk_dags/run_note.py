"""What Airflow itself shows of how a run ended: a note on the run, and a link to its report on every task."""

import logging
import os
import urllib.parse
from collections.abc import Mapping
from typing import Any

from airflow.sdk.bases.operatorlink import BaseOperatorLink

from pipelines.airflow_stack.rest_client import Rest, RestError
from pipelines.reports import status as status_line

log = logging.getLogger("airflow.task")
REASONS = 3  # in a note; the report has all


class RunReport(BaseOperatorLink):
    """The button *Run report* on a task that has ended: the run's report within Airflow's UI."""

    name = "Run report"

    def get_link(self, operator, *, ti_key) -> str:
        return report(ti_key.dag_id, ti_key.run_id)


def report(dag_id: str, run_id: str) -> str:
    """The address of a run's report."""
    return f"{page(dag_id, run_id)}/plugin/newsdesk-run"


def page(dag_id: str, run_id: str) -> str:
    """The address of a run in Airflow's UI."""
    return f"{_base()}/dags/{dag_id}/runs/{urllib.parse.quote(run_id, safe='')}"


def text(line: str, outcome: Mapping[str, Any]) -> str:
    """A run's verdict, its first reasons, and what serves now, as Markdown."""
    version, reasons = outcome.get("version"), [str(reason) for reason in outcome.get("reasons") or ()]
    head = f"**{outcome['state']}**" + (f" as version {version} of {line}" if version is not None else f" ({line})")
    more = [f"- and {len(reasons) - REASONS} more, see the run report"] if len(reasons) > REASONS else []
    return "\n".join(
        [head, "", *(f"- {reason[:200]}" for reason in reasons[:REASONS]), *more, "", status_line.text(line)]
    )


def write(run, note: str) -> None:
    """Puts the note on a run through Airflow's REST API. Never raises: where nobody answers (`airflow dags test`), the log says so."""
    try:
        if base := _base():
            Rest(base).note(run.dag_id, run.run_id, note)
    except (RestError, OSError, ValueError, KeyError) as error:
        log.warning("The run has no note: %s", error)


def _base() -> str:
    return os.environ.get("AIRFLOW__API__BASE_URL", "").rstrip("/")
