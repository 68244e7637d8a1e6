"""Asset events that arrive while a run is on, through Airflow's own asset manager and scheduler on a database of its own
(apache/airflow#56050: such events were lost while `max_active_runs` was used up)."""

from datetime import datetime, timedelta, timezone

import pytest
from airflow import settings
from airflow.assets.manager import AssetManager
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.asset import AssetDagRunQueue, AssetModel
from airflow.models.base import Base
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.db import synchronize_log_template
from airflow.utils.sqlalchemy import prohibit_commit
from newsdesk_dags.retrain_dag import ACTIVE_RUNS, retrain_dag
from newsdesk_dags.run_form import request_of
from sqlalchemy import select

BUNDLE = "dags-folder"


@pytest.fixture
def dag(request, monkeypatch):
    """With a parameter: so many active runs at most."""
    monkeypatch.setattr("newsdesk_dags.retrain_dag.ACTIVE_RUNS", getattr(request, "param", ACTIVE_RUNS))
    return retrain_dag("news_retrain", {}, "news-demo")


@pytest.fixture
def session(dag):
    Base.metadata.create_all(settings.engine)
    with settings.Session() as opened:
        synchronize_log_template(session=opened)
        opened.add(DagBundleModel(name=BUNDLE))
        opened.flush()
        lazy = LazyDeserializedDAG.from_dag(dag)
        SerializedDAG.bulk_write_to_db(BUNDLE, None, [lazy], session=opened)
        SerializedDagModel.write_dag(lazy, bundle_name=BUNDLE, session=opened)
        opened.commit()
        yield opened
    Base.metadata.drop_all(settings.engine)


def labelled(session):
    """Says that labelled rows have come, as the watcher and REST do."""
    asset = session.scalar(select(AssetModel).where(AssetModel.name == "news-demo.data"))
    AssetManager().register_asset_change(asset=asset, session=session)
    session.commit()


def scheduled(session):
    """What the scheduler's loop does about new runs; returns all of the DAG's, oldest first."""
    scheduler = SchedulerJobRunner(job=Job())
    with prohibit_commit(session) as guard:
        scheduler._create_dagruns_for_dags(guard, session)
    model = session.get(DagModel, "news_retrain")
    scheduler._set_exceeds_max_active_runs(dag_model=model, session=session)
    session.commit()
    return session.scalars(select(DagRun).order_by(DagRun.id)).all()


def test_labels_that_come_while_a_run_is_on_start_another_one_which_waits_for_its_turn(session):
    labelled(session)
    (first,) = scheduled(session)
    first.state = "running"
    session.commit()
    labelled(session)
    _, second = scheduled(session)
    assert (second.run_type, second.state) == ("asset_triggered", "queued")
    assert session.scalar(select(AssetDagRunQueue)) is None


@pytest.mark.parametrize("dag", [1], indirect=True)
def test_labels_that_come_while_no_more_runs_may_be_active_start_one_when_that_has_changed(session):
    labelled(session)
    (first,) = scheduled(session)
    first.state = "running"
    session.commit()
    for _ in range(2):
        labelled(session)
        assert scheduled(session) == [first]
    assert session.scalar(select(AssetDagRunQueue)) is not None
    first.state = "success"
    session.commit()
    scheduled(session)  # Airflow counts the active runs again
    _, second = scheduled(session)
    assert (second.run_type, second.state) == ("asset_triggered", "queued")
    second.state = "success"
    session.commit()
    assert len(scheduled(session)) == 2  # one run answers both


def test_the_run_that_waited_reads_up_to_its_own_beginning(session, dag):
    labelled(session)
    (run,) = scheduled(session)
    run.start_date = run.run_after + timedelta(days=1)
    asked = request_of(run, dag.params.dump(), "news-demo")
    assert datetime.fromisoformat(asked["as_of"]) == run.start_date.replace(microsecond=0).astimezone(timezone.utc)
