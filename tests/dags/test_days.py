"""Which dated folders a run reads: a week of daily runs at midnight in a schedule's own timezone, through the DAG's time table,
its request and the run's record; and which line the run works for."""

from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from airflow.serialization.serialized_objects import DagSerialization
from newsdesk_dags.retrain_dag import retrain_dag

from components.core import fileio, paths
from components.networks import encoder_content
from pipelines.config import run_config
from pipelines.config.lines import retrain_dags
from pipelines.runner import node_code, runs

# A day before a week in which the clocks change (Auckland on 2026-09-27, Vienna on 2026-10-25, New York on 2026-11-01).
WEEKS = {
    "UTC": date(2026, 9, 24),
    "Pacific/Auckland": date(2026, 9, 24),
    "Asia/Kathmandu": date(2026, 9, 24),
    "Europe/Vienna": date(2026, 10, 22),
    "America/New_York": date(2026, 10, 29),
}


def settings(source, cron, zone, line="news"):
    paths.ensure()
    schedule = f'preset = "bag"\ncron = "{cron}"\ntimezone = "{zone}"\nsource = "{source}"\nwindow = "last 1d"\n'
    fileio.write_text(paths.home() / "newsdesk.toml", f"[{line}.schedule]\n{schedule}")
    return run_config.settings()


def folders(source, first, days):
    for number in range(days):
        folder = source / f"{first + timedelta(number)}"
        folder.mkdir(parents=True)
        (folder / "train.csv").write_text('"1","a","b"\n')
        (folder / "_SUCCESS").touch()


def asked(dag, info, kind):
    run = SimpleNamespace(
        conf={}, run_type=kind, run_after=info.run_after,
        data_interval_start=info.data_interval.start, data_interval_end=info.data_interval.end,
    )  # fmt: skip
    return dag.get_task("Ingester").request(run, dag.params.dump())


def read(name, request):
    """The days of the folders that a run reads."""
    record = runs.open_run(name, run_config.Request.from_json(request))
    runs.close_run(name)
    return [file["span"] for file in record["files"]]


@pytest.mark.parametrize("kind", ["scheduled", "backfill"])
@pytest.mark.parametrize("zone", WEEKS)
def test_a_nightly_run_reads_the_day_that_has_just_ended_where_the_schedule_lives(tmp_path, zone, kind, monkeypatch):
    monkeypatch.setattr(node_code, "snapshot", dict)
    monkeypatch.setattr(encoder_content, "resolve", lambda *networks: {})  # encoders are installed beside TFX
    first = WEEKS[zone]
    folders(tmp_path / "s", first - timedelta(1), 11)
    dag = retrain_dag("news_retrain", settings(tmp_path / "s", "0 0 * * *", zone), "news")
    stored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    start = datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(zone)).astimezone(timezone.utc)
    infos = list(stored.iter_dagrun_infos_between(start, start + timedelta(6, hours=12)))
    assert len(infos) == 7
    for number, info in enumerate(infos):
        days = read(f"run-{number}", asked(dag, info, kind))
        print(f"{zone:17} {info.data_interval.start:%d %H:%MZ} to {info.data_interval.end:%d %H:%MZ} reads {days}")
        assert days == [str(first + timedelta(number))]


@pytest.mark.parametrize(("zone", "day"), [("UTC", "2026-11-23"), ("Pacific/Auckland", "2026-11-24")])
def test_a_run_by_hand_reads_up_to_today_where_the_schedule_lives(tmp_path, zone, day, monkeypatch):
    monkeypatch.setattr(node_code, "snapshot", dict)
    monkeypatch.setattr(encoder_content, "resolve", lambda *networks: {})  # encoders are installed beside TFX
    folders(tmp_path / "s", date(2026, 11, 22), 4)
    dag = retrain_dag("news_retrain", settings(tmp_path / "s", "0 3 * * *", zone), "news")
    run = SimpleNamespace(
        conf={}, run_type="manual", run_after=datetime(2026, 11, 23, 20, tzinfo=timezone.utc),
        data_interval_start=None, data_interval_end=None,
    )  # fmt: skip
    assert read("r", dag.get_task("Ingester").request(run, dag.params.dump())) == [day]


def test_a_line_s_dag_works_for_its_line_on_its_own_source_whatever_other_line_reads_it(tmp_path):
    source = tmp_path / "s"
    folders(source, date(2026, 11, 20), 1)
    (tmp_path / "link").symlink_to(source)
    lines = {"sports": {"schedule": {"source": str(source)}}, "news": {"schedule": {"source": f"{tmp_path}/link"}}}
    run = SimpleNamespace(conf={}, run_type="manual", run_after=datetime(2026, 11, 23, tzinfo=timezone.utc))
    for name, line in retrain_dags(lines).items():
        dag = retrain_dag(name, lines, line)
        request = run_config.Request.from_json(dag.get_task("Ingester").request(run, dag.params.dump()))
        assert (request.line, run_config.resolve(request, lines).line) == (line, line)


def test_another_source_given_to_the_first_dag_decides_on_the_line():
    lines = {"news": {"schedule": {"source": "/data/news"}}, "sports": {"schedule": {"source": "/data/sports"}}}
    dag = retrain_dag("news_retrain", lines, "news")
    run = SimpleNamespace(conf={}, run_type="manual", run_after=datetime(2026, 11, 23, tzinfo=timezone.utc))
    for source, line in (
        ("/data/sports/", "sports"),
        ("/data/news/", "news"),
        ("/data/x", "news"),
        ("demo", "news-demo"),
    ):
        request = dag.get_task("Ingester").request(run, {**dag.params.dump(), "source": source})
        assert run_config.resolve(run_config.Request.from_json(request), lines).line == line


def test_a_run_that_waited_for_another_one_reads_what_arrived_until_it_began():
    """Airflow keeps one queued event for each asset, with the time of the first."""
    first = datetime(2026, 11, 23, 23, 59, tzinfo=timezone.utc)
    dag = retrain_dag("news_retrain", {"news": {"schedule": {"source": "/data/news"}}}, "news")
    run = SimpleNamespace(
        conf={}, run_type="asset_triggered", run_after=first, start_date=first + timedelta(hours=2),
        data_interval_start=None, data_interval_end=None,
    )  # fmt: skip
    assert dag.get_task("Ingester").request(run, dag.params.dump())["as_of"] == "2026-11-24T01:59:00+00:00"
