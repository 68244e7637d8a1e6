"""The task that asks a person: when it asks and what it shows, who may answer, and what each answer does."""

import json
import re
import sys
from types import SimpleNamespace

import pytest
from airflow.exceptions import AirflowException
from airflow.providers.standard.operators import hitl
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskAwaitingInput
from newsdesk_dags import notifications
from newsdesk_dags.node_operator import CLOSE
from newsdesk_dags.release_approval import ReleaseApproval, approval_task
from newsdesk_dags.retrain_dag import retrain_dag

from components.core import fileio, paths
from components.registry import model_registry
from pipelines.config.approval_settings import ApprovalSettings
from pipelines.notifications.notices import APPROVAL_TASK

RUN = "manual-1"
PART = {
    "kind": "class",
    "rows": 250,
    "difference": -0.02,
    "low": -0.03,
    "high": -0.01,
    "won": 1,
    "lost": 6,
    "fell": True,
}
VERDICT = {
    "decision": "blessed", "reasons": ["not worse than the champion"], "warnings": ["few rows"],
    "metrics": {"accuracy": 0.92, "rows": 1000},
    "comparisons": {"champion": {"accuracy": 0.91, "difference": 0.01, "low": -0.002, "high": 0.022, "won": 20, "lost": 10, "slices": {"Sports": PART}}},
    "fresh": {"newest": {"accuracy": 0.88, "rows": 120}, "comparisons": {}},
    "behaviour": {"kinds": {"typo": {"rows": 300, "flipped": 7, "share": 0.0233, "champion": 0.03}}},
}  # fmt: skip
LOST = {
    "text": "[click](http://x) <b>late</b> goal",
    "true": "Sports",
    "said": "World",
    "champion": "Sports",
    "sure": 0.9,
}


def version(number, held=False):
    root = model_registry.held_dir("news") if held else paths.serving_dir("news")
    folder = root / str(number)
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text(f"model {number}")
    files = model_registry.folder_hashes(folder)
    manifest = {"version": number, "digest": model_registry.content_digest(files), "files": files}
    fileio.write_json(folder / model_registry.MANIFEST, manifest)
    return folder, manifest["digest"]


@pytest.fixture
def held(monkeypatch):
    """Version 1 of `news` serves; the run holds version 2; the command is the real one."""
    monkeypatch.setenv("NEWSDESK_TFX_PYTHON", sys.executable)
    monkeypatch.delenv("NEWSDESK_ONE_PROCESS", raising=False)
    version(1)
    model_registry.move_champion("news", None, 1, "release", "it passed", {})
    place, digest = version(2, held=True)
    card = {
        "version": 2,
        "line": "news",
        "run": RUN,
        "folder": str(place),
        "digest": digest,
        "metrics": {"accuracy": 0.92},
    }
    fileio.write_json(model_registry.card_path("news", 2), card)
    folder, config = (
        paths.run_dir(RUN),
        {"line": "news", "release": "hold", "preset": "bag", "source": "demo", "seed": 1, "window": "all"},
    )
    fileio.write_json(folder / "run.json", {"run": RUN, "config": config, "champion": model_registry.champion("news")})
    fileio.write_json(folder / "verdict.json", VERDICT)
    fileio.write_json(folder / "verdict_page.json", {"differing": {"lost": {"count": 31, "rows": [LOST] * 31}}})
    fileio.write_json(folder / "release.json", {"state": "held", "version": 2, "folder": str(place)})


def task(*approvers, hours=24):
    return approval_task(ApprovalSettings(approvers=list(approvers), hours=hours))


def context(asker="ann"):
    run = SimpleNamespace(dag_id="news_retrain", run_id=RUN, triggering_user_name=asker)
    outlets = {notifications.CHAMPIONS: SimpleNamespace(found=[])}
    outlets[notifications.CHAMPIONS].add = lambda asset, extra: outlets[notifications.CHAMPIONS].found.append(extra)
    return {"dag_run": run, "outlet_events": outlets, "task_instance": SimpleNamespace(id="ti")}


def asked(monkeypatch, made, asker="ann"):
    """What Airflow is asked to put before a person."""
    seen = {}
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **values: seen.update(values))
    with pytest.raises(TaskAwaitingInput):
        ReleaseApproval.execute.__wrapped__(made, context(asker))
    return seen


