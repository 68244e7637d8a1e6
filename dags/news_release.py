"""The Airflow DAG `news_release`: a person promotes, rolls back, pins or unpins a version, and another click approves it."""

from datetime import datetime, timedelta

from airflow.providers.standard.exceptions import HITLTimeoutError
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, ExceptionRetryPolicy, RetryAction, RetryRule, task
from airflow.sdk.exceptions import AirflowFailException
from newsdesk_dags.newsdesk_cli import newsdesk
from newsdesk_dags.notifications import CHAMPIONS, champion_changed
from newsdesk_dags.release_request import form, question, resolved, serving, user_of, words_of

from components.registry import model_registry
from pipelines.config import run_config

TIMEOUT = timedelta(minutes=10)
PATIENCE = timedelta(days=7)  # after which an unapproved request is rejected

with DAG(
    dag_id="news_release",
    description="A person promotes, rolls back, pins or unpins a version",
    doc_md="Moves the champion pointer, or pins a version, after a second look: the form says what and why, `approve` waits for "
    "a person (*Required actions* in the run), `do` calls `newsdesk promote`, `rollback`, `pin` or `unpin`. The history keeps the "
    "reason, who asked and who approved. Nothing happens where the pointer has moved in between. `airflow dags "
    "test` would wait for ever, because it has nobody to ask.",
    schedule=None,
    start_date=datetime.fromisoformat("2024-01-01T00:00:00+00:00"),
    catchup=False,
    max_active_runs=4,
    is_paused_upon_creation=False,
    params=form(run_config.scheduled_line(run_config.settings())),
    default_args={"retries": 0},  # a rollback that is tried again goes back twice
    tags=["newsdesk"],
    render_template_as_native_obj=False,
) as dag:

    @task(execution_timeout=TIMEOUT, doc_md="Is there such a version? Says what would change.")
    def check(params=None, dag_run=None) -> dict:
        try:
            asked = resolved(params, dag_run.conf)
        except (run_config.ConfigError, model_registry.RegistryError) as error:
            raise AirflowFailException(str(error)) from None
        by = user_of(dag_run.triggering_user_name)
        return {"asked": asked, "by": by, **question(asked, by)}

    approve = ApprovalOperator(
        task_id="approve",
        subject="{{ ti.xcom_pull(task_ids='check')['subject'] }}",
        body="{{ ti.xcom_pull(task_ids='check')['body'] }}",
        response_timeout=PATIENCE,
        # Airflow fails a task whose answer comes before its scheduler has seen that the task waits: then it asks once more.
        retries=2,
        retry_delay=timedelta(seconds=5),
        retry_policy=ExceptionRetryPolicy(rules=[RetryRule(exception=HITLTimeoutError, action=RetryAction.FAIL)]),
        doc_md="Waits for a person, a week at most. A rejection ends the run green, and nothing has changed.",
    )

    @task(
        execution_timeout=TIMEOUT,
        outlets=[CHAMPIONS],
        doc_md="Calls the command, with the reason, who asked and who approved.",
    )
    def do(ti=None, outlet_events=None) -> str:
        checked, answer = ti.xcom_pull(task_ids="check"), ti.xcom_pull(task_ids="approve")
        asked = checked["asked"]
        text = newsdesk(words_of(asked, checked["by"], user_of(answer["responded_by_user"])), print)
        print(text)
        if serving(asked["line"]) != asked["serves"]:
            card = model_registry.card(asked["line"], serving(asked["line"])) or {}
            champion_changed(outlet_events, asked["line"], card.get("run", ""))
        return text.strip()

    check() >> approve >> do()
