"""The warm node server: TFX is imported once, and each node runs in a forked child of that process.

`call` is the client's side: it finds the server of this state folder and code version, or starts it, hands over its own
stdin, stdout and stderr, forwards signals and returns the node's exit code. Whenever that does not work it says so in one
line and runs the node itself. `python -m pipelines.node_server serve|status|stop` is the server's.

The socket lies in a private folder with a short path (a Unix socket's is limited to 107 bytes) and is named after state
folder and code, so a changed code, lock file or environment finds no server and starts its own; the old one leaves when
idle. Standard library only, until `serve` imports TFX.
"""

import array
import contextlib
import errno
import fcntl
import gc
import hashlib
import importlib
import json
import os
import resource
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines import home

IDLE = float(os.environ.get("NEWSDESK_SERVER_IDLE", 600))  # seconds without work after which the server leaves
CHILDREN = 4  # nodes at a time; more wait for their turn
START = 180.0  # seconds for the server to import everything
ANSWER = 30.0  # seconds for a living server to take a request; it may be importing something meanwhile
GRACE = 60.0  # seconds between SIGTERM and SIGKILL for a node whose caller is gone
_MESSAGE = 1 << 20  # bytes
_EXTRAS = ("great_expectations", "mlflow", "matplotlib.pyplot", "mlflow.store.tracking.sqlalchemy_store")


class NoServer(Exception):
    """The server cannot be reached; the message is the one line that says why."""


# --- where ------------------------------------------------------------------------------------------------------------


def folder() -> Path:
    """The private folder of this user's sockets.

    Raises:
        NoServer: it cannot be made, or belongs to somebody else.
    """
    path = Path(os.environ.get("NEWSDESK_SOCKETS") or Path(tempfile.gettempdir(), f"newsdesk-{os.getuid()}"))
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
        if status.st_uid != os.getuid() or status.st_mode & 0o077 or not path.is_dir() or path.is_symlink():
            raise NoServer(f"the socket folder must be this user's alone (mode 0700). Received: {path}")
        if not os.access(path, os.W_OK):
            raise NoServer(f"the socket folder must be writable. Received: {path}")
    except OSError as error:
        raise NoServer(f"the socket folder must be writable. Received: {path} ({error.strerror})") from error
    return path


def home_key() -> str:
    return hashlib.sha256(str(home.home()).encode()).hexdigest()[:10]


def code_key(environ: Mapping[str, str]) -> str:
    """A hash of all that the server imported: our code, the lock file, the installed packages, what libraries read from the environment."""
    digest = hashlib.sha256(sys.executable.encode())
    for name in ("components", "pipelines"):
        for path in sorted((home.REPOSITORY / name).rglob("*.py")):
            digest.update(path.read_bytes())
    lock = home.REPOSITORY / "docker" / "tfx.lock"
    digest.update(lock.read_bytes() if lock.exists() else b"")
    packages = Path(socket.__file__).parent if sys.prefix == sys.base_prefix else Path(sys.prefix, "lib")
    for path in sorted(packages.glob("python*/site-packages")):
        digest.update(str(path.stat().st_mtime_ns).encode())
    for name in sorted(environ):
        if name.startswith(("TF_", "OMP_", "CUDA_", "KMP_")):
            digest.update(f"{name}={environ[name]}".encode())
    return digest.hexdigest()[:10]


def socket_path() -> Path:
    return folder() / f"{home_key()}-{code_key(os.environ)}.sock"


# --- the caller's side ------------------------------------------------------------------------------------------------


def call(argv: list[str], otherwise: Callable[[], int]) -> int:
    """Runs a node's command line in the server and returns its exit code; `otherwise` runs it here if there is none."""
    try:
        connection = _connect_or_start()
    except NoServer as reason:
        print(f"node server: {reason}; this node imports for itself", file=sys.stderr, flush=True)
        return otherwise()
    with connection:
        request = {"op": "run", "argv": argv, "cwd": os.getcwd(), "env": dict(os.environ)}
        try:
            _send(connection, request, fds=[0, 1, 2])
            _receive(connection, ANSWER)  # taken: from here on the node is the server's
        except (OSError, ValueError, NoServer):
            with contextlib.suppress(OSError):
                socket_path().unlink()  # a hung server gets no more callers; it leaves once it sees that
            print("node server: does not answer; this node imports for itself", file=sys.stderr, flush=True)
            return otherwise()
        return _wait(connection)


