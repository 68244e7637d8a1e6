"""The client of the warm node server, `node_server.py`: finds it, starts it, hands it a node, or runs the node without it.

`call` passes its own stdin, stdout and stderr to the server, forwards signals and returns the node's exit code. If the server
cannot be used, it logs one line and runs the node itself.

The socket is in a private folder with a short path (a Unix socket's path is limited to 107 bytes) and is named after the state
folder and the code. Changed code, packages or environment therefore start a new server; the old one exits when idle.
"""

import contextlib
import errno
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from components.core import errors, fileio, paths

START = 180.0  # seconds for the server to import everything
ANSWER = 30.0  # seconds for a living server to accept a request; it may be busy importing
MESSAGE = 1 << 20  # bytes of one message


class NoServer(Exception):
    """The server cannot be reached; the message gives the reason in one line."""


def folder() -> Path:
    """The private folder of this user's sockets; made if it is missing.

    Raises:
        NoServer: it cannot be made, or another user owns it.
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
    return hashlib.sha256(str(paths.home()).encode()).hexdigest()[:10]


def code_key(environ: Mapping[str, str]) -> str:
    """A hash of what the server imported: the project's code, the installed packages and the variables that libraries read."""
    digest = hashlib.sha256(sys.executable.encode())
    for name in ("components", "pipelines"):
        for path in sorted((paths.REPOSITORY / name).rglob("*.py")):
            digest.update(path.read_bytes())
    # Names and versions of what is installed. The folder's own time would change whenever Python compiles a module in it.
    for name in sorted(path.name for path in Path(sysconfig.get_paths()["purelib"]).glob("*.dist-info")):
        digest.update(f"{name}\n".encode())
    for name in sorted(environ):
        if name.startswith(("TF_", "OMP_", "CUDA_", "KMP_")):
            digest.update(f"{name}={environ[name]}".encode())
    return digest.hexdigest()[:10]


def socket_path() -> Path:
    return folder() / f"{home_key()}-{code_key(os.environ)}.sock"


def call(argv: list[str], otherwise: Callable[[], int]) -> int:
    """Runs a node's command line in the server and returns its exit code; calls `otherwise` if there is no server."""
    try:
        connection = _connect_or_start()
    except (NoServer, errors.HomeError, OSError) as reason:
        _say(f"unavailable ({reason}); running this node in its own process, which is about 20 s slower")
        return otherwise()
    with connection:
        request = {"op": "run", "argv": argv, "cwd": os.getcwd(), "env": dict(os.environ)}
        try:
            # Only a server that answers gets the descriptors: in the queue of a hung one they would keep our output open for ever.
            send(connection, {"op": "hello"})
            receive(connection, ANSWER)
            send(connection, request, fds=[0, 1, 2])
            receive(connection, ANSWER)  # accepted: from here on the server runs the node
        except (OSError, ValueError, NoServer):
            with contextlib.suppress(OSError):
                socket_path().unlink()  # a hung server gets no more callers; it exits when it notices
            _say("does not answer; running this node in its own process, which is about 20 s slower")
            return otherwise()
        return _wait(connection)


def start() -> None:
    """Makes sure that a server runs for the nodes to come.

    Raises:
        NoServer: it cannot be started.
    """
    _connect_or_start().close()


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the log's disk may be full
        print(f"node server: {text}", file=sys.stderr, flush=True)


def _wait(connection: socket.socket) -> int:
    """Waits for the exit code, forwarding signals meanwhile."""

    def forward(number, frame):
        with contextlib.suppress(OSError):
            send(connection, {"op": "signal", "number": number})

    before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        return receive(connection, None)["exit"]
    except (OSError, ValueError, NoServer):
        _say("ended while this node was running; the attempt counts as failed")
        return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _connect_or_start() -> socket.socket:
    path = socket_path()
    connection = connect(path)
    if connection:
        return connection
    # Of two simultaneous callers, one starts the server and the other finds it.
    with fileio.locked(path.with_suffix(".start")):
        connection = connect(path)
        if connection:
            return connection
        paths.ensure()
        _say("starting; it imports TensorFlow and TFX once for all nodes (about 20 s)")
        with open(paths.home() / "node_server.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.runner.node_server", "serve", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=paths.REPOSITORY,
                start_new_session=True,
            )
        end = time.monotonic() + START
        while time.monotonic() < end:
            connection = connect(path)
            if connection:
                return connection
            if process.poll() is not None:
                raise NoServer(
                    f"it did not start (exit code {process.returncode}, see {paths.home() / 'node_server.log'})"
                )
            time.sleep(0.1)
        process.kill()
        raise NoServer(f"it did not start within {START:.0f} s")


def connect(path: Path) -> socket.socket | None:
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


def send(connection: socket.socket, message: dict, fds: list[int] | None = None) -> None:
    data = json.dumps(message).encode()
    if fds:
        # The message itself may exceed a packet, so it travels as a file; the packet carries descriptors only.
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            socket.send_fds(connection, [b"{}"], [*fds, file.fileno()])
    else:
        connection.send(data)


def receive(connection: socket.socket, timeout: float | None) -> dict:
    connection.settimeout(timeout)
    data = connection.recv(MESSAGE)
    if not data:
        raise NoServer("it closed the connection")
    return json.loads(data)


def ask(path: Path, op: str) -> dict:
    """Sends a server the operation "status" or "stop" and returns its answer.

    Raises:
        NoServer: nothing answers there.
    """
    connection = connect(path)
    if not connection:
        raise NoServer("no server listens there")
    with connection:
        try:
            send(connection, {"op": op})
            return receive(connection, ANSWER)
        except OSError as error:
            raise NoServer("the server does not answer") from error


def servers() -> list[Path]:
    """Sockets of all servers of this state folder, for any version of the code."""
    try:
        return sorted(folder().glob(f"{home_key()}-*.sock"))
    except NoServer:
        return []


def status() -> list[dict]:
    """The status of each server of this state folder; `error` for one that does not answer."""
    answers = []
    for path in servers():
        try:
            answers.append({"socket": str(path), **ask(path, "status")})
        except NoServer as error:
            answers.append({"socket": str(path), "error": str(error)})
    return answers


def stop(grace: float = 30.0) -> list[int]:
    """Stops all servers of this state folder; kills one that does not stop in `grace` seconds. Returns their pids."""
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
    """Removes the files of a server from the socket folder."""
    for suffix in (".sock", ".start", ".pid"):
        path.with_suffix(suffix).unlink(missing_ok=True)


def _pid_of(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        pid = int(path.with_suffix(".pid").read_text())
        return pid if _is_server(pid) else None
    return None


def _is_server(pid: int) -> bool:
    """Whether this pid is still a node server: pids are reused."""
    with contextlib.suppress(psutil.Error):
        return "pipelines.runner.node_server" in psutil.Process(pid).cmdline()  # a zombie has no command line
    return False
