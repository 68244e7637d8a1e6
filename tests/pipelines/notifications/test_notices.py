"""Which notices there are, what they say, and that none of them can fail a run."""

import json
from datetime import datetime, timezone

import pytest

from components.core import fileio, paths
from pipelines.config import run_config
from pipelines.notifications import notices, transports

NOW = datetime(2026, 3, 20, tzinfo=timezone.utc)
OUTCOME = {
    "run": "r1",
    "state": "refused",
    "pushed": False,
    "version": None,
    "reasons": ["worse than the champion (0.9100, 12 rows won, 40 lost)"],
    "metrics": {"accuracy": 0.9},
}
RECORD = {
    "config": {"source": "/data/news", "window": "all", "preset": "bag", "seed": 1},
    "files": [1, 2, 3],
    "trigger": "scheduled",
}


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("NEWSDESK_HOME", str(tmp_path / "home"))


def table(**more):
    return {"news": {"notify": more}}


def test_a_notice_holds_headline_reasons_nodes_and_the_run_folder():
    notice = notices.of_run("news", OUTCOME, RECORD, "http://host/dags/x/runs/r1")
    assert (notice.kind, notice.run) == ("refused", "r1")
    assert notice.text.splitlines() == [
        "news: refused, accuracy 0.9000",
        "- worse than the champion (0.9100, 12 rows won, 40 lost)",
        "",
        "source /data/news, window all, preset bag, seed 1, 3 files, started by scheduled",
        "run http://host/dags/x/runs/r1",
        f"files {paths.run_dir('r1')}",
    ]


def test_a_held_version_says_how_it_is_approved():
    notice = notices.of_run("news", {**OUTCOME, "state": "held", "version": 4}, RECORD, "")
    assert notice.text.startswith("news: held as version 4")
    assert "It waits for approval: newsdesk promote 4 --line news --reason" in notice.text
    asking = {**RECORD, "config": {**RECORD["config"], "release": "hold"}}
    notice = notices.of_run("news", {**OUTCOME, "state": "held", "version": 4}, asking, "http://host/dags/x/runs/r1")
    assert "answer at http://host/dags/x/runs/r1/tasks/approve/required_actions, or newsdesk promote 4" in notice.text


def test_a_run_that_never_opened_is_reported_too():
    outcome = {"run": "r1", "state": "stopped", "node": "Ingester", "reasons": ["no such folder"], "version": None}
    assert notices.of_run("news", outcome, None, "").text.splitlines()[:2] == [
        "news: stopped at Ingester",
        "- no such folder",
    ]


def champion(created):
    folder = paths.registry_dir("news")
    fileio.write_json(folder / "versions" / "1.json", {"version": 1, "created": created})
    event = {"sequence": 1, "from": None, "to": 1}
    fileio.write_json(folder / "champion.json", {"version": 1, "digest": "x", "event": event})


@pytest.mark.parametrize(
    ("created", "days", "reported"),
    [
        ("2026-03-01T00:00:00+00:00", 14, True),
        ("2026-03-10T00:00:00+00:00", 14, False),
        ("2026-03-06T00:00:00+00:00", 14, False),
        ("2020-01-01T00:00:00+00:00", 0, False),
    ],
)
def test_a_champion_older_than_its_limit_is_reported(created, days, reported):
    champion(created)
    assert bool(notices.of_age("news", days, NOW)) == reported


def test_a_line_without_a_champion_is_not_old():
    assert notices.of_age("news", 1, NOW) is None


def test_only_what_was_asked_for_is_sent():
    settings = run_config.section(table(file="n.jsonl", on=["failed"]), "news", "notify")
    assert notices.send(notices.Notice("refused", "news", "r1", "x"), settings) == []
    assert not (paths.home() / "n.jsonl").exists()
    notices.send(notices.Notice("failed", "news", "r1", "x"), settings)
    (value,) = fileio.read_json_lines(paths.home() / "n.jsonl")
    assert {name: value[name] for name in ("kind", "line", "run", "text")} == {
        "kind": "failed",
        "line": "news",
        "run": "r1",
        "text": "x",
    }


