"""The one line that says what serves, how the last run ended and what is down: in `make status` and `newsdesk models`."""

import os

import published
import pytest

from components.core import fileio, paths, processes
from pipelines.airflow_stack import stack_state
from pipelines.cli import main
from pipelines.reports import status

DOWN = {"pid": 1, "started": "1", "state": "down", "since": "2026-03-02T09:00:00+00:00", "restarts": 1}


@pytest.fixture
def line():
    published.release("run-1")
    folder = paths.run_dir("run-1")
    fileio.write_json(
        folder / "run.json",
        {"run": "run-1", "created": "2026-03-02T08:00:00+00:00", "config": {"line": published.LINE}},
    )
    fileio.write_json(folder / "outcome.json", {"state": "refused", "reasons": []})


def test_it_says_what_serves_and_how_the_last_run_ended(line):
    assert (
        status.text("news") == "news: version 1 serves, accuracy 0.9000; last run refused, opened 2026-03-02 08:00 UTC."
    )


def test_it_says_what_is_down_since_when_and_the_command_that_mends_it(line):
    me = processes.entry_of(os.getpid())
    up = dict.fromkeys((*stack_state.NAMES, stack_state.SUPERVISOR), me)
    fileio.write_json(stack_state.file(), {**up, "scheduler": DOWN, "supervisor": DOWN})
    assert "The scheduler is down since 2026-03-02T09:00:00+00:00, the supervisor is down" in status.text("news")
    assert status.texts()[-1].endswith("Run `make up`.")
    fileio.write_json(stack_state.file(), up)
    assert "down" not in status.text("news") and len(status.texts()) == 1


def test_models_ends_with_it_and_json_does_not(line, capsys):
    assert main.main(["models"]) == 0
    assert (
        capsys.readouterr().out.splitlines()[-1].startswith("news: version 1 serves, accuracy 0.9000; last run refused")
    )
    assert main.main(["models", "--json"]) == 0
    assert "serves" not in capsys.readouterr().out


def test_a_champion_that_is_recorded_as_lost_is_not_said_to_serve(line):
    path = paths.registry_dir("news") / "champion.json"
    pointer = fileio.read_json(path)
    fileio.write_json(path, {**pointer, "event": {**pointer["event"], "kind": "lost"}})
    assert "version 1 is recorded as lost" in status.text("news")


def test_it_never_stands_in_the_way(line):
    (paths.registry_dir("news") / "champion.json").write_text("{")
    (paths.run_dir("run-1") / "run.json").write_text("[")
    assert "doctor --repair" in status.text("news")
    assert status.text("../x").startswith("Newsdesk: nothing serves yet")
