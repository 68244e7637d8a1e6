"""What `make up` says at its end."""

import contextlib

from pipelines.airflow_stack import airflow_secrets, airflow_settings
from pipelines.airflow_stack.rest_client import Rest, RestError
from pipelines.airflow_stack.stack_health import address, log_file
from pipelines.config import run_config

DAG_ID = "news_retrain"


def show(started: bool) -> None:
    """Prints where Airflow and MLflow answer, how to log in, and what the schedule does. started: whether it was `make up` that started them."""
    print(
        f"""{"Airflow and MLflow are up." if started else "Airflow and MLflow were up already."}
  Airflow   {address()}   user {airflow_secrets.USER}, password {airflow_secrets.password()}
  MLflow    http://127.0.0.1:{airflow_settings.mlflow_port()}/#/experiments?workflowType=machine_learning
  logs      {log_file("scheduler").parent}
{_schedule_line()}
`make retrain` runs it once now; `make down` stops everything.""",
        flush=True,
    )


def _schedule_line() -> str:
    lines = run_config.settings()
    line = run_config.scheduled_line(lines)
    planned = "schedule" in lines.get(line, {})
    with contextlib.suppress(RestError):
        dag = Rest(address()).dag(DAG_ID)
        if not (dag and dag["is_paused"]):
            if not planned:
                return f"{DAG_ID} (line {line}) has no schedule: it runs when you start it. To schedule it, add [{line}.schedule] to newsdesk.toml."
            cron = run_config.section(lines, line, "schedule").cron
            return f"The schedule of {DAG_ID} is on ({cron}, line {line}); `make schedule-off` switches it off."
    if not planned:
        return f"{DAG_ID} is switched off: a run started in the browser waits until you run `make schedule-on`."
    return f"The schedule is off. Switch it on with `make schedule-on`, or with the toggle beside `{DAG_ID}` in the browser."
