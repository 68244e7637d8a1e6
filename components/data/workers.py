"""Processes beside this one that share its work: the results come in the order of the items, and only some items are under way.

Not `multiprocessing` nor a pool of it. A fork of a TFX process is not safe, because TensorFlow has threads; the other starts import
the caller's main module in every worker, which may import TensorFlow. And a pool moves items in threads of the caller, which wait for
the interpreter's lock at every 64 KiB. Here a worker imports what its work needs and nothing else, and the caller's own thread sends and
receives. A worker ends with its caller, however that ended.
"""

import contextlib
import ctypes
import importlib
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

MOST = 8  # more of them than this wait for the one that reads the files
_PR_SET_PDEATHSIG = 1  # linux/prctl.h: sent when the caller ends
_START = "import sys; from components.data import workers; workers.serve(int(sys.argv[1]), sys.argv[2])"


class WorkerLost(RuntimeError):
    """A worker process ended before its work was done."""


def cores() -> int:
    """Processor cores that this process may use, at most `MOST`."""
    return min(len(os.sched_getaffinity(0)), MOST)


class Workers:
    """`map` over `number` processes, which start when they are first needed; a context manager, which ends them.

    number: with less than two, all work is done in this process. module: a worker imports it before it is ready.
    """

    def __init__(self, number: int, module: str):
        self.number, self.module, self.ready = number, module, False
        self.processes: dict[Connection, subprocess.Popen] = {}

    @property
    def started(self) -> bool:
        """Whether there are processes."""
        return bool(self.processes)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error) -> None:
        for pipe in self.processes:
            pipe.close()
        for process in self.processes.values():
            if error[0]:
                process.kill()  # it may be in the middle of something
            process.wait()

    def map(self, work: Callable, items: Iterable, alone: Callable[[], bool], ahead: int = 0) -> Iterator[Any]:
        """`work(item)` for each item, in order. work: a function of a module that a worker can import.

        alone: while it says so, items are done in this process: a small source does not pay for others. ahead: items that are under
        way or waiting for an earlier one, at most; 0 for twice the workers.

        Raises:
            WorkerLost: a worker was killed. What `work` raises.
        """
        asked: dict[Connection, int] = {}  # the number of the item that a worker has
        done: dict[int, Any] = {}
        limit, first = ahead or 2 * self.number, 0
        for number, item in enumerate(items):
            if self.number < 2 or alone() or not self._are_ready():
                yield work(item)
                first = number + 1
                continue
            while len(asked) == self.number:
                self._receive(asked, done)
            free = next(pipe for pipe in self.processes if pipe not in asked)
            self._send(free, (work, item))
            asked[free] = number
            while first in done or number - first >= limit:
                if first in done:
                    yield done.pop(first)
                    first += 1
                else:
                    self._receive(asked, done)
        while asked or done:
            if first in done:
                yield done.pop(first)
                first += 1
            else:
                self._receive(asked, done)

    def wait(self) -> None:
        """Starts the processes, if that has not been done, and waits until all can take work: some tenths of a second."""
        self._start_all()
        if not self.ready:
            for pipe in self.processes:
                self._answer(pipe)
            self.ready = True

    def _are_ready(self) -> bool:
        """Whether all can take work. The first call starts them."""
        self._start_all()
        if not self.ready and all(pipe.poll() for pipe in self.processes):
            self.wait()
        return self.ready

    def _start_all(self) -> None:
        for _ in range(self.number - len(self.processes)):
            self._start()

    def _start(self) -> None:
        own, other = Pipe()
        with other:
            self.processes[own] = subprocess.Popen(
                [sys.executable, "-c", _START, str(other.fileno()), self.module],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # a node's standard output holds its result
            )

    def _receive(self, asked: dict[Connection, int], done: dict[int, Any]) -> None:
        """Waits until a worker has done its item."""
        for pipe in wait(list(asked)):
            done[asked[pipe]] = self._answer(pipe)
            del asked[pipe]

    def _send(self, pipe: Connection, message: tuple) -> None:
        try:
            pipe.send(message)
        except OSError as error:
            raise self._lost(pipe) from error

    def _answer(self, pipe: Connection) -> Any:
        try:
            result, error, trace = pipe.recv()
        except (EOFError, OSError) as lost:
            raise self._lost(pipe) from lost
        if error:
            raise error from RuntimeError(f"in a worker process:\n{trace}")
        return result

    def _lost(self, pipe: Connection) -> WorkerLost:
        code = self.processes[pipe].wait()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return WorkerLost(
            f"a worker process must live until its work is done. Received: {how}. "
            "If memory was short (`dmesg` says so), free some; then run the node again."
        )


def serve(descriptor: int, module: str) -> None:
    """A worker's life: takes (work, item) from the pipe and answers (result, error, trace), until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller gets Ctrl-C too, and then ends its workers
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(EOFError, OSError), Connection(descriptor) as pipe:
        importlib.import_module(module)
        pipe.send((None, None, ""))
        while True:
            work, item = pipe.recv()
            try:
                answer = work(item), None, ""
            except Exception as error:
                answer = None, _sendable(error), traceback.format_exc()
            pipe.send(answer)


def _sendable(error: Exception) -> Exception:
    """The error itself where it can be sent to another process, else one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # what was made here
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
