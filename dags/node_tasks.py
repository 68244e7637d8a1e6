"""Draws the table of `pipelines/flow.py` as Airflow tasks; each task runs one node behind the door.

Nothing here imports TensorFlow, not even indirectly: the node runs in the TFX environment, in a process of its own.
"""

import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow.exceptions import AirflowException
from airflow.sdk import DAG, BaseOperator, CronDataIntervalTimetable, Param, TaskGroup
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from pipelines import config, door
from pipelines.flow import FLOW, Node
from pipelines.presets import PRESETS
from pipelines.runs import run_id_from

CLOSE = "close"
HEAVY_POOL = "heavy"  # one slot, made by `pipelines.stack`: two trainings at once would only take turns
TIMEOUT, HEAVY_TIMEOUT = timedelta(hours=1), timedelta(hours=12)
RETRIES = {
    "retries": 2,
    "retry_delay": timedelta(seconds=15),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
}
DEFAULT_CRON = "0 3 * * *"
BAD_OUTCOMES = ("failed", "stopped", "locked")
# Runs that cover an interval of the time table; every other run is about the moment it was asked for.
_BY_INTERVAL = ("scheduled", "backfill")


class NodeOperator(BaseOperator):
    """Runs one node of a run behind the door and turns its exit code into a task state.

    0 done: the JSON result goes to XCom. 99: skipped. 2, 3, 4 (bad parameters, data stop, line locked): failed at once, with
    the reasons. Anything else is taken for infrastructure and retried.
    """

    template_fields = ()  # a user's parameter is data, never a template
    ui_color = "#e8f1fb"

    def __init__(self, *, node: str, **kwargs):
        super().__init__(**kwargs)
        self.node = node
        self._group: int | None = None

    def execute(self, context) -> dict:
        run = context["dag_run"]
        try:
            request = request_of(run, context["params"])
        except config.ConfigError as error:
            if self.node == CLOSE:  # a run that never opened has nothing to close
                raise AirflowSkipException(str(error)) from None
            raise AirflowFailException(str(error)) from None
        attempt = f"{run.clear_number or 0}.{context['ti'].try_number}"
        # `airflow dags test` runs every task in one process; under an executor no process lives as long as the run.
        owner = os.getpid() if os.environ.get("NEWSDESK_ONE_PROCESS") else None
        call = door.command(self.node, run_id_from(run.run_id), request, attempt, owner)
        self.log.info("Run folder: runs/%s", run_id_from(run.run_id))
        try:
            code, result = door.run(call, self.log.info, self._started)
        except KeyboardInterrupt:
            # Airflow would take it for a failed attempt, and try again.
            raise AirflowFailException(f"{self.node} was stopped by hand") from None
        return self.outcome(code, result)

    def outcome(self, code: int, result: Mapping[str, Any]) -> dict:
        """The result of a node that ended well; raises what Airflow understands for every other exit code."""
        headline = str(result.get("headline") or f"{self.node} ended with exit code {code} and gave no result")
        reasons = "".join(f"\n  - {reason}" for reason in result.get("reasons") or ())
        if code == door.DONE:
            ended = result.get("outcome") or {}
            if self.node == CLOSE and ended.get("state") in BAD_OUTCOMES:
                # A run that was marked as failed by hand ends in skipped tasks, which Airflow would call a success.
                reasons = "".join(f"\n  - {reason}" for reason in ended.get("reasons") or ())
                raise AirflowFailException(f"the run ended as {ended['state']}; the line is free again" + reasons)
            return dict(result)
        if code == door.SKIPPED:
            raise AirflowSkipException(headline)
        if code in (door.USAGE, door.STOPPED, door.LOCKED):
            raise AirflowFailException(headline + reasons)
        raise AirflowException(headline + reasons)

    def on_kill(self) -> None:
        if self._group:
            door.stop(self._group)

    def _started(self, group: int) -> None:
        self._group = group


def request_of(run, params: Mapping[str, Any]) -> dict:
    """What the door is asked for: the form's fields, and when and how the run came about.

    Raises:
        ConfigError: a parameter that no field knows, or a value that the form would have refused. Airflow itself lets
            unknown keys of a run's `conf` pass.
    """
    unknown = sorted(set(run.conf or {}) - set(FORM_FIELDS))
    if unknown:
        raise config.ConfigError(
            f"a run's parameters must be among {', '.join(FORM_FIELDS)}. Received: unknown={str(unknown)[:200]}"
        )
    kind = str(getattr(run.run_type, "value", run.run_type))
    by_interval = kind in _BY_INTERVAL and run.data_interval_end is not None
    asked = {name: params[name] for name in FORM_FIELDS if params.get(name) is not None}
    if kind == "backfill":
        asked.setdefault("release", "never")
    value = {
        **asked,
        "as_of": _utc(run.data_interval_end if by_interval else run.run_after),
        "trigger": kind,
        "interval": [_utc(run.data_interval_start), _utc(run.data_interval_end)] if by_interval else None,
    }
    config.Request.from_json(value)
    return value


def _utc(time: datetime) -> str:
    return config.parse_time(time.isoformat(), "time").isoformat(timespec="seconds")


