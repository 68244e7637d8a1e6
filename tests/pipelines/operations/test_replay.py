"""A version asked what the champion was asked: real tiny models, real log."""

import json
from datetime import datetime, timezone

import published
import pytest

from components.core import fileio, paths, request_log
from components.registry import model_registry
from pipelines.cli import main

LINE = published.LINE


@pytest.fixture
def versions():
    """Version 1 serves; version 2, held, gives each class's probability to the next."""
    published.release("run-1", "good")
    version, folder = published.push("run-2", "shifted", hold=True)
    published.register(version, folder, "run-2")
    return version


def logged(texts, day=1):
    now = datetime(2026, 3, day, 12, tzinfo=timezone.utc)
    log = request_log.RequestLog(paths.requests_dir(LINE), request_log.LogSettings(), lambda: now)
    log.add("r", 1, "d", [(text, "World", 0.9) for text in texts])
    log.close()


def run(*words):
    return main.main(["replay", "2", "--line", LINE, *words])


def test_the_last_days_texts_are_asked_once_and_differing_answers_shown(versions, capsys):
    logged(["an older day"], day=1)
    logged(["goal coach season", "shares profit bank", "goal coach season"], day=2)
    assert run("--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["day"], result["texts"], result["differing"], result["agreement"]) == ("2026-03-02", 2, 2, 0.0)
    assert {(row["text"], row["said"], row["champion"]) for row in result["rows"]} == {
        ("goal coach season", "Business", "Sports"), ("shares profit bank", "Sci/Tech", "Business"),
    }  # fmt: skip
    assert result["latency"]["version"]["p99_ms"] >= result["latency"]["version"]["p50_ms"] > 0
    assert fileio.read_json(paths.run_dir("run-2") / "replay.json") == result
    assert run("--day", "2026-03-01") == 0
    assert "1 requests of 2026-03-01" in capsys.readouterr().out
    (path,) = paths.requests_dir(LINE).glob(f"2026-03-01/{request_log.FILE}")
    path.write_text('{"id": "torn", "title": "an ol' + path.read_text() + path.read_text())
    assert run("--day", "2026-03-01") == 0
    assert "1 lines of the log are no requests and were left out" in capsys.readouterr().out


def test_answers_are_compared_by_the_names_of_the_classes(versions, capsys):
    version, folder = published.push("run-3", "reordered", hold=True)
    published.register(version, folder, "run-3")
    logged(["goal coach season", "shares profit bank"])
    assert main.main(["replay", str(version), "--line", LINE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agreement"] == 1.0


def test_without_requests_or_another_version_it_says_what_is_missing(versions, capsys):
    assert run() == 1
    assert "newsdesk serve --log-requests" in capsys.readouterr().err
    logged(["goal"])
    assert run("--day", "2026-04-01") == 1 and "day 2026-04-01" in capsys.readouterr().err
    assert run("--day", "yesterday") == 2
    model_registry.move_champion(LINE, model_registry.champion(LINE), 2, "promote", "yes", {})
    assert run() == 1 and "version 2 serves itself" in capsys.readouterr().err
