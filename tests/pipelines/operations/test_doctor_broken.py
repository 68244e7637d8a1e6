"""State folders that are broken in one way each: the doctor names the path, ends without a traceback, and mends what it says it mends."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple

import published
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from components.core import fileio, locks, paths
from components.registry import model_registry
from pipelines.airflow_stack import airflow_settings
from pipelines.cli import main
from pipelines.config import cron
from pipelines.operations import doctor, doctor_line, doctor_state
from pipelines.reports import model_card
from pipelines.runner import mlmd_store

LINE = published.LINE


@pytest.fixture(autouse=True)
def two(monkeypatch):
    """Two versions, the second serves; MLflow follows."""
    monkeypatch.setattr(doctor_line, "behind", lambda line: "")
    for run, kind in (("run-1", "good"), ("run-2", "shifted")):
        model_card.write(LINE, published.release(run, kind))
        card = fileio.read_json(paths.registry_dir(LINE) / f"versions/{run[-1]}.json")
        fileio.write_json(model_registry.origin_path(LINE, card["version"]), {"card": card})


def wrong():
    return {what: says for what, ok, says in doctor.findings() if not ok}


def toml(text):
    paths.ensure()
    (paths.home() / "newsdesk.toml").write_text(text)


def metadata(executions=3):
    mlmd_store.ensure()
    store = mlmd_store.connect()
    kind = store.put_execution_type(pb.ExecutionType(name="Trainer"))
    for number in store.put_executions([pb.Execution(type_id=kind) for _ in range(executions)]):
        (paths.artifacts_dir(LINE) / f"Trainer/model/{number}").mkdir(parents=True)


def cut(path):
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2)


def dead():
    gone = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    gone.communicate(b"\n")
    return {"pid": gone.pid, "started": "1"}


def truncated_metadata():
    metadata()
    cut(mlmd_store.database())


def lost_metadata():
    metadata()
    mlmd_store.database().unlink()


def restarted_metadata():
    metadata()
    (paths.artifacts_dir(LINE) / "Ingester/examples/40").mkdir(parents=True)


def truncated_mlflow():
    (paths.home() / "mlflow.db").write_bytes(b"SQLite format 3\0" + bytes(50))


def damaged_card():
    (paths.registry_dir(LINE) / "versions" / "1.json").write_text('{"version": 1, ')


def card_of_another_version():
    (paths.registry_dir(LINE) / "versions" / "1.json").write_text('{"version": 7}')


def damaged_lock():
    (paths.registry_dir(LINE) / "run.lock").write_text("{")


def damaged_history():
    path = paths.registry_dir(LINE) / "promotions.jsonl"
    path.write_text(path.read_text() + "{]\n")


def history_of_a_list():
    fileio.append_json(paths.registry_dir(LINE) / "promotions.jsonl", [])


def pointer_to_another_version():
    path = paths.registry_dir(LINE) / "champion.json"
    fileio.write_json(path, {**fileio.read_json(path), "version": 7})


def damaged_run():
    paths.ensure()
    (paths.run_dir("run-9")).mkdir(parents=True)
    (paths.run_dir("run-9") / "run.json").write_text("[")


def open_to_all():
    paths.home().chmod(0o755)
    (paths.registry_dir(LINE) / "champion.json").chmod(0o666)


MENDED = {
    truncated_metadata: ("ML Metadata", "metadata.sqlite cannot be read"),
    lost_metadata: ("ML Metadata", "metadata.sqlite is lost; a new one would reuse the ids of artifacts up to 3"),
    restarted_metadata: (
        "ML Metadata",
        "metadata.sqlite would give the next artifact id 4, but artifacts up to 40 exist",
    ),
    truncated_mlflow: ("MLflow", "mlflow.db cannot be read"),
    damaged_card: ("damaged file", "versions/1.json is damaged"),
    card_of_another_version: ("damaged file", "versions/1.json is damaged"),
    damaged_lock: ("damaged file", "run.lock is damaged"),
    damaged_history: ("champion of news", "promotions.jsonl"),
    history_of_a_list: ("champion of news", "promotions.jsonl"),
    pointer_to_another_version: ("champion of news", "champion.json"),
    damaged_run: ("damaged file", "runs/run-9/run.json is damaged"),
    open_to_all: ("permissions", "champion.json"),
}


@pytest.mark.parametrize("state", MENDED, ids=lambda state: state.__name__)
def test_what_is_broken_is_named_with_its_path_and_repair_leaves_nothing_of_it(state, capsys):
    state()
    what, says = MENDED[state]
    findings = wrong()
    assert says in findings[what]
    assert "--repair" in findings[what]
    report = list(doctor.repair())
    assert report and all(done for done, _ in report), report
    assert wrong() == {}
    assert list(doctor.repair()) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[news", "must be TOML"),
        ("[news.schedule]\ncorn = '0 3 * * *'", "unknown=['corn']"),
        ("[news.schedule]\ncron = 'every day'", "[news.schedule]: cron must be a cron expression"),
        ("[news.schedule]\ncron = 'every day'", "'every day' has 2 fields"),
        ("[news.monitor]\nfolder = '/in'\ncron = '0 25 * * *'", "[news.monitor]: cron must be a cron expression"),
        (
            "[news.schedule]\ntimezone = 'Mars/Olympus'",
            "[news.schedule]: timezone must be a name such as 'Europe/Vienna'",
        ),
        ("[news.gates]\nfloor = 2.0", "gates.floor must lie in 0..1"),
        ("['a b'.schedule]\nseed = 1", "line='a b'"),
    ],
)
def test_an_invalid_configuration_is_reported_first_with_its_path(text, says):
    toml(text)
    what, ok, report = next(iter(doctor.findings()))
    assert (what, ok) == ("configuration", False)
    assert says in report and str(paths.home() / "newsdesk.toml") in report


def test_every_fault_of_the_configuration_is_reported_at_once():
    toml("[news.schedule]\ncron = '99 * * * *'\n[news-demo.monitor]\nwindow = 'x'\n[news.retention]\nkeep = -1")
    assert [what for what, ok, _ in doctor.findings() if not ok] == ["configuration"] * 3


@pytest.mark.parametrize(
    "text",
    ["0 3 * * *", "*/15 8-18 * * mon-fri", "@daily", "0 0 1,15 jan-jun *", "0 0 * * 5#2", "0 0 l * *", "5 4 * * 7 30"],
)
def test_cron_expressions_that_airflow_takes_have_no_fault(text):
    assert cron.fault(text) == ""


@pytest.mark.parametrize(
    "text",
    ["", "every day", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "*/0 * * * *", "@noon", "a * * * *"],
)
def test_a_text_that_is_no_cron_expression_has_a_fault(text):
    assert cron.fault(text)


def test_a_disk_with_little_room_is_wrong(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10**6))
    assert f"{paths.home()} has 1 MB free" in wrong()["disk"]
    assert "newsdesk clean" in wrong()["disk"]


def test_a_lock_whose_scheduler_is_dead_is_wrong_although_its_run_is_open():
    locks.take_line(LINE, "run-3")
    fileio.write_json(paths.run_dir("run-3") / "run.json", {"run": "run-3", "config": {"line": LINE}})
    fileio.write_json(airflow_settings.airflow_home() / "stack.json", {"scheduler": dead()})
    findings = wrong()
    assert (
        "scheduler is not running; `make up`" in findings["lock of news"]
        and "registry/news/run.lock" in findings["lock of news"]
    )
    assert "run `make up`" in findings["Airflow stack: scheduler"]


def test_an_emptied_history_is_reported_with_the_missing_moves():
    path = paths.registry_dir(LINE) / "promotions.jsonl"
    path.write_text("")
    assert f"{path}: 1 of 2 moves are missing (1)" in wrong()["history of news"]


def test_moves_without_evidence_are_noted_as_unknown_and_stay_named():
    path = paths.registry_dir(LINE) / "promotions.jsonl"
    path.write_text("")
    assert (True, "marked move 1 of news as unknown: no record of a run or version has it") in list(doctor.repair())
    assert list(doctor.repair()) == [] and wrong() == {}
    messages = {what: says for what, _, says in doctor.findings()}["history of news"]
    assert messages == f"1 of 2 moves are unknown (1); only a backup of {path} has them"


@pytest.fixture
def silent():
    """A run under Airflow that holds the line and has shown no life for twenty minutes."""
    locks.take_line(LINE, "run-3")
    fileio.write_json(paths.run_dir("run-3") / "run.json", {"run": "run-3", "config": {"line": LINE}})
    long_ago = time.time() - 1200
    os.utime(paths.registry_dir(LINE) / "run.lock", (long_ago, long_ago))


def scheduler_is_down():
    fileio.write_json(airflow_settings.airflow_home() / "stack.json", {"scheduler": dead()})


def test_the_line_of_a_silent_run_whose_scheduler_is_down_is_freed_and_reported(silent):
    scheduler_is_down()
    assert "--repair frees the line" in wrong()["lock of news"]
    says = "freed line news from run-3, silent for over 15 minutes, and Airflow's scheduler is not running"
    assert (True, says) in list(doctor.repair())
    assert locks.holder(LINE) is None
    assert fileio.read_json(paths.run_dir("run-3") / "outcome.json")["state"] == "failed"


def test_a_silent_run_keeps_its_line_while_its_scheduler_may_go_on_with_it(silent):
    assert list(doctor.repair()) == []
    assert locks.holder(LINE)["run"] == "run-3"


def test_free_releases_the_line_of_a_silent_run(silent, capsys):
    assert "`newsdesk doctor --free news`" in {what: says for what, _, says in doctor.findings()}["lock of news"]
    main.main(["doctor", "--free", LINE])
    assert "freed line news from run-3, silent for over 15 minutes, as you asked" in capsys.readouterr().out
    assert locks.holder(LINE) is None
    assert main.main(["doctor", "--free", "nwes"]) == 2


def test_a_run_that_shows_life_keeps_its_line_whoever_asks():
    scheduler_is_down()
    locks.take_line(LINE, "run-3")
    says = "line news is locked by run run-3, which is alive; stop that run first"
    assert (False, says) in list(doctor.repair([LINE]))
    assert not any("freed" in says for _, says in doctor.repair())
    assert locks.holder(LINE)["run"] == "run-3"


def test_a_damaged_database_of_airflow_is_reported_with_the_commands_that_make_a_new_one():
    path = airflow_settings.airflow_home() / "airflow.db"
    path.parent.mkdir(parents=True)
    path.write_text("no database at all" * 100)
    assert f"make down; mv {path}" in wrong()["Airflow's database"]


def test_a_check_that_fails_is_a_finding_and_the_others_are_made(monkeypatch, capsys):
    def broken():
        raise RuntimeError("no idea")
        yield

    monkeypatch.setitem(doctor_state.CHECKS, "permissions", broken)
    assert main.main(["doctor", "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)
    assert {"what": "permissions", "ok": False, "says": "could not be checked: RuntimeError: no idea"} in findings
    assert any(finding["what"] == "champion of news" and finding["ok"] for finding in findings)


def test_metadata_is_left_alone_while_a_run_works():
    truncated_metadata()
    locks.take_line(LINE, "run-3", os.getpid())
    ((done, says),) = [report for report in doctor.repair() if "metadata.sqlite" in report[1]]
    assert not done and "a run works on news" in says
    assert mlmd_store.database().exists()


def test_a_new_metadata_database_gives_out_ids_above_every_artifact_folder():
    lost_metadata()
    assert mlmd_store.ensure() == 3
    store = mlmd_store.connect()
    kind = store.put_execution_type(pb.ExecutionType(name="Trainer"))
    assert store.put_executions([pb.Execution(type_id=kind)]) == [4]
    assert mlmd_store.ensure() == 0


def test_a_damaged_metadata_database_ends_a_node_with_its_path_and_the_command():
    truncated_metadata()
    with pytest.raises(
        mlmd_store.DatabaseDamaged, match=r"metadata.sqlite cannot be read .* `newsdesk doctor --repair`"
    ):
        mlmd_store.ensure()
