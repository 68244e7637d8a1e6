"""What is told of a run: the champion asset with its figures, and notices that can break nothing."""

import json
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from newsdesk_dags import notifications

from components.core import fileio, paths
from components.core.run_record import run_id_from
from components.registry import model_registry

RUN = "manual__2026-03-02T09:00:00+00:00"
REQUEST = {"source": "/data/news", "trigger": "manual"}


class Outlets(dict):
    def __missing__(self, key):
        self[key] = SimpleNamespace(found=[])
        self[key].add = lambda asset, extra: self[key].found.append((asset.name, extra))
        return self[key]


def context():
    run = SimpleNamespace(run_id=RUN, dag_id="news_retrain")
    return {"dag_run": run, "outlet_events": Outlets()}


def settings(text):
    fileio.write_text(paths.home() / "newsdesk.toml", text)


def opened(**more):
    config = {"line": "news", "source": "/data/news", "window": "all", "preset": "bag", "seed": 1}
    record = {"config": config, "files": [1, 2], "trigger": "manual", **more}
    fileio.write_json(paths.run_dir(run_id_from(RUN)) / "run.json", {"run": run_id_from(RUN), **record})


def serves(version=3, created="2026-01-01T00:00:00+00:00"):
    folder = paths.registry_dir("news")
    card = {"version": version, "created": created, "metrics": {"accuracy": 0.9123}, "run": "r"}
    fileio.write_json(folder / "versions" / f"{version}.json", card)
    event = {"sequence": 1, "from": None, "to": version, "kind": "release"}
    fileio.write_json(folder / "champion.json", {"version": version, "digest": "abc", "event": event})


def told():
    return [(value["kind"], value["text"]) for value in fileio.read_json_lines(paths.home() / "notices.jsonl")]


def closed(state, **more):
    return {"outcome": {"run": run_id_from(RUN), "state": state, "reasons": ["the reason"], **more}}


def test_a_release_emits_the_champion_of_its_line_with_version_and_figures():
    opened()
    serves()
    fileio.write_json(paths.run_dir(run_id_from(RUN)) / "release.json", {"state": "released", "version": 3})
    seen = context()
    notifications.registered(seen, REQUEST, {})
    ((name, extra),) = seen["outlet_events"][notifications.CHAMPIONS].found
    assert name == "news.champion"
    assert extra == {
        "version": 3,
        "digest": "abc",
        "accuracy": 0.9123,
        "run": run_id_from(RUN),
        "kind": "release",
    }
    json.dumps(extra)


def test_a_held_version_emits_nothing_and_says_how_it_is_approved(caplog):
    opened()
    serves(2)
    fileio.write_json(paths.run_dir(run_id_from(RUN)) / "release.json", {"state": "held", "version": 3})
    seen = context()
    with caplog.at_level("INFO", logger="airflow.task"):
        notifications.registered(seen, REQUEST, {})
    assert not seen["outlet_events"]
    assert "newsdesk promote 3 --line news" in caplog.text


@pytest.mark.parametrize("state", ["refused", "stopped", "failed", "released", "held"])
def test_the_end_of_a_run_is_told_with_its_reasons_and_where_to_look(state, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://127.0.0.1:8080")
    settings('[news.notify]\nfile = "notices.jsonl"\n')
    opened()
    notifications.ended(context(), REQUEST, closed(state, version=3 if state in ("released", "held") else None))
    ((kind, text),) = told()
    assert kind == state
    assert text.startswith(f"news: {state}") and "- the reason" in text
    assert "http://127.0.0.1:8080/dags/news_retrain/runs/manual__2026-03-02T09%3A00%3A00%2B00%3A00" in text


def test_nothing_is_told_where_nothing_was_asked_for_and_of_kinds_that_were_not():
    opened()
    notifications.ended(context(), REQUEST, closed("refused"))
    settings('[news.notify]\nfile = "notices.jsonl"\non = ["failed"]\n')
    notifications.ended(context(), REQUEST, closed("refused"))
    assert told() == []


def test_a_run_that_never_opened_is_told_with_the_reasons_of_its_first_node():
    settings('[news.schedule]\nsource = "/data/news"\n[news.notify]\nfile = "notices.jsonl"\n')
    event = {"node": "Ingester", "state": "stopped", "headline": "no such folder", "reasons": ["no such folder"]}
    fileio.append_json(paths.run_dir(run_id_from(RUN)) / "events.jsonl", event)
    notifications.ended(context(), REQUEST, closed("failed"))
    ((kind, text),) = told()
    assert kind == "stopped" and "- no such folder" in text


@pytest.mark.parametrize(("state", "kinds"), [("refused", ["refused", "stale"]), ("released", ["released"])])
def test_an_old_champion_is_told_of_after_a_run_that_did_not_replace_it(state, kinds):
    settings('[news.notify]\nfile = "notices.jsonl"\nmax_age_days = 7\n')
    opened()
    serves(created=(datetime.now(timezone.utc) - timedelta(days=8)).isoformat())
    notifications.ended(context(), REQUEST, closed(state))
    assert [kind for kind, _ in told()] == kinds


@pytest.mark.parametrize(
    "broken", ['[news.notify]\nfile = "/proc/nowhere/x"\n', "not toml [", '[news.notify]\nmax_age_days = "old"\n']
)
def test_a_notifier_that_fails_is_a_line_in_the_log_and_no_more(broken, caplog):
    settings(broken)
    opened()
    notifications.ended(context(), REQUEST, closed("refused"))
    assert "No notice could be made" in caplog.text or "could not be delivered" in caplog.text


@pytest.mark.parametrize(("kind", "kinds"), [("scheduled", ["late"]), ("backfill", [])])
def test_a_late_run_is_told_of_unless_it_is_a_backfill_that_waits_its_turn(kind, kinds):
    settings('[news.notify]\nfile = "notices.jsonl"\n')
    notifications.late("news", 6.0, context={"dag_run": {"dag_run_id": RUN, "run_type": kind}})
    assert [found for found, _ in told()] == kinds


def test_a_champion_that_moved_by_hand_is_told_of_as_such():
    serves()
    pointer = model_registry.champion("news")
    fileio.write_json(
        paths.registry_dir("news") / "champion.json", {**pointer, "event": {**pointer["event"], "kind": "promote"}}
    )
    outlets = Outlets()
    notifications.champion_changed(outlets, "news", "r")
    assert outlets[notifications.CHAMPIONS].found[0][1]["kind"] == "promote"
