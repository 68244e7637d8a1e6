"""Tests of whole stacks leave no process behind, and skip with a reason when the time given to all of them is used up."""

import contextlib
import ctypes
import math
import os
import sys
import threading

import psutil
import pytest
import stack_kit

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_SECONDS_TO_LEAVE = 20
_SECONDS_BETWEEN_REAPS = 2


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if item.get_closest_marker("e2e"):
        stack_kit.skip_if_late()


@pytest.fixture(scope="session", autouse=True)
def no_process_stays():
    """Fails the last test where a process of a stack outlives `make down`, and kills that process.

    Orphans of the stack become children of this process, so that all of them can be listed; those that end are reaped.
    """
    if sys.platform != "linux":
        yield
        return
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    before, ended = set(psutil.Process().children(recursive=True)), threading.Event()
    reaper = threading.Thread(target=_reap_orphans, args=(ended,), daemon=True)
    reaper.start()
    yield
    ended.set()
    reaper.join()
    _, alive = psutil.wait_procs(set(psutil.Process().children(recursive=True)) - before, _SECONDS_TO_LEAVE)
    left = []
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.append(f"{process.pid} {' '.join(process.cmdline())[:200]}")
            process.kill()
    psutil.wait_procs(alive, _SECONDS_TO_LEAVE)
    assert not left, "processes were left behind and are killed now: " + "; ".join(left)


def _reap_orphans(ended: threading.Event) -> None:
    """Reaps what has been dead for two looks; what a test itself started, the test reaps at once."""
    dead: set[psutil.Process] = set()
    while not ended.wait(_SECONDS_BETWEEN_REAPS):
        seen = set()
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.status() == psutil.STATUS_ZOMBIE:
                    seen.add(child)
        for child in seen & dead:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child.pid, os.WNOHANG)
        dead = seen - dead


if math.isfinite(stack_kit.UNTIL):

    def pytest_report_header():
        return f"time left for these tests: {stack_kit.seconds_left() / 60:.0f} minutes"
