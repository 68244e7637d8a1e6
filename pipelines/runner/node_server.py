"""The warm node server: imports TFX once and runs each node in a forked child process.

It accepts requests on a private Unix socket (see `node_client.py`), forks a child for each (`node_child.py`) and sends the exit
code back. It exits when idle, when the source code changes, and when its socket is gone. Optional: nodes also run without it.

`python -m pipelines.runner.node_server start | status | stop` starts, shows and stops the servers of this state folder.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipelines.runner import node_child, node_client

IDLE = float(os.environ.get("NEWSDESK_SERVER_IDLE", 600))  # seconds without work after which the server exits
CHILDREN = 4  # nodes at a time; others wait
GRACE = 60.0  # seconds between SIGTERM and SIGKILL for a node whose caller is gone
# What only some nodes need: imported while the first node works, so that later children have it at no cost.
_EXTRAS = ("great_expectations", "mlflow", "matplotlib.pyplot", "mlflow.store.tracking.sqlalchemy_store")


@dataclass
class _Job:
    """One node: its caller's connection, the child's pid and temporary folder, and when it was asked to stop (monotonic seconds)."""

    connection: socket.socket
    request: dict
    fds: list[int]
    pid: int = 0
    asked_to_stop: float = 0.0
    temporary: str = ""


class Server:
    """Accepts requests, forks a child for each, and sends the caller its exit code. Single-threaded, so that forking is safe."""

    def __init__(self, path: Path, prepare: Callable[[], None], run: Callable[[list[str]], int]):
        self.path, self.run = path, run
        self.jobs: list[_Job] = []
        self.connections: set[socket.socket] = set()
        self.served, self.started, self.used, self.stopping = 0, time.monotonic(), time.monotonic(), False
        self.extras = list(_EXTRAS)
        self.environ = dict(os.environ)  # as callers see it: importing the libraries changes it
        prepare()
        gc.collect()
        gc.freeze()  # the collector would write to pages that children share, and so copy them
        self.selector = selectors.DefaultSelector()
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGTERM, self._end)
        self.wakeup = reader
        self.selector.register(reader, selectors.EVENT_READ, "wakeup")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        aside = path.with_suffix(f".{os.getpid()}")
        self.listener.bind(str(aside))
        self.listener.listen(64)
        self.listener.setblocking(False)
        self.inode = aside.stat().st_ino
        path.with_suffix(".pid").write_text(str(os.getpid()))
        os.rename(aside, path)  # callers find a listening socket or none
        self.selector.register(self.listener, selectors.EVENT_READ, "listener")

    def serve(self) -> None:
        """Runs until it is idle for too long, stopped, out of date or replaced."""
        while self.jobs or not (self.stopping or self._unwanted()):
            busy = any(job.pid for job in self.jobs)
            wait = 0.0 if self.extras and busy else 1.0 if self.jobs else min(5.0, IDLE)
            for key, _ in self.selector.select(wait):
                if key.data == "listener":
                    self._accept()
                elif key.data == "wakeup":
                    with contextlib.suppress(BlockingIOError):
                        os.read(self.wakeup, 4096)
                else:
                    self._read(key.fileobj)
            self._reap()
            self._start_waiting()
            self._kill_overdue()
            if self.extras and busy:
                with contextlib.suppress(ImportError):
                    importlib.import_module(self.extras.pop(0))
        with contextlib.suppress(OSError):
            if self.path.stat().st_ino == self.inode:
                self.path.unlink()
                self.path.with_suffix(".pid").unlink()

    def _unwanted(self) -> bool:
        """Whether it was idle for too long, the socket is no longer its own, or the code changed since the import."""
        if time.monotonic() - self.used > IDLE:
            return True
        try:
            return self.path.stat().st_ino != self.inode or node_client.code_key(self.environ) not in self.path.name
        except OSError:
            return True

    def _end(self, number, frame) -> None:
        self.stopping = True
        for job in self.jobs:
            self._ask_to_stop(job)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = self.listener.accept()
            _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if user != os.getuid():
                connection.close()
                return
            connection.setblocking(False)
            self.connections.add(connection)
            self.selector.register(connection, selectors.EVENT_READ, "caller")

    def _read(self, connection: socket.socket) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(connection, node_client.MESSAGE, 4)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        job = next((job for job in self.jobs if job.connection is connection), None)
        if not data:
            self._forget(connection)
            if job:
                self._ask_to_stop(job)  # the caller is gone
            return
        try:
            if len(fds) == 4:
                self._take(connection, fds)
            else:
                self._command(connection, json.loads(data), job)
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            # Not this protocol, or descriptors that did not arrive. The nodes of other callers continue.
            print(f"node server: unreadable request, {type(error).__name__}: {error}", flush=True)
            for fd in fds:
                with contextlib.suppress(OSError):
                    os.close(fd)
            if not job:
                self._forget(connection)

    def _take(self, connection: socket.socket, fds: list[int]) -> None:
        """Queues the node that a caller requests; the request is a file behind the last descriptor."""
        with os.fdopen(fds.pop(), "rb") as file:
            file.seek(0)
            request = json.load(file)
        kinds = {"argv": list, "cwd": str, "env": dict}
        if not all(isinstance(request[name], kind) for name, kind in kinds.items()):
            raise TypeError(f"a request has {', '.join(kinds)}")
        self.used = time.monotonic()
        self.jobs.append(_Job(connection, request, fds))
        self._answer(connection, {"taken": True})

    def _command(self, connection: socket.socket, message: dict, job: _Job | None) -> None:
        if message["op"] == "signal" and job and job.pid:
            self._signal(job, message["number"])
        elif message["op"] == "signal" and job:
            self._finish(job, 128 + message["number"])
        elif message["op"] == "hello":
            self._answer(connection, {"ready": True})
        elif message["op"] == "status":
            self._answer(connection, self._status())
        elif message["op"] == "stop":
            self.stopping = True
            for each in self.jobs:
                self._ask_to_stop(each)
            self._answer(connection, {"pid": os.getpid()})
        else:
            raise ValueError(f"no such operation, or no node to send it to: {str(message)[:80]}")

    def _status(self) -> dict:
        process = psutil.Process()
        return {
            "pid": os.getpid(),
            "age": round(time.monotonic() - self.started),
            "served": self.served,
            "running": sum(bool(job.pid) for job in self.jobs),
            "waiting": sum(not job.pid for job in self.jobs),
            "memory": process.memory_info().rss,
            "files": process.num_fds(),
        }

    def _answer(self, connection: socket.socket, message: dict) -> None:
        with contextlib.suppress(OSError):
            node_client.send(connection, message)

    def _forget(self, connection: socket.socket) -> None:
        if connection in self.connections:
            self.connections.discard(connection)
            self.selector.unregister(connection)
            connection.close()

    def _start_waiting(self) -> None:
        for job in list(self.jobs):
            if job.pid == 0 and sum(bool(other.pid) for other in self.jobs) < CHILDREN:
                if job.asked_to_stop or self.stopping:
                    self._finish(job, 128 + signal.SIGTERM)
                    continue
                job.temporary = node_child.temporary_folder(job.request["env"])
                job.pid = os.fork()
                if job.pid == 0:
                    signal.set_wakeup_fd(-1)
                    ours = [self.listener, *self.connections]
                    node_child.become_node(job.request, job.fds, job.temporary, ours, self.run)
                with contextlib.suppress(OSError):
                    os.setpgid(job.pid, job.pid)  # parent and child both do it: whichever comes first
                for fd in job.fds:
                    os.close(fd)
                job.fds = []

    def _reap(self) -> None:
        while True:
            try:
                pid, state = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for job in [job for job in self.jobs if job.pid == pid]:
                self.served += 1
                self._signal(job, signal.SIGKILL)  # grandchildren that outlived the node
                self._finish(job, os.waitstatus_to_exitcode(state))

    def _finish(self, job: _Job, code: int) -> None:
        self.jobs.remove(job)
        for fd in job.fds:
            os.close(fd)
        if job.temporary:
            shutil.rmtree(job.temporary, ignore_errors=True)
        self.used = time.monotonic()
        self._answer(job.connection, {"exit": code if code >= 0 else 128 - code})
        self._forget(job.connection)

    def _ask_to_stop(self, job: _Job) -> None:
        if not job.asked_to_stop:
            job.asked_to_stop = time.monotonic()
            self._signal(job, signal.SIGTERM)

    def _kill_overdue(self) -> None:
        for job in self.jobs:
            if job.asked_to_stop and time.monotonic() - job.asked_to_stop > GRACE:
                self._signal(job, signal.SIGKILL)

    def _signal(self, job: _Job, number: int) -> None:
        if job.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(job.pid, number)


def _prepare() -> None:
    """Imports what every node needs."""
    importlib.import_module("pipelines.runner.tfx_launcher")


def _run(argv: list[str]) -> int:
    from pipelines import run_node

    return run_node.execute(run_node.parse(argv))


def main() -> int:
    if sys.argv[1:2] == ["serve"]:
        print(f"node server {os.getpid()} starts", flush=True)
        Server(Path(sys.argv[2]), _prepare, _run).serve()
        print(f"node server {os.getpid()} exits", flush=True)
    elif sys.argv[1:] == ["start"]:
        try:
            node_client.start()
        except node_client.NoServer as reason:
            print(f"node server: {reason}", file=sys.stderr)
            return 1
    elif sys.argv[1:] == ["status"]:
        print(json.dumps(node_client.status(), indent=1))
    elif sys.argv[1:] == ["stop"]:
        print(json.dumps({"stopped": node_client.stop()}))
    else:
        print("usage: python -m pipelines.runner.node_server serve SOCKET | start | status | stop", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
