"""The Airflow DAG `news_housekeeping`: what the retention policy would remove, and with `apply` its removal; and old champions."""

import json
from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, CronTriggerTimetable, Param, task
from airflow.sdk.exceptions import AirflowSkipException
from newsdesk_dags.form_parts import checked
from newsdesk_dags.newsdesk_cli import newsdesk
from newsdesk_dags.notifications import say

from components.registry import model_registry
from pipelines.config import run_config
from pipelines.notifications import notices

TIMEOUT = timedelta(hours=1)
FIELDS = {
    "apply": Param(
        False,
        title="Apply",
        description="Remove what the plan names. Without it, the plan is shown only.",
        section="Removal",
        type="boolean",
    )
}

with DAG(
    dag_id="news_housekeeping",
    description="Frees disk by the retention policy; reports old champions",
    doc_md="`plan` shows what `newsdesk clean` would remove by the policy of `newsdesk.toml` and how much that frees. `apply` removes it, "
    "where the parameter *apply* is on: a deleted model cannot be restored. `ages` sends a notice for each "
    "champion older than its line's `max_age_days`.",
    schedule=CronTriggerTimetable("0 5 * * 0", timezone="UTC"),
    start_date=datetime.fromisoformat("2024-01-01T00:00:00+00:00"),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    params=FIELDS,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=1), "execution_timeout": TIMEOUT},
    tags=["newsdesk"],
) as dag:

    @task(doc_md="`newsdesk clean --dry-run`: removes nothing.")
    def plan() -> dict:
        return _summary(["clean", "--dry-run", "--json"])

    @task(doc_md="`newsdesk clean --apply`, where the parameter *apply* is on; skipped otherwise.")
    def apply(params=None, dag_run=None) -> dict:
        if not checked(FIELDS, params, dag_run.conf)["apply"]:
            raise AirflowSkipException("apply is off: plan only")
        return _summary(["clean", "--apply", "--json"])

    @task(doc_md="A notice for each champion older than its line's `max_age_days`.")
    def ages() -> list[str]:
        lines, now, texts = run_config.settings(), datetime.now(timezone.utc), []
        for line in model_registry.lines():
            settings = run_config.section(lines, line, "notify")
            notice = notices.of_age(line, settings.max_age_days, now)
            if notice:
                texts.append(notice.text)
                print(notice.text)
                say(notice, settings)
        return texts

    def _summary(words: list[str]) -> dict:
        """Bytes and number of items by line; the whole output goes to the log."""
        text = newsdesk(words, print)
        print(text)
        value = json.loads(text)
        return {
            "applied": value["applied"],
            "bytes": value["bytes"],
            "lines": {part["line"]: len(part["remove"]) for part in value["lines"]},
        }

    plan() >> apply()
    ages()
