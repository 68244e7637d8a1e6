"""The Airflow DAGs that look at recent articles: `news_monitor`, and one for each further line of `newsdesk.toml` that has a
`[<line>.monitor]`. They run by its cron, or on request."""

import json
from datetime import datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from newsdesk_dags.article_forms import monitor_form
from newsdesk_dags.form_parts import checked
from newsdesk_dags.newsdesk_cli import newsdesk
from newsdesk_dags.notifications import say

from pipelines.config import run_config
from pipelines.config.lines import monitor_dags
from pipelines.monitoring import drift_notices
from pipelines.notifications import notices

TIMEOUT = timedelta(hours=2)
# Warnings, and files that cannot be read: what one task hands to the next is a row in Airflow's database.
HANDED_ON = 100
DOC = """Scores a folder of recent articles with the champion (`newsdesk monitor`), keeps the predictions, sets words, lengths, answers and
confidence against the champion's train rows, and chooses the texts that a person should label. A batch that was scored by this
champion before is not scored again. Files: `monitor/<line>/` in NEWSDESK_HOME, the page `report.html` among them.

A drifted batch is a green run: `tell` names the rule, the limit and the value of each warning not yet reported (100 a run), and is
skipped without any. Files that cannot be read fail `read`, after all others were scored and reported. The labels that drift asks for come
back by `newsdesk label QUEUE.csv --into SOURCE`; the dated folder that this makes starts `news_retrain`.
"""


def monitor_dag(dag_id: str, lines: dict, line: str) -> DAG:
    """The monitoring DAG of a line. lines: `newsdesk.toml` as `run_config.settings()` gives it.

    Raises:
        ConfigError: a wrong value in `newsdesk.toml`; Airflow shows it as the file's import error.
    """
    settings, notify = run_config.section(lines, line, "monitor"), run_config.section(lines, line, "notify")
    fields = monitor_form(line, settings.folder, settings.window)
    with DAG(
        dag_id=dag_id,
        description=f"Looks at recent articles with the champion of the line {line!r}",
        doc_md=DOC,
        schedule=CronTriggerTimetable(settings.cron, timezone=settings.timezone) if settings.cron else None,
        start_date=datetime.fromisoformat("2024-01-01T00:00:00+00:00"),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        params=fields,
        default_args={"retries": 1, "retry_delay": timedelta(minutes=1), "execution_timeout": TIMEOUT},
        tags=["newsdesk", line],
        render_template_as_native_obj=False,
    ) as dag:

        @task(doc_md="`newsdesk monitor`: exit code 3, a file that cannot be read, fails at once.")
        def look(params=None, dag_run=None) -> dict:
            asked = checked(fields, params, dag_run.conf)
            words = ["monitor", asked["folder"], "--window", asked["window"], "--line", asked["line"], "--json"]
            result = json.loads(newsdesk(words, print, partly=True))
            if "batches" not in result:
                raise AirflowFailException("\n  ".join([result["headline"], *result["reasons"]]))
            print(result["headline"])
            unread, more = result["unread"][:HANDED_ON], len(result["unread"]) - HANDED_ON
            return {
                **{name: result[name] for name in ("headline", "report", "line")},
                "untold": result["untold"][:HANDED_ON],
                "unread": [*unread, f"and {more:,} more, in the log"] if more > 0 else unread,
            }

        @task(doc_md="Reports each new warning, in the log and as a notice; skipped without any.")
        def tell(result: dict) -> list[str]:
            if not result["untold"]:
                raise AirflowSkipException("no warning")
            warnings = [f"{warning['day']}: {warning['message']}" for warning in result["untold"]]
            text = "\n".join([f"{result['line']}: recent articles have drifted", *(f"- {each}" for each in warnings)])
            to_label = sum({warning["batch"]: warning["queue"] for warning in result["untold"]}.values())
            text += f"\n{to_label:,} texts to label; drift over time: {result['report']}"
            print(text)
            run = get_current_context()["dag_run"].run_id
            say(notices.Notice("drifted", result["line"], run, text), notify)
            # After the notice: a crash in between means one too many, not one too few.
            drift_notices.mark(result["line"], result["untold"], run)
            return warnings

        @task(doc_md="Fails where files could not be read; all others were scored.")
        def read(result: dict) -> None:
            if result["unread"]:
                raise AirflowFailException("\n  ".join(result["unread"]))

        result = look()
        tell(result)
        read(result)
    return dag


lines = run_config.settings()
dags = [monitor_dag(dag_id, lines, line) for dag_id, line in monitor_dags(lines).items()]
