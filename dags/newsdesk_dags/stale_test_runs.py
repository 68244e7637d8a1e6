"""Ends runs of `airflow dags test` whose process died: `python dags/newsdesk_dags/stale_test_runs.py`, while no such test runs.

Such a run stays "running" in Airflow's database for ever and counts among its DAG's active runs, of which there may be only so many.
"""

from datetime import datetime, timezone


def end_stale_runs() -> int:
    """Marks them and their unfinished tasks as failed; returns how many runs there were."""
    from airflow.models import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState, State, TaskInstanceState
    from airflow.utils.types import DagRunTriggeredByType
    from sqlalchemy import select

    stale = (
        DagRun.triggered_by == DagRunTriggeredByType.TEST,
        DagRun.state.in_((DagRunState.RUNNING, DagRunState.QUEUED)),
    )
    with create_session() as session:
        runs = session.scalars(select(DagRun).where(*stale)).all()
        for run in runs:
            for task in run.get_task_instances(session=session):
                if task.state not in State.finished:
                    task.state, task.end_date = TaskInstanceState.FAILED, datetime.now(timezone.utc)
            run.set_state(DagRunState.FAILED)
        return len(runs)


if __name__ == "__main__":
    print(f"{end_stale_runs()} runs ended")
