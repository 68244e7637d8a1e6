"""Whose turn it is on a line. Plain files."""

import os
import time

import pytest

from components.core import line_queue, locks, paths

FIRST, SECOND, THIRD = (f"2026-03-02T09:00:0{second}.000000+00:00" for second in (1, 2, 3))


@pytest.fixture
def held():
    locks.take_line("news", "holder", os.getpid())


def waiting():
    return sorted(place.name for place in (paths.registry_dir("news") / "waiting").glob("*"))


def test_a_free_line_is_anybodys_turn_and_leaves_no_trace():
    assert line_queue.turn("news", "a", FIRST) == ""
    assert waiting() == []


def test_a_run_waits_for_the_one_that_holds_the_line_and_is_told_which_and_since_when(held):
    since = locks.holder("news")["since"]
    assert line_queue.turn("news", "a", FIRST) == f"run holder holds line 'news' since {since}"
    assert line_queue.turn("news", "holder", SECOND) == ""
    locks.free_line("news", "holder")
    assert line_queue.turn("news", "a", FIRST) == ""


def test_of_those_that_wait_the_one_that_began_first_goes_first_whoever_looked_first(held):
    for run, since in (("c", THIRD), ("a", FIRST)):
        line_queue.turn("news", run, since)
    locks.free_line("news", "holder")
    assert line_queue.turn("news", "c", THIRD) == f"run a has waited for line 'news' since {FIRST}, which is longer"
    for run, since in (("b", SECOND), ("c", THIRD)):  # whoever else waits, the first is named
        assert line_queue.turn("news", run, since) == f"run a has waited for line 'news' since {FIRST}, which is longer"
    assert line_queue.turn("news", "a", FIRST) == ""
    line_queue.leave("news", "a")
    assert line_queue.turn("news", "c", THIRD) and not line_queue.turn("news", "b", SECOND)
    assert waiting() == ["b", "c"]


def test_runs_that_began_in_the_same_moment_have_an_order_as_well(held):
    for run in ("a", "b"):
        line_queue.turn("news", run, FIRST)
    locks.free_line("news", "holder")
    assert line_queue.turn("news", "b", FIRST) and not line_queue.turn("news", "a", FIRST)


def test_a_run_that_looks_no_more_keeps_nobody_waiting(held):
    line_queue.turn("news", "a", FIRST)
    place, then = paths.registry_dir("news") / "waiting" / "a", time.time() - line_queue.PATIENCE - 1
    os.utime(place, (then, then))
    line_queue.turn("news", "a", FIRST)  # it looks again
    lately = time.time() - line_queue.PATIENCE / 2
    os.utime(place, (lately, lately))
    line_queue.turn("news", "a", FIRST)
    assert place.stat().st_mtime > lately + 1
    line_queue.turn("news", "b", SECOND)
    locks.free_line("news", "holder")
    assert line_queue.turn("news", "b", SECOND)
    os.utime(place, (then, then))
    assert line_queue.turn("news", "b", SECOND) == "" and waiting() == ["b"]


def test_a_lease_of_a_dead_run_keeps_nobody_waiting(held):
    path = paths.registry_dir("news") / "run.lock"
    path.write_text(path.read_text().replace(f'"owner": {os.getpid()}', '"owner": 999999999'))
    assert line_queue.turn("news", "a", FIRST) == ""
