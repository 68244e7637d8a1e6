"""Work that is shared by processes: the same answers in the same order, a bounded number under way, and no silence when one is killed."""

import itertools
import os
import signal
import subprocess
import sys

import psutil
import pytest

from components.core import locks, paths
from components.data import workers
from components.data.workers import WorkerLost, Workers

MODULE = "components.data_quality.row_work"
pytestmark = pytest.mark.usefixtures("waits_end")
FOREIGN = {"tensorflow", "tfx", "tensorflow_datasets", "apache_beam", "pandas", "duckdb"}


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def two():
    with Workers(2, MODULE) as crew:
        crew.wait()
        yield crew


def test_answers_come_in_the_order_of_the_items(two):
    items = [3_000_000, *range(20), 2_000_000, *range(20)]  # the first takes the longest
    assert list(two.map(range, items, never)) == list(map(range, items))
    assert list(two.map(sum, map(range, items), never)) == [sum(range(item)) for item in items]


def test_items_are_not_taken_faster_than_they_are_done(two):
    taken = []
    answers = two.map(abs, (taken.append(i) or i for i in range(100)), never)
    for number, answer in enumerate(answers):
        assert answer == number and len(taken) <= number + 1 + 2 * two.number


def test_an_error_of_the_work_arrives_with_its_place_in_the_worker(two):
    with pytest.raises(ValueError, match="invalid literal") as caught:
        list(two.map(int, ["1", "no number"], never))
    assert "in a worker process" in str(caught.value.__cause__)


def refuse(what: str):
    if what == "two arguments":
        raise locks.Locked("news", {"run": "r1", "since": "noon"})
    error = ValueError("a function without a name")
    error.ask = lambda: what
    raise error


@pytest.mark.parametrize(
    "what, message",
    [("two arguments", "Locked: line 'news' is locked by run r1"), ("lambda", "ValueError: a function without")],
)
def test_an_error_that_cannot_be_sent_arrives_as_its_message_with_its_place(two, what, message):
    with pytest.raises(RuntimeError, match=message) as caught:
        list(two.map(refuse, [what], never))
    assert "in a worker process" in str(caught.value.__cause__) and "in refuse" in str(caught.value.__cause__)
    assert list(two.map(abs, [-1], never)) == [1]


def test_a_worker_imports_nothing_heavy(two):
    (loaded,) = two.map(eval, ["sorted(__import__('sys').modules)"], never)
    assert MODULE in loaded and not FOREIGN & {name.partition(".")[0] for name in loaded}


def test_a_killed_worker_is_an_error_that_says_so_and_leaves_no_process():
    with pytest.raises(WorkerLost, match="killed by SIGKILL"), Workers(2, MODULE) as crew:
        crew.wait()
        pids = [process.pid for process in crew.processes.values()]
        os.kill(pids[0], signal.SIGKILL)
        list(crew.map(abs, range(100), never))
    assert len(pids) == 2 and not any(map(psutil.pid_exists, pids))


def test_work_does_not_wait_for_workers_that_are_still_starting():
    with Workers(2, MODULE) as crew:
        assert list(crew.map(abs, itertools.takewhile(lambda _: not crew.ready, itertools.repeat(1)), never))
        assert crew.started


def test_one_process_or_a_small_source_starts_none():
    for crew, alone in ((Workers(1, MODULE), never), (Workers(2, MODULE), lambda: True)):
        with crew:
            assert list(crew.map(abs, range(10), alone)) == list(range(10)) and not crew.started


CALLER = """
import os, signal, sys
from components.data.workers import Workers
signal.signal(signal.SIGINT, signal.default_int_handler)
with Workers(2, "components.data_quality.row_work") as crew:
    crew.wait()
    print(*(process.pid for process in crew.processes.values()), flush=True)
    busy = "__import__('signal').pause()"
    list(crew.map(eval, [busy, f"__import__('os').kill({os.getpid()}, {sys.argv[1]}) or {busy}"], lambda: False))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_caller_however_it_ends(number):
    call = [sys.executable, "-c", CALLER, str(int(number))]
    with subprocess.Popen(
        call, cwd=paths.REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as caller:
        found = [psutil.Process(int(pid)) for pid in caller.stdout.readline().split()]
        caller.wait(60)
    assert len(found) == 2 and not psutil.wait_procs(found, 60)[1]


def test_their_number_is_that_of_the_cores_that_may_be_used(monkeypatch):
    for cores, number in ((1, 1), (2, 2), (64, workers.MOST)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid, cores=cores: set(range(cores)))
        assert workers.cores() == number
