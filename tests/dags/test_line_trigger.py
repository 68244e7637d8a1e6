"""The trigger behind a run that waits for its line: when it fires, and what it looks at."""

import asyncio
import os
import time

import pytest
from newsdesk_dags import line_trigger
from newsdesk_dags.line_trigger import LineTrigger

from components.core import fileio, line_queue, locks, paths

SINCE = "2026-03-02T09:00:00.000000+00:00"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(line_trigger, "SECONDS", 0.01)


async def _event(trigger):
    return (await anext(trigger.run())).payload


async def _fires_after(trigger, act):
    """What the trigger fires with, once it has looked in vain and something was done."""
    waits = asyncio.ensure_future(_event(trigger))
    place = paths.registry_dir("news") / "waiting" / "r"
    while not place.exists():
        await asyncio.sleep(0.01)
    assert not waits.done()
    act()
    return await waits


def test_it_fires_when_the_run_that_holds_the_line_has_ended():
    locks.take_line("news", "other", os.getpid())
    freed = asyncio.run(_fires_after(LineTrigger("news", "r", SINCE), lambda: locks.free_line("news", "other")))
    assert freed == ""


def test_it_lets_the_task_look_at_a_holder_that_shows_no_life(monkeypatch):
    """Only a task can ask Airflow whether that run is lost."""
    fileio.write_json(paths.run_dir("other") / "run.json", {"run": "other"})
    locks.take_line("news", "other")

    def silent():
        monkeypatch.setattr(line_trigger, "SILENCE", 0)
        then = time.time() - 3600
        os.utime(paths.registry_dir("news") / "run.lock", (then, then))

    assert "run other holds" in asyncio.run(_fires_after(LineTrigger("news", "r", SINCE), silent))


def test_the_triggerer_makes_it_anew_from_what_airflow_stored():
    path, values = LineTrigger("news", "r", SINCE).serialize()
    assert path == "newsdesk_dags.line_trigger.LineTrigger"
    assert values == {"line": "news", "run": "r", "since": SINCE}
    again = LineTrigger(**values)
    assert asyncio.run(_event(again)) == "" and again.serialize() == (path, values)
    assert line_queue.turn("news", "r", SINCE) == ""
