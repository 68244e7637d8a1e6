"""What ends is started again, with back-off, and the state says since when; small programs stand in for Airflow's."""

import os
import signal
import sys

import pytest

from components.core import fileio, paths, processes
from pipelines.airflow_stack import stack_state
from pipelines.airflow_stack.supervisor import LONGEST, STEADY, Program, Supervisor

LIVES, DIES = "import signal; signal.pause()", "raise SystemExit(3)"


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("NEWSDESK_HOME", str(tmp_path / "home"))
    paths.ensure()
    (tmp_path / "home" / "airflow").mkdir()


@pytest.fixture
def desk(tmp_path):
    """`desk(code)` is a supervisor of a scheduler that runs this code, with a clock set by hand and lines that it said."""
    made = []

    def make(code, **other):
        call = [sys.executable, "-c", code]
        supervisor = Supervisor(
            {"scheduler": Program(call, os.environ, tmp_path / "log", **other)}, messages.append, lambda: now[0]
        )
        supervisor.now, supervisor.messages = now, messages
        made.append(supervisor)
        supervisor.begin()
        supervisor.look()
        return supervisor

    now, messages = [0.0], []
    yield make
    for supervisor in made:
        processes.end([supervisor._state["scheduler"]], 0)
        for child in supervisor._children.values():
            child.wait()


def wait(desk):
    desk._children["scheduler"].wait()


def scheduler():
    return next(part for part in stack_state.parts() if part.name == "scheduler")


def test_a_part_that_is_killed_is_started_again_at_once_and_the_log_says_so(desk):
    supervisor = desk(LIVES)
    first = scheduler()
    assert first.up and first.restarts == 0
    os.kill(first.pid, signal.SIGKILL)
    wait(supervisor)
    supervisor.look()
    again = scheduler()
    assert again.up and again.pid != first.pid and again.restarts == 1
    assert any(f"process {first.pid} ended by signal 9" in line for line in supervisor.messages)


def test_a_part_that_dies_again_and_again_is_tried_ever_less_often_and_down_since_its_last_end(desk):
    supervisor, waits = desk(DIES), []
    for _ in range(8):
        wait(supervisor)
        supervisor.look()
        waits.append(supervisor._due.get("scheduler", supervisor.now[0]) - supervisor.now[0])
        if waits[-1]:
            part = scheduler()
            assert not part.up and part.since == supervisor._state["scheduler"]["since"]
            assert f"scheduler is down since {part.since}" in stack_state.warning()
        supervisor.now[0] += waits[-1]
        if "scheduler" in supervisor._due:
            supervisor.look()
    assert waits[:5] == [0, 1, 3, 7, 15] and waits[5:] == [LONGEST] * 3 and LONGEST < 30


def test_after_a_steady_time_the_back_off_begins_anew(desk):
    supervisor = desk(LIVES)
    supervisor._state["scheduler"]["tries"] = 5
    supervisor.now[0] = STEADY
    os.kill(scheduler().pid, signal.SIGKILL)
    wait(supervisor)
    supervisor.look()
    assert scheduler().up


def test_the_next_supervisor_takes_over_what_still_runs_and_starts_the_rest(desk):
    supervisor = desk(LIVES)
    before = scheduler()
    other = desk(LIVES)
    assert other._children == {} and scheduler().pid == before.pid
    os.kill(before.pid, signal.SIGKILL)
    wait(supervisor)
    other.look()
    assert scheduler().up and scheduler().pid != before.pid


def test_nothing_was_started_so_nothing_is_down():
    assert stack_state.parts() == [] and stack_state.warning() == "" and stack_state.findings() == []


def test_without_a_supervisor_what_is_down_is_down_since_the_last_look_and_needs_a_person(desk):
    supervisor = desk(LIVES)
    os.kill(scheduler().pid, signal.SIGKILL)
    wait(supervisor)
    dead = {"pid": os.getpid(), "started": "1", "state": "up", "since": "2026-01-01T00:00:00+00:00"}
    fileio.write_json(stack_state.file(), {**stack_state.read(), "supervisor": dead})
    os.utime(stack_state.file(), (1_800_000_000, 1_800_000_000))
    assert "the scheduler is down since 2027-01-15T08:00:00+00:00" in stack_state.warning()
    assert stack_state.warning().endswith("Run `make up`.")
    rows = {what: (ok, says) for what, ok, says in stack_state.findings()}
    ok, says = rows["Airflow stack: scheduler"]
    assert not ok and "down since 2027-01-15" in says and "make up" in says
