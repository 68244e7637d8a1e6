"""The retraining DAG of a line: when it runs, with which form, and what it tells when it has run."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from airflow.sdk import (
    DAG,
    AssetOrTimeSchedule,
    AssetWatcher,
    CronDataIntervalTimetable,
    DeadlineAlert,
    DeadlineReference,
    SyncCallback,
)

from components.data import sources
from newsdesk_dags.asset_watcher import SpanTrigger
from newsdesk_dags.node_operator import CLOSE, RETRIES, build_tasks
from newsdesk_dags.notifications import CHAMPIONS, asset, ended, late, registered
from newsdesk_dags.release_approval import approval_task
from newsdesk_dags.run_form import form, line_of, request_of
from pipelines.airflow_stack import assets
from pipelines.config import run_config
from pipelines.config.settings import Schedule
from pipelines.flow import FLOW

ACTIVE_RUNS = 16  # of a DAG; what comes while so many wait starts when one of them has ended


def retrain_dag(dag_id: str, lines: Mapping[str, Any], line: str) -> DAG:
    """The retraining DAG of a line. lines: `newsdesk.toml` as `run_config.settings()` gives it.

    `news_retrain` takes any source: its own works for its line, any other decides on the line. Every other DAG works for its line alone.

    Raises:
        ConfigError: a wrong value in `newsdesk.toml`; Airflow shows it as the file's import error.
    """
    notify = run_config.section(lines, line, "notify")
    planned = run_config.section(lines, line, "schedule")
    own = planned.source if dag_id == "news_retrain" else ""
    with DAG(
        dag_id=dag_id,
        dag_display_name=dag_id,
        description=f"Retrains the line {line!r} and releases what passes the gate",
        doc_md=dag_doc(),
        schedule=schedule(line, planned if "schedule" in lines.get(line, {}) else None),
        start_date=datetime.fromisoformat("2024-01-01T00:00:00+00:00"),
        catchup=False,
        # One run at a time works on the line; the others wait for it, or for a person, and take no worker.
        max_active_runs=ACTIVE_RUNS,
        is_paused_upon_creation=False,  # what has no schedule starts nothing by itself, and a run by hand does not wait
        params=form(planned),
        default_args=RETRIES,
        deadline=deadline(line, notify.deadline_hours),
        tags=["newsdesk", line],
        render_template_as_native_obj=False,
    ) as dag:
        tasks = build_tasks(
            FLOW,
            request=partial(request_of, line=line, own=own),
            line=line_of,
            more={
                "Champion": {"inlets": [asset(assets.champion_name(line))]},
                "Registrar": {"outlets": [CHAMPIONS], "then": registered},
                CLOSE: {"then": ended},
            },
        )
        tasks[CLOSE] >> approval_task(run_config.section(lines, line, "approval"))
    return dag


def schedule(line: str, planned: Schedule | None) -> AssetOrTimeSchedule | list:
    """By the clock, or when labelled rows arrive. A source that is a folder is watched, the demo's too.

    planned: None for no clock.
    """
    plan = planned or Schedule(source="demo" if line == run_config.DEMO_LINE else "")
    folder, watchers = sources.folder_of(plan.source), []
    if folder is not None and folder.is_absolute():
        watchers = [AssetWatcher(name=f"{line}.spans", trigger=SpanTrigger(line, str(folder), timezone=plan.timezone))]
    labelled = asset(assets.data_name(line), watchers=watchers)
    if planned is None:
        return [labelled]
    return AssetOrTimeSchedule(timetable=CronDataIntervalTimetable(plan.cron, plan.timezone), assets=[labelled])


def deadline(line: str, hours: float) -> DeadlineAlert | None:
    """Tells that a run takes longer than so many hours, its waiting included; 0 for never."""
    if not hours:
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=hours),
        callback=SyncCallback(late, kwargs={"line": line, "hours": hours}),
        name=f"{line} is late",
    )


def dag_doc() -> str:
    """Markdown shown on the DAG's page: the flow table."""
    rows = "\n".join(f"| {node.group} | {node.name} | {node.does} |" for node in FLOW)
    return (
        "Retrains a news classifier and releases it only if it passes its gates. It runs by the clock, and when a finished dated "
        "folder arrives in the source. A refused candidate is a green run with skipped release tasks; the reasons stand in "
        "ModelGate's log and in `runs/<run>/outcome.json`. With `release=hold` the last task asks a person. A backfill over past intervals "
        "trains what would have been trained then, and releases nothing.\n\n"
        f"| group | node | does |\n|---|---|---|\n{rows}\n"
    )
