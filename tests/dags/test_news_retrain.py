"""The DAG: its graph is the flow table, its form refuses what no run could use, its file imports no TensorFlow."""

import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DagRunInfo
from conftest import REPOSITORY
from newsdesk_dags import graph, run_form
from newsdesk_dags.node_operator import CLOSE, NodeOperator
from newsdesk_dags.retrain_dag import retrain_dag
from newsdesk_dags.run_form import form, line_of

from pipelines.config import run_config
from pipelines.config.lines import retrain_dags
from pipelines.config.settings import Schedule
from pipelines.flow import FLOW
from pipelines.notifications.notices import APPROVAL_TASK


@pytest.fixture(scope="module")
def dag():
    return retrain_dag("news_retrain", {"news-demo": {"schedule": {}}}, "news-demo")


def test_the_tasks_are_the_rows_of_the_flow_table_a_close_and_the_question_to_a_person(dag):
    assert list(dag.task_dict) == [*(node.name for node in FLOW), CLOSE, APPROVAL_TASK]


@pytest.mark.parametrize("node", FLOW, ids=lambda node: node.name)
def test_a_task_has_the_edges_group_and_rule_of_its_row(dag, node):
    task = dag.get_task(node.name)
    assert task.upstream_task_ids == graph.direct(FLOW)[node.name]
    assert task.task_display_name == f"{node.name}: {node.title}" and node.title
    assert task.task_group.group_id == node.group
    assert task.trigger_rule == ("none_failed" if node.optional else "all_success")
    assert task.pool == ("heavy" if node.heavy else "default_pool")
    assert node.does in task.doc_md


def test_close_is_a_teardown_that_waits_for_every_node_and_can_fail_the_run(dag):
    close = dag.get_task(CLOSE)
    assert close.is_teardown and close.on_failure_fail_dagrun
    assert close.upstream_task_ids == set(graph.last(graph.direct(FLOW)))


def test_every_task_has_a_time_limit_and_retries_with_back_off(dag):
    for task in dag.tasks:
        assert timedelta(0) < task.execution_timeout <= timedelta(hours=12)
        assert task.retries >= 2
        assert task.retry_exponential_backoff > 1 or task.task_id == APPROVAL_TASK


def test_without_a_schedule_no_clock_starts_a_run_and_one_by_hand_does_not_wait():
    dag = retrain_dag("news_retrain", {}, "news-demo")
    stored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    assert stored.next_dagrun_info(last_automated_run_info=None) is None
    assert not dag.is_paused_upon_creation and not dag.catchup and dag.max_active_runs > 1
    assert dag.params["source"] == "demo"


def test_settings_give_the_schedule_and_the_defaults_of_the_form():
    schedule = {"cron": "30 4 * * 1", "timezone": "Europe/Berlin", "source": "/data/news", "preset": "bag", "seed": 7}
    dag = retrain_dag("x", {"news": {"schedule": schedule}}, "news")
    clock = dag.timetable.timetable
    assert (clock.expression, str(clock.timezone)) == ("30 4 * * 1", "Europe/Berlin")
    assert not dag.is_paused_upon_creation
    assert (dag.params["source"], dag.params["preset"], dag.params["seed"]) == ("/data/news", "bag", 7)


def test_a_scheduled_run_covers_an_interval(dag):
    stored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    info = stored.next_dagrun_info(last_automated_run_info=None)
    assert info.data_interval.end - info.data_interval.start == timedelta(days=1)
    assert info.run_after == info.data_interval.end


def test_after_thirty_missed_intervals_one_run_makes_up_for_all_of_them(dag):
    stored, now = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)), datetime.now(timezone.utc)
    first = stored.next_dagrun_info(last_automated_run_info=None)
    missed = first.data_interval.start - timedelta(days=30)
    before = DagRunInfo.interval(missed, missed + timedelta(days=1))
    one = stored.next_dagrun_info(last_automated_run_info=before)
    assert now - timedelta(days=1) <= one.run_after <= now
    assert stored.next_dagrun_info(last_automated_run_info=one).run_after > now
    assert not stored.catchup


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source", ""),
        ("source", 3),
        ("source", "a\nb"),
        ("source", "x" * 1_000_000),
        ("source", "/" + "x" * 1_000_000),
        ("window", "yesterday"),
        ("window", "all\n"),
        ("preset", "../../etc/passwd"),
        ("preset", 1),
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
        form(Schedule())[name].resolve(value)


def test_a_wrong_seed_is_shown_or_refused_and_never_turned_into_another_one(dag):
    schema = form(Schedule())["seed"].schema
    # Airflow's form has a number field, which corrects in silence, for one type, and a text field that turns red for several.
    assert (
        isinstance(schema["type"], list) and len(set(schema["type"]) - {"null"}) > 1 and "string" not in schema["type"]
    )
    stored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    for seed in ("abc", "-5", -5, 1.5, 2**31):
        with pytest.raises(ParamValidationError, match="seed"):  # as REST does with a run's `conf`
            stored.params.deep_merge({"seed": seed}).validate()
        run = SimpleNamespace(
            conf={"seed": seed}, run_type="manual", run_after=datetime.now(timezone.utc), data_interval_end=None
        )
        run.data_interval_start = None
        with pytest.raises(
            run_config.ConfigError, match=f"seed must be a whole number in 0..2147483647. Received: seed={seed!r}"
        ):
            run_form.request_of(run, {**dag.params.dump(), "seed": seed})
    stored.params.deep_merge({"seed": 7}).validate()


def test_what_the_form_offers_a_request_accepts(dag):
    run_config.Request.from_json({name: value for name, value in dag.params.dump().items() if value is not None})


