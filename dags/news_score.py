"""The Airflow DAG `news_score`: batch scoring of one file, `newsdesk predict --file` as a task."""

from datetime import datetime, timedelta

from airflow.sdk import DAG, task
from newsdesk_dags.article_forms import score_form
from newsdesk_dags.form_parts import checked
from newsdesk_dags.newsdesk_cli import newsdesk

from components.core import paths
from components.core.run_record import run_id_from
from pipelines.config import run_config

LINE = run_config.scheduled_line(run_config.settings())
FIELDS = score_form(LINE)

with DAG(
    dag_id="news_score",
    description="Scores a file of articles with the champion",
    doc_md="Scores a CSV, JSONL or Parquet file (`newsdesk predict --file`), one answer a row, in order. The answers lie in "
    "`scored/<run>/` in NEWSDESK_HOME, whole or not at all, and nowhere else: a form that names where to write could overwrite "
    "anything.",
    schedule=None,
    start_date=datetime.fromisoformat("2024-01-01T00:00:00+00:00"),
    catchup=False,
    max_active_runs=2,
    is_paused_upon_creation=False,
    params=FIELDS,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(hours=2)},
    tags=["newsdesk"],
    render_template_as_native_obj=False,
) as dag:

    @task(doc_md="`newsdesk predict --file … --output …`; returns where the answers lie.")
    def score(params=None, dag_run=None) -> str:
        asked = checked(FIELDS, params, dag_run.conf)
        folder = paths.scored_dir() / run_id_from(dag_run.run_id)
        folder.mkdir(parents=True, exist_ok=True)
        output = folder / f"answers.{asked['form']}"
        model = "@champion" if asked["version"] is None else str(asked["version"])
        words = [
            "predict",
            "--file",
            asked["file"],
            "--output",
            str(output),
            "--line",
            asked["line"],
            "--version",
            model,
        ]
        newsdesk([*words, "--json"] if asked["form"] == "json" else words, print)
        return str(output)

    score()
