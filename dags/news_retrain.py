"""The Airflow DAGs that retrain: ingest, check, train, compare, release. `news_retrain`, and one for each further line of
`newsdesk.toml` that has a schedule. None is created paused: one without a schedule starts by hand, or when labelled rows arrive."""

# Trap: Airflow opens only files in which the words "airflow" and "dag" both occur.
from newsdesk_dags.retrain_dag import retrain_dag

from pipelines.config import run_config
from pipelines.config.lines import retrain_dags

lines = run_config.settings()
dags = [retrain_dag(dag_id, lines, line) for dag_id, line in retrain_dags(lines).items()]
