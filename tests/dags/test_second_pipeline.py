"""A second pipeline of three nodes becomes a DAG by the same function: nothing in it knows the first one."""

import json
import sys
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization
from newsdesk_dags.node_operator import NodeOperator, build_tasks

from pipelines.flow import Node

WEATHER = (
    Node("Fetch", (), "input", "reads yesterday's temperatures", cached=False),
    Node("Clean", ("Fetch",), "input", "drops impossible ones"),
    Node("Forecast", ("Fetch", "Clean?"), "output", "guesses tomorrow's", heavy=True),
)
PROGRAM = (
    "import json, sys\n"
    "node, run, station = sys.argv[1:]\n"
    "print(json.dumps({'headline': f'{node} of {station} in {run}', 'state': 'done'}))\n"
    "sys.exit(99 if node == 'Clean' else 0)\n"
)


def command(node, run_id, request, attempt, owner):
    return [sys.executable, "-c", PROGRAM, node, run_id, request["station"]]


def request(run, params):
    return {"station": params["station"]}


@pytest.fixture(scope="module")
def dag():
    with DAG(dag_id="weather", schedule=None) as made:
        build_tasks(WEATHER, close="tidy", request=request, command=command, more={"Fetch": {"retries": 5}})
    return made


def test_its_tasks_edges_groups_and_rules_come_from_its_own_table(dag):
    assert list(dag.task_dict) == ["Fetch", "Clean", "Forecast", "tidy"]
    assert dag.get_task("Forecast").upstream_task_ids == {"Clean"}  # which waits for Fetch
    assert dag.get_task("Forecast").trigger_rule == "none_failed"
    assert [dag.get_task(name).pool for name in ("Clean", "Forecast")] == ["default_pool", "heavy"]
    assert dag.get_task("Clean").task_group.group_id == "input"
    assert dag.get_task("tidy").is_teardown
    assert [dag.get_task(name).retries for name in ("Fetch", "Clean")] == [5, 0]


def test_airflow_can_store_it(dag):
    stored = DagSerialization.deserialize_dag(json.loads(json.dumps(DagSerialization.serialize_dag(dag))))
    assert set(stored.task_dict) == set(dag.task_dict)


def test_its_nodes_run_behind_a_command_of_their_own_with_their_own_parameters(dag):
    run = SimpleNamespace(dag_id="news_retrain", run_id="r1", clear_number=0)
    context = {"dag_run": run, "params": {"station": "Vienna"}, "ti": SimpleNamespace(try_number=1)}
    said = {}
    for name in ("Fetch", "Clean", "Forecast"):
        try:
            said[name] = NodeOperator.execute.__wrapped__(dag.get_task(name), context)["headline"]
        except AirflowSkipException as skipped:
            said[name] = f"skipped: {skipped}"
    assert said == {
        "Fetch": "Fetch of Vienna in r1",
        "Clean": "skipped: Clean of Vienna in r1",
        "Forecast": "Forecast of Vienna in r1",
    }