def test_without_settings_nothing_is_sent_and_routine_outcomes_are_off():
    settings = run_config.section({}, "news", "notify")
    assert not {"unchanged", "locked"} & set(settings.on) and {"refused", "failed", "stale", "late"} <= set(settings.on)
    assert notices.send(notices.Notice("failed", "news", "r1", "x"), settings) == []


def test_one_way_that_fails_keeps_no_other_from_working(monkeypatch):
    def broken(*args):
        raise RuntimeError("bug")

    monkeypatch.setattr(transports, "post", broken)
    settings = run_config.section(table(file="n.jsonl", webhook="https://chat.example.org/x"), "news", "notify")
    assert notices.send(notices.Notice("failed", "news", "r1", "x"), settings) == ["webhook: RuntimeError"]
    assert len(fileio.read_json_lines(paths.home() / "n.jsonl")) == 1


def test_secrets_come_from_the_environment_by_name(monkeypatch):
    seen = []
    monkeypatch.setattr(transports, "mail", lambda *args: seen.append(args[-1]))
    monkeypatch.setattr(transports, "post", lambda address, value: seen.append(address))
    monkeypatch.setenv("MAIL_SECRET", "p4ss")
    monkeypatch.setenv("HOOK", "https://chat.example.org/secret")
    lines = table(smtp="smtp://u@h", to=["a@b.org"], password_env="MAIL_SECRET", webhook_env="HOOK")
    settings = run_config.section(lines, "news", "notify")
    assert notices.send(notices.Notice("failed", "news", "r1", "x"), settings) == []
    assert seen == ["p4ss", "https://chat.example.org/secret"]
    assert "p4ss" not in repr(settings)


def test_a_variable_that_is_not_set_is_a_failure_with_words_and_not_a_crash():
    settings = run_config.section(table(webhook_env="NOWHERE_SET"), "news", "notify")
    (failure,) = notices.send(notices.Notice("failed", "news", "r1", "x"), settings)
    assert failure.startswith("webhook: an address must be http or https")


def test_a_huge_and_hostile_text_becomes_a_short_plain_one():
    settings = run_config.section(table(file="n.jsonl"), "news", "notify")
    notices.send(notices.Notice("failed", "news", "r1", "a\x1b\u202e\r\nb" + "x" * 100_000), settings)
    (line,) = (paths.home() / "n.jsonl").read_text().splitlines()
    text = json.loads(line)["text"]
    assert text.startswith("a    \nb") or text.startswith("a   \nb")
    assert len(text) == 8000


@pytest.mark.parametrize(
    "wrong",
    [
        {"on": ["sometimes"]},
        {"on": "failed"},
        {"smtp": "smtp://u:secret@host"},
        {"to": ["a@b.org"]},
        {"smtp": "http://host", "to": ["a@b.org"]},
        {"smtp": "smtp://u:secret@host", "to": ["a@b.org"]},
        {"smtp": "smtp://host", "to": ["a@b.org\nBcc: x@y.z"]},
        {"smtp": "smtp://host", "to": ["a@b.org, x@y.z"]},
        {"smtp": "smtp://host", "to": ["a@b.org"], "sender": "nobody"},
        {"webhook": "file:///etc/passwd"},
        {"webhook": 3},
        {"webhook_env": "https://chat.example.org/x"},
        {"password_env": "not a name"},
        {"max_age_days": -1},
        {"max_age_days": "old"},
        {"max_age_days": True},
        {"deadline_hours": float("nan")},
        {"file": ["a"]},
    ],
)
def test_a_wrong_setting_is_refused_by_name_and_shows_no_secret(wrong):
    with pytest.raises(run_config.ConfigError, match="notify") as caught:
        run_config.section(table(**wrong), "news", "notify")
    assert "secret" not in str(caught.value)


def test_newsdesk_toml_takes_the_section_and_no_key_it_does_not_know(tmp_path):
    path = tmp_path / "newsdesk.toml"
    path.write_text('[news.notify]\nfile = "n.jsonl"\nmax_age_days = 14\n')
    assert run_config.section(run_config.settings(path), "news", "notify").max_age_days == 14
    path.write_text('[news.notify]\npassword = "p4ss"\n')
    with pytest.raises(run_config.ConfigError, match="password"):
        run_config.settings(path)
