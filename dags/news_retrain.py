"""The Airflow DAG `news_retrain`: ingest, check, train, compare, release; scheduled by `newsdesk.toml`, paused without it."""

# Trap: Airflow opens only files in which the words "airflow" and "dag" both occur.
from node_tasks import retrain_dag

dag = retrain_dag("news_retrain")
