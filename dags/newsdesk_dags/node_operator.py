"""Draws a flow table as Airflow tasks; each task runs one node in a process of the other environment.

Nothing here imports TensorFlow, not even indirectly: the node runs in the TFX environment, in a process of its own.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta, timezone
from typing import Any

from airflow.exceptions import AirflowException
from airflow.sdk import BaseOperator, TaskGroup
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from components.core import line_queue, paths, progress
from components.core.run_record import run_of
from components.core.states import ExitCode, NodeState, is_bad
from newsdesk_dags import graph
from newsdesk_dags.line_trigger import LineTrigger
from newsdesk_dags.lost_runs import lost
from newsdesk_dags.run_form import request_of
from newsdesk_dags.run_note import RunReport
from pipelines.airflow_stack.airflow_settings import HEAVY_POOL, TRAINING_QUEUE
from pipelines.config import run_config
from pipelines.flow import FLOW, Node
from pipelines.runner import node_process

CLOSE = "close"
TIMEOUT, HEAVY_TIMEOUT = timedelta(hours=1), timedelta(hours=12)
RETRIES = {
    "retries": 2,
    "retry_delay": timedelta(seconds=15),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
}
ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}  # a task in one of these does nothing more


class NodeOperator(BaseOperator):
    """Runs one node of a run in a process of the other environment and turns its exit code into a task state.

    0 done: the JSON result goes to XCom. 99: skipped. 2, 3, 4 (bad parameters, data stop, line locked): failed at once, with
    the reasons. Anything else is taken for infrastructure and retried.

    request: makes the node's request from the run and its parameters; raises ConfigError. command: makes the argument list.
    then: called with context, request and result once the node has ended well. line: makes the line that a run works on from its
    folder's name and its request. Where it is given, a run waits until no other one holds the line, and takes no worker meanwhile.
    """

    template_fields = ()  # a user's parameter is data, never a template
    ui_color = "#e8f1fb"
    operator_extra_links = (RunReport(),)

    def __init__(
        self,
        *,
        node: str,
        request: Callable[..., dict] = request_of,
        command: Callable[..., list[str]] = node_process.command,
        then: Callable[[Any, dict, dict], None] | None = None,
        line: Callable[[str, dict], str] | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.node, self.request, self.command, self.then, self.line = node, request, command, then, line
        self._group: int | None = None

    def execute(self, context) -> dict:
        return self._run(context)

    def resume(self, context, event: Any = None) -> dict:
        """Tries again after having waited for the line."""
        return self._run(context)

    def _run(self, context) -> dict:
        run = context["dag_run"]
        try:
            request = self.request(run, context["params"])
        except run_config.ConfigError as error:
            # In `close` too: the run's colour is that of its teardown, and a skipped one would make it green.
            raise AirflowFailException(str(error)) from None
        attempt = f"{run.clear_number or 0}.{context['ti'].try_number}"
        # `airflow dags test` runs every task in one process; under an executor no process lives as long as the run.
        owner = os.getpid() if os.environ.get("NEWSDESK_ONE_PROCESS") else None
        run_id = run_of(run.dag_id, run.run_id)
        call, reports = self.command(self.node, run_id, request, attempt, owner), progress.file(run_id, self.node)
        line = self.line(run_id, request) if self.line and self.node != CLOSE and not owner else ""
        self.log.info("Run folder: runs/%s", run_id)
        while True:
            if line:
                self._wait_for(line, run_id, context)
            try:
                code, result = node_process.run(call, self.log.info, self._started, reports)
            except KeyboardInterrupt:
                # Airflow would take it for a failed attempt, and try again.
                raise AirflowFailException(f"{self.node} was stopped by hand") from None
            if not line or result.get("state") != NodeState.LOCKED:
                break
        if line:
            line_queue.leave(line, run_id)
            if self._nothing_follows(run_id, context):
                self.log.info("Nothing of this run follows: closing it again")
                node_process.run(node_process.command(CLOSE, run_id, {}), self.log.info)
        if code == ExitCode.DONE and self.then:
            self.then(context, request, result)
        return self.outcome(code, result)

    def _wait_for(self, line: str, run_id: str, context) -> None:
        """Defers the task while another run holds the line or has waited for it longer."""
        since = context["dag_run"].start_date.astimezone(timezone.utc).isoformat(timespec="microseconds")
        reason = line_queue.turn(line, run_id, since)
        if reason and self._close_lost(context):
            reason = line_queue.turn(line, run_id, since)
        if reason:
            self.log.info("Waiting: %s", reason)
            self.defer(trigger=LineTrigger(line, run_id, since), method_name="resume")

    def _nothing_follows(self, run_id: str, context) -> bool:
        """Whether the run was closed before and only tasks like this one were cleared, without what follows them."""
        if not (paths.run_dir(run_id) / "outcome.json").exists():
            return False
        run, own = context["dag_run"], {task.task_id for task in self.dag.tasks if isinstance(task, NodeOperator)}
        states = context["ti"].get_task_states(dag_id=run.dag_id, run_ids=[run.run_id]).get(run.run_id, {})
        return all(state in ENDED for task, state in states.items() if task in own - {self.task_id})

    def _close_lost(self, context) -> bool:
        """Closes the runs that hold a line although Airflow has ended or lost them; returns whether there were any."""
        runs = lost([context["dag_run"].dag_id], lambda **asked: context["ti"].get_dr_count(**asked))
        for run in runs:
            self.log.info("Run %s holds a line and is not open in Airflow: closing it", run)
            node_process.run(node_process.command(CLOSE, run, {}), self.log.info)
        return bool(runs)

    def outcome(self, code: int, result: Mapping[str, Any]) -> dict:
        """The result of a node that ended well; raises what Airflow understands for every other exit code."""
        headline = str(result.get("headline") or f"{self.node} ended with exit code {code} and gave no result")
        reasons = "".join(f"\n  - {reason}" for reason in result.get("reasons") or ())
        if code == ExitCode.DONE:
            ended = result.get("outcome") or {}
            if self.node == CLOSE and ended and is_bad(ended.get("state")):
                # A run that was marked as failed by hand ends in skipped tasks, which Airflow would call a success.
                reasons = "".join(f"\n  - {reason}" for reason in ended.get("reasons") or ())
                raise AirflowFailException(f"the run ended as {ended['state']}; the line is free again" + reasons)
            return dict(result)
        if code == ExitCode.SKIPPED:
            raise AirflowSkipException(headline)
        if code in (ExitCode.USAGE, ExitCode.STOPPED, ExitCode.LOCKED):
            raise AirflowFailException(headline + reasons)
        raise AirflowException(headline + reasons)

    def on_kill(self) -> None:
        if self._group:
            node_process.stop(self._group)

    def _started(self, group: int) -> None:
        self._group = group


def build_tasks(
    flow: Iterable[Node] = FLOW,
    close: str = CLOSE,
    more: Mapping[str, Mapping[str, Any]] | None = None,
    **common: Any,
) -> dict[str, NodeOperator]:
    """Makes the tasks of a flow in the DAG that is open now, and one teardown task that closes the run whatever happened.

    more: arguments of single tasks, by node name. common: arguments of all of them.
    Returns the tasks by node name.
    """
    flow, groups, tasks, more = tuple(flow), {}, {}, more or {}
    for node in flow:
        if node.group not in groups:
            groups[node.group] = TaskGroup(group_id=node.group, prefix_group_id=False)
        tasks[node.name] = NodeOperator(
            task_id=node.name,
            task_display_name=f"{node.name}: {node.title}" if node.title else node.name,
            node=node.name,
            task_group=groups[node.group],
            # A node with an upstream that may be skipped runs without it, but never past a failed one.
            trigger_rule="none_failed" if node.optional else "all_success",
            execution_timeout=HEAVY_TIMEOUT if node.heavy else TIMEOUT,
            doc_md=node_doc(node),
            **({"pool": HEAVY_POOL, "queue": TRAINING_QUEUE} if node.heavy else {}),
            **{**common, **more.get(node.name, {})},
        )
    edges = graph.direct(flow)
    for node in flow:
        for name in sorted(edges[node.name]):
            tasks[name] >> tasks[node.name]
    end = NodeOperator(
        task_id=close,
        task_display_name=f"{close}: write the outcome, free the line",
        node=close,
        execution_timeout=timedelta(minutes=5),
        doc_md="Records how the run ended and releases the line. Teardown task: always runs and mirrors the run's final state.",
        **{**common, **more.get(close, {})},
    )
    # Not on the last node alone: a failure marks that one as done while another branch still runs.
    [tasks[name] for name in graph.last(edges)] >> end.as_teardown(on_failure_fail_dagrun=True)
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