def test_every_field_of_the_form_is_explained_and_has_its_section():
    fields = form(Schedule())
    assert all(
        (param.description or param.schema.get("description_md")) and param.schema["title"] for param in fields.values()
    )
    assert list(dict.fromkeys(param.schema["section"] for param in fields.values())) == [
        "Data",
        "Model",
        "Training",
        "Release",
    ]


def test_labelled_rows_start_a_run_as_well_as_the_clock():
    dag = retrain_dag("x", {"news": {"schedule": {"source": "/data/news"}}}, "news")
    (asset,) = dag.timetable.asset_condition.objects
    assert (asset.name, asset.uri) == ("news.data", "x-newsdesk://news/data")
    (watcher,) = asset.watchers
    assert watcher.trigger.serialize() == (
        "newsdesk_dags.asset_watcher.SpanTrigger",
        {"line": "news", "folder": "/data/news", "seconds": 10.0, "timezone": "UTC"},
    )


@pytest.mark.parametrize("lines", [{}, {"news-demo": {"schedule": {}}}], ids=["no schedule", "a schedule"])
def test_the_demo_line_waits_for_labels_in_the_demo_s_folder(lines, home):
    dag = retrain_dag("news_retrain", lines, "news-demo")
    (asset,) = dag.timetable.asset_condition.objects
    assert asset.name == "news-demo.data"
    assert [watcher.trigger.folder for watcher in asset.watchers] == [str(home / "demo")]


def test_a_source_that_is_no_folder_is_not_watched():
    dag = retrain_dag("x", {"news": {"schedule": {"source": "tfds"}}}, "news")
    assert [asset.watchers for asset in dag.timetable.asset_condition.objects] == [[]]


def test_the_registrar_may_emit_the_champion_and_the_champion_node_reads_it(dag):
    assert [alias.name for alias in dag.get_task("Registrar").outlets] == ["newsdesk.champions"]
    assert [asset.name for asset in dag.get_task("Champion").inlets] == ["news-demo.champion"]
    assert [task.task_id for task in dag.tasks if task.outlets] == ["Registrar", APPROVAL_TASK]


def test_a_run_is_late_after_the_hours_of_the_settings_and_never_without_them(dag):
    assert not dag.deadline
    (alert,) = retrain_dag("x", {"news": {"notify": {"deadline_hours": 6}}}, "news").deadline
    assert (alert.interval, alert.callback.path) == (timedelta(hours=6), "newsdesk_dags.notifications.late")
    assert alert.callback.kwargs == {"line": "news", "hours": 6}


def test_a_wrong_notify_setting_is_an_import_error_that_names_it():
    with pytest.raises(run_config.ConfigError, match="max_age_days"):
        retrain_dag("x", {"news": {"notify": {"max_age_days": -1}}}, "news")


def test_each_line_with_a_schedule_has_a_dag_of_its_own():
    sections = {"schedule": {"cron": "0 4 * * 1", "source": "/s", "preset": "bag"}}
    lines = {"sports": sections, "news": {"schedule": {"cron": "0 6 * * *", "source": "/n"}}, "quiet": {"gates": {}}}
    names = retrain_dags(lines)
    assert names == {"news_retrain": "news", "news_retrain_sports": "sports"}
    dags = {name: retrain_dag(name, lines, line) for name, line in names.items()}
    assert [dag.timetable.timetable.expression for dag in dags.values()] == ["0 6 * * *", "0 4 * * 1"]
    assert [dag.params["source"] for dag in dags.values()] == ["/n", "/s"]
    requests = [dag.get_task("Ingester").request.keywords for dag in dags.values()]
    assert requests == [{"line": "news", "own": "/n"}, {"line": "sports", "own": ""}]


def test_two_parses_give_the_same_serialised_dag():
    lines = {"news": {"schedule": {"source": "/data/news"}, "notify": {"deadline_hours": 6, "file": "notices.jsonl"}}}
    first, second = (
        json.dumps(DagSerialization.serialize_dag(retrain_dag("x", lines, "news")), sort_keys=True) for _ in range(2)
    )
    assert first == second


def test_every_node_of_a_run_waits_for_the_runs_line(dag):
    assert {task.line for task in dag.tasks if isinstance(task, NodeOperator)} == {line_of}


def test_a_dag_with_a_clock_and_an_asset_can_be_backfilled(dag):
    stored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    assert stored.timetable.periodic
    earliest, latest = (datetime(2026, 1, day, 3, tzinfo=timezone.utc) for day in (1, 3))
    days = [info.data_interval.start.day for info in stored.iter_dagrun_infos_between(earliest, latest)]
    assert days == [1, 2, 3]


@pytest.mark.slow
def test_the_dag_file_parses_beside_a_tensorflow_that_cannot_be_imported(tmp_path):
    for name in ("tensorflow", "tfx", "tf_keras", "mlflow", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')")
    script = (
        "import sys; from pathlib import Path; from airflow.dag_processing.dagbag import BundleDagBag\n"
        f"path = Path({str(REPOSITORY / 'dags')!r})\n"
        "bag = BundleDagBag(path, bundle_path=path, bundle_name='dags-folder')\n"
        "print(bag.import_errors, bag.captured_warnings, [m for m in ('tensorflow', 'tfx', 'mlflow') if m in sys.modules])\n"
        "print(sorted(bag.dags), all(dag.doc_md and all(task.doc_md for task in dag.tasks) for dag in bag.dags.values()))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(REPOSITORY)])}
    ended = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    problems, dags = ended.stdout.splitlines()[-2:]
    assert problems == "{} {} []"
    assert {"news_housekeeping", "news_release", "news_retrain"} <= set(re.findall(r"'(\w+)'", dags))
    assert dags.endswith("] True")