def answer(made, option, person, given=None):
    event = {
        "chosen_options": [option], "params_input": {}, "responded_at": SimpleNamespace(isoformat=lambda: ""),
        "responded_by_user": person and {"id": person, "name": person}, "timedout": not person,
    }  # fmt: skip
    return made.execute_complete(given or context(), event)


def outcome():
    return fileio.read_json(paths.run_dir(RUN) / "outcome.json")


@pytest.mark.parametrize(
    ("release", "state"), [("auto", "released"), ("auto", "held"), ("hold", None), ("never", None)]
)
def test_a_run_that_held_nothing_for_a_person_only_skips(held, release, state):
    folder = paths.run_dir(RUN)
    record = fileio.read_json(folder / "run.json")
    fileio.write_json(folder / "run.json", {**record, "config": {**record["config"], "release": release}})
    fileio.write_json(folder / "release.json", {"state": state, "version": 2})
    with pytest.raises(AirflowSkipException, match="held no version"):
        ReleaseApproval.execute.__wrapped__(task(), context())


def test_a_run_of_one_process_does_not_wait_and_says_what_to_do(held, monkeypatch):
    monkeypatch.setenv("NEWSDESK_ONE_PROCESS", "1")
    with pytest.raises(AirflowSkipException, match="newsdesk promote 2 --line news"):
        ReleaseApproval.execute.__wrapped__(task(), context())