def _wait(connection: socket.socket) -> int:
    """Waits for the exit code, forwarding signals meanwhile."""

    def forward(number, frame):
        with contextlib.suppress(OSError):
            _send(connection, {"op": "signal", "number": number})

    before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        return _receive(connection, None)["exit"]
    except (OSError, ValueError, NoServer):
        print("node server: it ended while this node was running; the attempt counts as failed", file=sys.stderr, flush=True)
        return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _connect_or_start() -> socket.socket:
    path = socket_path()
    found = _connect(path)
    if found:
        return found
    with open(path.with_suffix(".start"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two callers at once, one starts the server and the other finds it
        found = _connect(path)
        if found:
            return found
        home.ensure()
        print("node server: starting; it imports TensorFlow and TFX once for all nodes (about 20 s)", file=sys.stderr, flush=True)
        with open(home.home() / "node_server.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.node_server", "serve", str(path)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=home.REPOSITORY, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + START
        while time.monotonic() < end:
            found = _connect(path)
            if found:
                return found
            if process.poll() is not None:
                raise NoServer(f"did not start (exit code {process.returncode}, see {home.home() / 'node_server.log'})")
            time.sleep(0.1)
        process.kill()
        raise NoServer(f"did not start within {START:.0f} s")


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.settimeout(ANSWER)
        connection.connect(str(path))
        connection.settimeout(None)
        return connection
    except OSError as error:
        connection.close()
        if error.errno == errno.ECONNREFUSED:  # a socket that a killed server left behind
            with contextlib.suppress(OSError):
                path.unlink()
        return None


def _send(connection: socket.socket, message: dict, fds: list[int] | None = None) -> None:
    data = json.dumps(message).encode()
    if fds:
        # The message itself may exceed a packet, so it travels as a file; the packet carries descriptors only.
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            rights = array.array("i", [*fds, file.fileno()])
            connection.sendmsg([b"{}"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    else:
        connection.send(data)


def _receive(connection: socket.socket, timeout: float | None) -> dict:
    connection.settimeout(timeout)
    data = connection.recv(_MESSAGE)
    if not data:
        raise NoServer("closed the connection")
    return json.loads(data)


def ask(path: Path, op: str) -> dict:
    """Asks a server for its "status" or tells it to "stop".

    Raises:
        NoServer: nobody answers there.
    """
    connection = _connect(path)
    if not connection:
        raise NoServer("nobody listens")
    with connection:
        try:
            _send(connection, {"op": op})
            return _receive(connection, ANSWER)
        except OSError as error:
            raise NoServer("does not answer") from error


def servers() -> list[Path]:
    """Sockets of all servers of this state folder, of whatever code version."""
    try:
        return sorted(folder().glob(f"{home_key()}-*.sock"))
    except NoServer:
        return []


def status() -> list[dict]:
    """What each server of this state folder says of itself; one that does not answer is listed with `error`."""
    told = []
    for path in servers():
        try:
            told.append({"socket": str(path), **ask(path, "status")})
        except NoServer as error:
            told.append({"socket": str(path), "error": str(error)})
    return told


def stop(grace: float = 30.0) -> list[int]:
    """Ends all servers of this state folder; one that does not obey is killed. Returns their process ids."""
    ended = []
    for path in servers():
        pid = _pid_of(path)
        with contextlib.suppress(NoServer):
            pid = ask(path, "stop")["pid"]
        end = time.monotonic() + grace
        while pid and _is_server(pid) and time.monotonic() < end:
            time.sleep(0.05)
        if pid and _is_server(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ended += [pid] if pid else []
        remove(path)
    return ended


def remove(path: Path) -> None:
    """Takes away what a server leaves in the socket folder."""
    for suffix in (".sock", ".start", ".pid"):
        path.with_suffix(suffix).unlink(missing_ok=True)


def _pid_of(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        pid = int(path.with_suffix(".pid").read_text())
        return pid if _is_server(pid) else None
    return None


def _is_server(pid: int) -> bool:
    """Whether this process id is still a node server: ids are reused."""
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" and b"pipelines.node_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


# --- the server's side ------------------------------------------------------------------------------------------------


@dataclass
class _Job:
    """One node: its caller's connection, the child's process id, and when it was told to end (monotonic seconds)."""

    connection: socket.socket
    request: dict
    fds: list[int]
    pid: int = 0
    told: float = 0.0


class Server:
    """Takes requests, forks a child for each, and tells the caller its exit code. One thread, so that forking is safe."""

    def __init__(self, path: Path, prepare: Callable[[], None], run: Callable[[list[str]], int]):
        self.path, self.run = path, run
        self.jobs: list[_Job] = []
        self.connections: set[socket.socket] = set()
        self.served, self.started, self.used, self.stopping = 0, time.monotonic(), time.monotonic(), False
        self.extras = list(_EXTRAS)
        self.environ = dict(os.environ)  # as callers have it: importing the libraries changes it
        prepare()
        gc.collect()
        gc.freeze()  # the collector must not touch, and so copy, pages that children share
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
        os.rename(aside, path)  # callers find a socket that listens, or none
        self.selector.register(self.listener, selectors.EVENT_READ, "listener")

    def serve(self) -> None:
        """Works until idle too long, told to stop, out of date or replaced."""
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
                    importlib.import_module(self.extras.pop(0))  # while a node works; later children have it for nothing
        with contextlib.suppress(OSError):
            if self.path.stat().st_ino == self.inode:
                self.path.unlink()
                self.path.with_suffix(".pid").unlink()

    def _unwanted(self) -> bool:
        """Nothing to do for long, or the socket is no longer ours, or the code changed since the import."""
        if time.monotonic() - self.used > IDLE:
            return True
        try:
            return self.path.stat().st_ino != self.inode or code_key(self.environ) not in self.path.name
        except OSError:
            return True

    def _end(self, number, frame) -> None:
        self.stopping = True
        for job in self.jobs:
            self._tell(job)

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
            data, ancillary, _, _ = connection.recvmsg(_MESSAGE, socket.CMSG_SPACE(4 * 4))
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        fds = [fd for _, kind, raw in ancillary if kind == socket.SCM_RIGHTS for fd in array.array("i", raw)]
        job = next((job for job in self.jobs if job.connection is connection), None)
        if not data:
            self._forget(connection)
            if job:
                self._tell(job)  # the caller is gone: its node ends
        elif len(fds) == 4:
            with os.fdopen(fds.pop(), "rb") as file:
                file.seek(0)
                request = json.load(file)
            self.used = time.monotonic()
            self.jobs.append(_Job(connection, request, fds))
            self._answer(connection, {"taken": True})
        else:
            self._command(connection, json.loads(data), job)

    def _command(self, connection: socket.socket, message: dict, job: _Job | None) -> None:
        if message["op"] == "signal" and job and job.pid:
            self._signal(job, message["number"])
        elif message["op"] == "signal" and job:
            self._finish(job, 128 + message["number"])
        elif message["op"] == "status":
            self._answer(connection, self._status())
        elif message["op"] == "stop":
            self.stopping = True
            for each in self.jobs:
                self._tell(each)
            self._answer(connection, {"pid": os.getpid()})

    def _status(self) -> dict:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {
            "pid": os.getpid(), "age": round(time.monotonic() - self.started), "served": self.served,
            "running": sum(bool(job.pid) for job in self.jobs), "waiting": sum(not job.pid for job in self.jobs),
            "memory": pages * resource.getpagesize(), "files": len(os.listdir("/proc/self/fd")),
        }  # fmt: skip

    def _answer(self, connection: socket.socket, message: dict) -> None:
        with contextlib.suppress(OSError):
            _send(connection, message)

    def _forget(self, connection: socket.socket) -> None:
        if connection in self.connections:
            self.connections.discard(connection)
            self.selector.unregister(connection)
            connection.close()

    def _start_waiting(self) -> None:
        for job in list(self.jobs):
            if job.pid == 0 and sum(bool(other.pid) for other in self.jobs) < CHILDREN:
                if job.told or self.stopping:
                    self._finish(job, 128 + signal.SIGTERM)
                    continue
                job.pid = os.fork()
                if job.pid == 0:
                    self._child(job)
                with contextlib.suppress(OSError):
                    os.setpgid(job.pid, job.pid)  # parent and child both say so: whoever comes first
                for fd in job.fds:
                    os.close(fd)
                job.fds = []

    def _child(self, job: _Job) -> None:
        """Becomes the node: the caller's descriptors, folder and environment, a process group of its own."""
        code = 1
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for target, fd in enumerate(job.fds):
                os.dup2(fd, target)
            for fd in job.fds:
                if fd > 2:
                    os.close(fd)
            self.listener.close()
            for connection in self.connections:
                connection.close()
            os.chdir(job.request["cwd"])
            os.environ.clear()
            os.environ.update(job.request["env"])
            code = self.run(job.request["argv"])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

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
                self._signal(job, signal.SIGKILL)  # grandchildren that outlived their node
                self._finish(job, os.waitstatus_to_exitcode(state))

    def _finish(self, job: _Job, code: int) -> None:
        self.jobs.remove(job)
        for fd in job.fds:
            os.close(fd)
        self.used = time.monotonic()
        self._answer(job.connection, {"exit": code if code >= 0 else 128 - code})
        self._forget(job.connection)

    def _tell(self, job: _Job) -> None:
        if not job.told:
            job.told = time.monotonic()
            self._signal(job, signal.SIGTERM)

    def _kill_overdue(self) -> None:
        for job in self.jobs:
            if job.told and time.monotonic() - job.told > GRACE:
                self._signal(job, signal.SIGKILL)

    def _signal(self, job: _Job, number: int) -> None:
        if job.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(job.pid, number)


def _prepare() -> None:
    """Imports what every node needs."""
    importlib.import_module("pipelines.launch")


def _run(argv: list[str]) -> int:
    from pipelines import run_node

    return run_node.execute(run_node.parse(argv))


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    print(f"node server {os.getpid()} starts", flush=True)
    yield
    print(f"node server {os.getpid()} leaves", flush=True)


def main() -> int:
    if sys.argv[1:2] == ["serve"]:
        with _logged():
            Server(Path(sys.argv[2]), _prepare, _run).serve()
    elif sys.argv[1:] == ["status"]:
        print(json.dumps(status(), indent=1))
    elif sys.argv[1:] == ["stop"]:
        print(json.dumps({"stopped": stop()}))
    else:
        print("usage: python -m pipelines.node_server serve SOCKET | status | stop", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
