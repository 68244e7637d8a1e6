"""The DAG: its graph is the flow table, its form refuses what no run could use, its file imports no TensorFlow."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from airflow.sdk.exceptions import ParamValidationError
from conftest import REPOSITORY
from node_tasks import CLOSE, form, retrain_dag

from pipelines import config
from pipelines.flow import FLOW, NODES


@pytest.fixture(scope="module")
def dag():
    return retrain_dag("news_retrain", lines={})


def test_the_tasks_are_the_rows_of_the_flow_table_and_a_close(dag):
    assert list(dag.task_dict) == [node.name for node in FLOW] + [CLOSE]


@pytest.mark.parametrize("node", FLOW, ids=lambda node: node.name)
def test_a_task_has_the_edges_group_and_rule_of_its_row(dag, node):
    task = dag.get_task(node.name)
    assert task.upstream_task_ids == set(node.upstream)
    assert task.task_group.group_id == node.group
    assert task.trigger_rule == ("none_failed" if node.optional else "all_success")
    assert task.pool == ("heavy" if node.heavy else "default_pool")
    assert node.does in task.doc_md


def test_close_is_a_teardown_that_waits_for_every_node_and_can_fail_the_run(dag):
    close = dag.get_task(CLOSE)
    assert close.is_teardown and close.on_failure_fail_dagrun
    assert close.upstream_task_ids == set(NODES)


def test_every_task_has_a_time_limit_and_retries_with_back_off(dag):
    for task in dag.tasks:
        assert timedelta(0) < task.execution_timeout <= timedelta(hours=12)
        assert task.retries == 2
        assert task.retry_exponential_backoff > 1


def test_without_settings_the_dag_is_paused_and_about_the_demo(dag):
    assert dag.is_paused_upon_creation and not dag.catchup and dag.max_active_runs == 1
    assert dag.params["source"] == "demo"


def test_settings_give_the_schedule_and_the_defaults_of_the_form():
    schedule = {"cron": "30 4 * * 1", "timezone": "Europe/Berlin", "source": "/data/news", "preset": "bag", "seed": 7}
    dag = retrain_dag("x", lines={"news": {"schedule": schedule}})
    assert (dag.timetable.expression, str(dag.timetable.timezone)) == ("30 4 * * 1", "Europe/Berlin")
    assert not dag.is_paused_upon_creation
    assert (dag.params["source"], dag.params["model"], dag.params["seed"]) == ("/data/news", "bag", 7)


def test_a_scheduled_run_covers_an_interval(dag):
    from airflow.serialization.serialized_objects import DagSerialization

    stored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    info = stored.next_dagrun_info(last_automated_run_info=None)
    assert info.data_interval.end - info.data_interval.start == timedelta(days=1)
    assert info.run_after == info.data_interval.end


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source", ""),
        ("source", 3),
        ("source", "a\nb"),
        ("source", "x" * 1_000_000),
        ("window", "yesterday"),
        ("model", "../../etc/passwd"),
        ("model", 1),
        ("set", ["training.epochs"]),
        ("set", {"$(id)": 1}),
        ("set", {"training.epochs": {"a": 1}}),
        ("set", {"training.epochs": "x" * 1000}),
        ("seed", -1),
        ("seed", 1.5),
        ("seed", "1"),
        ("release", "now"),
        ("force", "true"),
    ],
)
def test_the_form_refuses_a_wrong_type_or_range(name, value):
    with pytest.raises(ParamValidationError):
        form({})[name].resolve(value)


def test_what_the_form_offers_a_request_accepts(dag):
    config.Request.from_json({name: value for name, value in dag.params.dump().items() if value is not None})


def test_every_field_of_the_form_is_explained():
    assert all(param.description and param.schema["title"] for param in form({}).values())


@pytest.mark.slow
def test_the_dag_file_parses_beside_a_tensorflow_that_cannot_be_imported(tmp_path):
    for name in ("tensorflow", "tfx", "tf_keras", "mlflow", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')")
    script = (
        "import sys; from pathlib import Path; from airflow.dag_processing.dagbag import BundleDagBag\n"
        f"path = Path({str(REPOSITORY / 'dags')!r})\n"
        "bag = BundleDagBag(path, bundle_path=path, bundle_name='dags-folder')\n"
        "print(bag.import_errors, sorted(bag.dags), [m for m in ('tensorflow', 'tfx', 'mlflow') if m in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(REPOSITORY)])}
    ended = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "{} ['news_retrain'] []"