def test_a_person_reads_the_comparison_slices_flips_differing_rows_and_a_link(held, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://host")
    seen = asked(monkeypatch, task())
    assert seen["subject"] == "Release version 2 of news?" and seen["options"] == ["Approve", "Reject"]
    lines = [line.replace("\\", "") for line in seen["body"].splitlines()]
    for part in (
        "Version 1 serves now",
        "asked for by ann",
        "not worse than the champion",
        "warning: few rows",
        "0.8800 on 120 rows",
    ):
        assert any(part in line for line in lines), part
    assert "| champion | 0.9100 | +0.0100 | -0.0020 to +0.0220 | 20 | 10 |" in lines
    assert "| – Sports (fell) | 250 rows | -0.0200 | -0.0300 to -0.0100 | 1 | 6 |" in lines
    assert "| typo | 300 | 7 | 2.3% | 3.0% |" in lines
    assert "## The champion has it right, the candidate wrong: 31 rows, 10 shown" in lines
    assert sum("late" in line for line in lines) == 10
    (link,) = re.findall(r"(?<!\\)\]\((.*)\)", seen["body"])
    assert link == "http://host/dags/news_retrain/runs/manual-1/plugin/newsdesk-run"
    assert "<b>" not in seen["body"]


def test_a_person_reads_how_the_two_answer_logged_requests(held, monkeypatch, fake_door):
    calls = fake_door("sys.exit(0)")
    folder = paths.run_dir(RUN)
    asked(monkeypatch, task())
    assert not calls.exists()
    paths.requests_dir("news").mkdir(parents=True)
    times = {"p50_ms": 1.5, "p99_ms": 2.5}
    row = {"text": "rates rise", "said": "Business", "champion": "World", "sure": 0.9}
    replay = {
        "champion": 1, "day": "2026-03-01", "texts": 40, "differing": 1, "agreement": 0.975, "rows": [row],
        "latency": {"version": times, "champion": times},
    }  # fmt: skip
    fileio.write_json(folder / "replay.json", replay)
    body = asked(monkeypatch, task())["body"].replace("\\", "")
    assert "97.50% of 40 texts" in body and "| rates rise | Business | World |" in body
    (call,) = [json.loads(line)["arguments"] for line in calls.read_text().splitlines()]
    assert call == ["replay", "2", "--line=news"]
    fileio.write_json(folder / "replay.json", {**replay, "champion": 9})
    assert "rates rise" not in asked(monkeypatch, task())["body"]
    fake_door("print('no TensorFlow', file=sys.stderr); sys.exit(1)")
    asked(monkeypatch, task())


def test_who_asked_is_not_among_those_who_may_answer(held, monkeypatch):
    assert asked(monkeypatch, task())["assigned_users"] is None
    assert asked(monkeypatch, task("ann", "bob"))["assigned_users"] == [{"id": "bob", "name": "bob"}]
    assert len(asked(monkeypatch, task("ann", "bob"), asker=None)["assigned_users"]) == 2
    with pytest.raises(AirflowFailException, match="somebody besides"):
        ReleaseApproval.execute.__wrapped__(task("ann"), context())


def test_an_approval_makes_the_version_serve_and_says_who_approved_and_asked(held):
    fileio.write_text(paths.home() / "newsdesk.toml", '[news.notify]\nfile = "notices.jsonl"\n')
    seen = context()
    answer(task("bob"), "Approve", "bob", seen)
    assert model_registry.champion("news")["version"] == 2
    assert model_registry.history("news")[-1]["reason"] == "approved by bob, asked for by ann"
    ((extra),) = seen["outlet_events"][notifications.CHAMPIONS].found
    assert (extra["version"], extra["kind"], extra["run"]) == (2, "promote", RUN)
    assert [note["kind"] for note in fileio.read_json_lines(paths.home() / "notices.jsonl")] == ["released"]


@pytest.mark.parametrize(("approvers", "person"), [((), "ann"), (("bob",), "eve"), (("ann", "bob"), "ann"), ((), None)])
def test_an_approval_by_whoever_may_not_give_it_releases_nothing_and_asks_again(held, approvers, person):
    with pytest.raises(AirflowException, match="asks again") as caught:
        answer(task(*approvers), "Approve", person)
    assert not isinstance(caught.value, AirflowFailException)
    assert model_registry.champion("news")["version"] == 1


@pytest.mark.parametrize(
    ("person", "reason"), [("bob", "rejected by bob in Airflow"), (None, "nobody answered within 2 hours")]
)
def test_a_rejection_and_a_passed_deadline_end_the_run_as_refused_with_the_reason(held, person, reason):
    answer(task(hours=2), "Reject", person)
    assert model_registry.champion("news")["version"] == 1
    assert (outcome()["state"], outcome()["pushed"], outcome()["reasons"]) == (
        "refused",
        False,
        [f"rejected: {reason}"],
    )
    assert model_registry.card("news", 2)["rejected"]["reason"] == reason
    with pytest.raises(AirflowSkipException, match=reason):
        ReleaseApproval.execute.__wrapped__(task(), context())


def test_a_version_promoted_by_hand_meanwhile_is_left_alone_whatever_the_answer(held):
    model_registry.move_champion("news", model_registry.champion("news"), 2, "promote", "by hand", {})
    for option in ("Approve", "Reject"):
        with pytest.raises(AirflowSkipException, match="version 2 was promoted by"):
            answer(task(), option, "bob")
    assert len(model_registry.history("news")) == 2 and not model_registry.card("news", 2).get("rejected")


def test_a_version_is_not_released_where_another_than_it_was_compared_with_serves(held):
    version(3)
    model_registry.move_champion("news", model_registry.champion("news"), 3, "promote", "by hand", {})
    with pytest.raises(AirflowFailException, match="newsdesk compare 2 3 --line news"):
        answer(task(), "Approve", "bob")
    assert model_registry.champion("news")["version"] == 3


def test_a_failed_promotion_fails_the_task_with_its_words(held, fake_door):
    record = fake_door("print('newsdesk: damaged', file=sys.stderr); sys.exit(1)")
    with pytest.raises(AirflowException, match="damaged"):
        answer(task(), "Approve", "bob")
    (call,) = [json.loads(line)["arguments"] for line in record.read_text().splitlines()]
    assert call == ["promote", "2", "--after=1", "--line=news", "--reason=approved by bob, asked for by ann"]


def test_the_task_comes_after_the_line_is_free_and_waits_as_long_as_the_settings_say():
    dag = retrain_dag("news_retrain", {"news": {"approval": {"approvers": ["bob"], "hours": 3}}}, "news")
    made = dag.get_task(APPROVAL_TASK)
    assert made.upstream_task_ids == {CLOSE} and not made.downstream_task_ids
    assert made.response_timeout.total_seconds() == 3 * 3600 and made.settings.approvers == ("bob",)
    assert made.defaults == ["Reject"] and not made.template_fields