def form(schedule: Mapping[str, Any]) -> dict[str, Param]:
    """The trigger form. schedule: the line's `[schedule]` table, which gives the defaults."""
    text = {"type": "string", "maxLength": 1024}
    return {
        "source": Param(
            schedule.get("source", "demo"),
            title="Source",
            description="`demo`, `tfds`, or the absolute path of a folder with CSV, TSV, JSONL or Parquet files.",
            **text,
            minLength=1,
            pattern=r"^[^\x00-\x1f\x7f]+$",
        ),
        "window": Param(
            schedule.get("window", "all"),
            title="Window",
            description="Dated folders to read: `all`, `last 30d`, or one day as `YYYY-MM-DD`.",
            **text,
            pattern=r"^(all|last \d{1,4}d|\d{4}-\d\d-\d\d)$",
        ),
        "model": Param(
            schedule.get("preset", "transformer"),
            title="Model",
            description="The preset to train.",
            type="string",
            enum=list(PRESETS),
        ),
        "set": Param(
            {},
            title="Overrides",
            description='Settings that differ from the preset, as JSON: `{"training.epochs": 2}`.',
            type="object",
            maxProperties=40,
            propertyNames={"pattern": r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$", "maxLength": 64},
            additionalProperties={"type": ["string", "number", "boolean"], "maxLength": 256},
        ),
        "seed": Param(
            schedule.get("seed", 1),
            title="Seed",
            description="Same seed, data and code: same model.",
            type="integer",
            minimum=0,
            maximum=2**31 - 1,
        ),
        "release": Param(
            None,
            title="Release",
            description="`auto` publishes a candidate that passes the gate, `hold` waits for a person, `never` only trains. "
            "Empty: as the line's settings say, else `auto`; a backfill never releases.",
            type=["null", "string"],
            enum=[None, *config.RELEASES],
        ),
        "force": Param(
            False,
            title="Force",
            description="Train again even if nothing changed since the last run.",
            type="boolean",
        ),
    }


FORM_FIELDS = tuple(form({}))


def build_tasks(flow: Iterable[Node] = FLOW, close: str = CLOSE) -> dict[str, NodeOperator]:
    """Makes the tasks of a flow in the DAG that is open now, and one teardown task that closes the run whatever happened.

    Returns the tasks by node name.
    """
    flow, groups, tasks = tuple(flow), {}, {}
    for node in flow:
        if node.group not in groups:
            groups[node.group] = TaskGroup(group_id=node.group, prefix_group_id=False)
        tasks[node.name] = NodeOperator(
            task_id=node.name,
            node=node.name,
            task_group=groups[node.group],
            # A node with an upstream that may be skipped runs without it, but never past a failed one.
            trigger_rule="none_failed" if node.optional else "all_success",
            execution_timeout=HEAVY_TIMEOUT if node.heavy else TIMEOUT,
            doc_md=node_doc(node),
            **({"pool": HEAVY_POOL} if node.heavy else {}),
        )
    for node in flow:
        for name in node.upstream:
            tasks[name] >> tasks[node.name]
    end = NodeOperator(
        task_id=close,
        node=close,
        execution_timeout=timedelta(minutes=5),
        doc_md="Writes how the run ended and gives the line back. Runs after every run, and is as red or green as the run is.",
    )
    # On every node, not on the last ones: a failure marks those as done while another branch still runs.
    list(tasks.values()) >> end.as_teardown(on_failure_fail_dagrun=True)
    return {**tasks, close: end}


def node_doc(node: Node) -> str:
    """Markdown shown beside a task."""
    lines = [f"**{node.name}** {node.does}.", ""]
    if node.upstream:
        lines.append(
            "- reads: " + ", ".join(f"{n} (may be skipped)" if n in node.optional else n for n in node.upstream)
        )
    lines.append("- result reused when nothing changed" if node.cached else "- runs every time")
    if node.heavy:
        lines.append("- uses the whole machine, one at a time")
    if node.blessed:
        lines.append("- skipped unless the model gate blessed the candidate")
    return "\n".join(lines)


def dag_doc(flow: Iterable[Node] = FLOW) -> str:
    """Markdown shown on the DAG's page: the flow table."""
    rows = "\n".join(f"| {node.group} | {node.name} | {node.does} |" for node in flow)
    return (
        "Retrains a news classifier and releases it only if it has earned it. A refused candidate is a green run with skipped "
        "release tasks; the reasons stand in ModelGate's log and in `runs/<run>/outcome.json`.\n\n"
        f"| group | node | does |\n|---|---|---|\n{rows}\n"
    )


def retrain_dag(dag_id: str, lines: Mapping[str, Any] | None = None, flow: Iterable[Node] = FLOW) -> DAG:
    """The retraining DAG. lines: `newsdesk.toml` as `config.settings()` gives it; None reads it.

    Raises:
        ConfigError: `newsdesk.toml` cannot be read; Airflow shows it as the file's import error.
    """
    flow = tuple(flow)
    lines = config.settings() if lines is None else lines
    line = config.scheduled_line(lines)
    schedule = lines.get(line, {}).get("schedule", {})
    with DAG(
        dag_id=dag_id,
        dag_display_name=dag_id,
        description=f"Retrains the line {line!r} and releases what passes the gate",
        doc_md=dag_doc(flow),
        schedule=CronDataIntervalTimetable(schedule.get("cron", DEFAULT_CRON), schedule.get("timezone", "UTC")),
        start_date=datetime.fromisoformat("2024-01-01T00:00:00+00:00"),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=not schedule,
        params=form(schedule),
        default_args=RETRIES,
        tags=["newsdesk", line],
        render_template_as_native_obj=False,
    ) as dag:
        build_tasks(flow)
    return dag
