"""The last task of a retraining run: where the run's `release` is `hold`, a person decides on the version that it published.

It starts after `close`: the line is free while it waits, and a person at a terminal may decide first (`newsdesk promote`, `reject`).
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.exceptions import AirflowException
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from components.core import fileio, paths, run_record
from components.core.records import RunRecord
from components.core.states import Release, RunState
from components.registry import model_registry
from newsdesk_dags import run_note
from newsdesk_dags.newsdesk_cli import newsdesk
from newsdesk_dags.notifications import CHAMPIONS, champion_changed, decided
from newsdesk_dags.release_request import user_of
from pipelines.config.approval_settings import ApprovalSettings
from pipelines.notifications.notices import APPROVAL_TASK
from pipelines.operations import rejection
from pipelines.reports import approval

APPROVE, REJECT = "Approve", "Reject"
TIMEOUT = timedelta(minutes=10)  # for asking, and for carrying the answer out


class ReleaseApproval(HITLOperator):
    """Skipped where the run held no version. Else it shows what the gate found, waits without a worker, and carries the answer out.

    Nobody approves a run of their own. Airflow refuses the answer of whoever is not named; this is checked again before the
    answer is carried out, and a wrong one makes the task ask again. Where nobody answers in time, the version is refused.
    """

    template_fields = ()  # the texts come from a run's files: data, never a template
    operator_extra_links = (run_note.RunReport(),)

    def __init__(self, *, settings: ApprovalSettings, **kwargs: Any):
        super().__init__(
            subject="Release the held version?",
            options=[APPROVE, REJECT],
            defaults=REJECT,
            response_timeout=timedelta(hours=settings.hours),
            execution_timeout=TIMEOUT,
            outlets=[CHAMPIONS],
            **kwargs,
        )
        self.settings = settings

    def execute(self, context: Any) -> Any:
        record, version = self._held(context)
        if os.environ.get("NEWSDESK_ONE_PROCESS"):
            raise AirflowSkipException(
                f"Nobody can approve under `airflow dags test`; run: newsdesk promote {version} --line {record.line} --reason …"
            )
        self._replay(record, version)
        asker = _asker(context)
        report = run_note.report(context["dag_run"].dag_id, context["dag_run"].run_id)
        self.subject, self.body = approval.question(record, version, asker, report)
        named = [name for name in self.settings.approvers if name != asker]
        if self.settings.approvers and not named:
            raise AirflowFailException(
                f"approvers of line {record.line} must name somebody besides who asked for the run. Received: {asker}. "
                f"newsdesk promote {version} --line {record.line} --reason … releases it"
            )
        self.assigned_users = [{"id": name, "name": name} for name in named] or None
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        answer = super().execute_complete(context, event)
        record, version = self._held(context)
        person = answer["responded_by_user"]
        if answer["chosen_options"] == [APPROVE]:
            self._check(person, _asker(context))
            self._promote(context, record, version, user_of(person))
        else:
            late = f"nobody answered within {self.settings.hours:g} hours"
            reason = f"rejected by {user_of(person)} in Airflow" if person else late
            self.log.info(
                newsdesk(["reject", str(version), f"--line={record.line}", f"--reason={reason}"], self.log.info)
            )
        decided(context, record)
        return answer

    def _held(self, context: Any) -> tuple[RunRecord, int]:
        """The run's record and the version it held.

        Raises:
            AirflowSkipException: there is nothing to decide (any more).
        """
        run = run_record.run_of(context["dag_run"].dag_id, context["dag_run"].run_id)
        record, release = run_record.load(run), fileio.read_json(paths.run_dir(run) / "release.json") or {}
        if record.config.release != Release.HOLD or release.get("state") not in (RunState.HELD, RunState.REFUSED):
            raise AirflowSkipException("the run held no version")
        version = release["version"]
        card = model_registry.card(record.line, version) or {}
        if rejection.is_rejected(card):
            raise AirflowSkipException(f"version {version} was rejected: {card['rejected']['reason']}")
        if who := rejection.served_since(record.line, version):
            raise AirflowSkipException(f"version {version} was promoted by {who}")
        if release["state"] != RunState.HELD:
            raise AirflowSkipException("the run held no version")
        return record, version

    def _replay(self, record: RunRecord, version: int) -> None:
        """Asks the version what the champion was asked, where requests are logged; a failure is a line in the log, no reason to wait."""
        if record.champion and paths.requests_dir(record.line).is_dir():
            try:
                self.log.info(newsdesk(["replay", str(version), f"--line={record.line}"], self.log.info))
            except AirflowException as error:
                self.log.warning("The logged requests could not be replayed: %s", error)

    def _check(self, person: Mapping[str, str] | None, asker: str) -> None:
        """Raises AirflowException, which asks again, where this person may not approve."""
        names = {str(person.get(key)) for key in ("id", "name")} if person else set()
        if not names or asker in names:
            raise AirflowException(f"who asked for a run cannot approve it. Received: {asker}. The task asks again")
        if self.settings.approvers and not names & set(self.settings.approvers):
            raise AirflowException(
                f"approvers are {', '.join(self.settings.approvers)}. Received: {user_of(person)}. The task asks again"
            )

    def _promote(self, context: Any, record: RunRecord, version: int, by: str) -> None:
        """Makes the version serve, if the champion is still the one that it was compared with."""
        line, pointer = record.line, model_registry.champion(record.line)
        judged, now = (each["event"]["sequence"] if each else 0 for each in (record.champion, pointer))
        if judged != now:
            raise AirflowFailException(
                f"version {version} was compared with the champion of move {judged}, and line {line} is at move {now}: nothing "
                f"was released. `newsdesk compare {version} {pointer['version']} --line {line}` compares it with what serves now; "
                f"`newsdesk promote {version} --line {line} --reason …` releases it"
            )
        asker = _asker(context)
        reason = f"approved by {by}" + (f", asked for by {asker}" if asker else "")
        words = ["promote", str(version), f"--after={judged}", f"--line={line}", f"--reason={reason}"]
        self.log.info(newsdesk(words, self.log.info))
        champion_changed(context["outlet_events"], line, record.run)


def approval_task(settings: ApprovalSettings) -> ReleaseApproval:
    """The task, for the DAG that is open now."""
    return ReleaseApproval(
        task_id=APPROVAL_TASK,
        task_display_name=f"{APPROVAL_TASK}: ask a person, with release=hold",
        settings=settings,
        # Airflow fails a task whose answer comes before its scheduler has seen that the task waits: then it asks once more.
        retries=3,
        retry_delay=timedelta(seconds=5),
        retry_exponential_backoff=0,
        doc_md=f"Skipped unless the run held a version. Waits {settings.hours:g} hours for a person other than who asked for the "
        "run, then refuses the version. Carries the answer out: `newsdesk promote` or `newsdesk reject`.",
    )


def _asker(context: Any) -> str:
    """Who asked for the run; empty where a clock or an event started it."""
    name = getattr(context["dag_run"], "triggering_user_name", None)
    return user_of(name) if name else ""
