"""The caller's side of a node process: which command runs a node, and how that process is kept.

The node itself runs as `python -m pipelines.run_node` in the TFX environment. Standard library only.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from components.core import paths, progress
from components.core.states import ExitCode

SILENT = 10  # seconds without a line of a node after which its log says that it still works
GRACE = 60  # seconds between SIGTERM and SIGKILL: time for one training step and its checkpoint
# Only these reach a node: a secret in the scheduler's environment has no way into a log or an artifact.
_KEPT = (
    *("HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"),
    *("SSL_CERT_DIR", "SSL_CERT_FILE"),
    *("JAVA_HOME", "SPARK_CONF_DIR", "SPARK_LOCAL_IP"),
    # By name, not by "NEWSDESK_": NEWSDESK_SMTP_PASSWORD is the scheduler's alone.
    *("NEWSDESK_COLD", "NEWSDESK_EVENTS", "NEWSDESK_HOME", "NEWSDESK_SERVER_IDLE"),
    *("NEWSDESK_SOCKETS", "NEWSDESK_TFX_PYTHON"),
    # With passwords: the nodes are who writes to these databases.
    *("NEWSDESK_METADATA_DATABASE", "NEWSDESK_MLFLOW_DATABASE"),
)
# Where `NEWSDESK_STORE` names an object store, which the nodes write to: the store's address and credentials.
_STORE = "NEWSDESK_STORE"
_STORE_PREFIXES = ("AWS_", "AZURE_", "GOOGLE_")
# An address with a user's name or password in it stays behind.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
# Not the whole of "TF_": Terraform keeps secrets in TF_VAR_….
# OpenLineage's and OpenTelemetry's keys too: the nodes are who sends events.
_KEPT_PREFIXES = (
    "LC_",
    "OMP_",
    "OPENLINEAGE_",
    "OTEL_",
    "TF_CPP_",
    "TF_ENABLE_",
    "TF_NUM_",
    "TF_XLA_",
    "CUDA_",
    "NVIDIA_",
    "XDG_",
)
_LINE_LIMIT = 1 << 16  # bytes without a line end after which a piece is handed on
_RESULT_LIMIT = 1 << 20  # bytes of standard output that are looked at, from its end
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def tfx_python() -> str:
    """The Python that runs nodes: `NEWSDESK_TFX_PYTHON`, or the one in `.venv/` of the repository."""
    return os.environ.get("NEWSDESK_TFX_PYTHON") or str(paths.REPOSITORY / ".venv" / "bin" / "python")


def command(
    node: str, run_id: str, config: Mapping[str, Any], attempt: str = "", owner: int | None = None, python: str = ""
) -> list[str]:
    """The argument list that runs one node; user input is one JSON argument and never passes through a shell.

    attempt: a text that differs whenever the scheduler starts the same node of the same run again.
    owner: the process that all nodes of the run are children of, if there is one: the line's lease ends with it.
    python: the interpreter, where it is not the one of `tfx_python`.
    """
    call = [python or tfx_python(), "-m", "pipelines.run_node", "--node", node, "--run-id", run_id]
    call += ["--attempt", attempt] if attempt else []
    call += ["--owner", str(owner)] if owner else []
    return [*call, "--config", json.dumps(config, sort_keys=True)]


def environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a node's process sees of the caller's environment, with the state folder made explicit."""
    environ = os.environ if environ is None else environ
    kept = {name: value for name, value in environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    if environ.get(_STORE):
        kept |= {name: value for name, value in environ.items() if name == _STORE or name.startswith(_STORE_PREFIXES)}
    kept |= {name: environ[name] for name in _PROXIES if name in environ and "@" not in environ[name]}
    return {**kept, "NEWSDESK_HOME": str(paths.home()), "PYTHONUNBUFFERED": "1"}


def start(call: list[str], output: Any, errors: Any = subprocess.PIPE) -> subprocess.Popen:
    """Starts a node in a process group of its own, with standard output in the file `output` and standard error piped.

    The group stays in the caller's session, so that whoever ends the session finds it.
    """
    caller, die_with_caller = os.getpid(), end_with_parent()

    def prepare():
        os.setpgid(0, 0)
        die_with_caller()
        if os.getppid() != caller:  # the caller died before the line above
            os._exit(ExitCode.FAILED)

    return subprocess.Popen(  # preexec_fn: Python 3.10 has no other way to set the group or the signal
        call,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        cwd=paths.REPOSITORY,
        env=environment(),
        preexec_fn=prepare,
    )


@contextlib.contextmanager
def warm_up() -> Iterator[None]:
    """Within it, the node server starts and imports TensorFlow and TFX while the caller starts Airflow.

    Nothing waits for it, and a failure is none: the first node starts the server that it does not find.
    """
    process = None
    if not os.environ.get("NEWSDESK_COLD"):
        with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:
            process = start([tfx_python(), "-m", "pipelines.runner.node_server", "start"], nowhere, nowhere)
    try:
        yield
    finally:
        if process:
            process.terminate()
            process.wait()


def end_with_parent() -> Callable[[], Any]:
    """A call that makes the kernel send SIGTERM to this process when its parent ends, even by SIGKILL; does nothing but on Linux."""
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def follow(process: subprocess.Popen, say: Callable[[str], None], progress_file: Path | None = None) -> int:
    """Hands each line of standard error to `say` as it comes, and returns the exit code once the process has ended.

    A process that is silent gets a line of its own every `SILENT` seconds, with the last of `progress_file` where it reports there.
    A grandchild that still holds the pipe (the warm node server) does not keep it waiting.
    """
    rest, pipe = b"", process.stderr.fileno()
    started = heard = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            ended = process.poll() is not None
            if selector.select(0 if ended else 0.2):
                block = os.read(pipe, 1 << 16)
                if not block:
                    break
                *lines, rest = (rest + block).split(b"\n")
                if len(rest) > _LINE_LIMIT:
                    lines, rest = [*lines, rest], b""
                for line in lines:
                    say(line.decode("utf-8", "replace").rstrip("\r"))
                heard = time.monotonic()
            elif ended:
                break
            elif time.monotonic() - heard >= SILENT:
                heard = time.monotonic()
                say(progress.still_working(heard - started, progress_file))
    process.wait()
    if rest:
        say(rest.decode("utf-8", "replace"))
    return process.returncode


def result(output: Any) -> dict:
    """The JSON object on the last line of a node's standard output; empty where there is none."""
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _RESULT_LIMIT))
    lines = output.read().decode("utf-8", "replace").strip().splitlines()
    try:
        value = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def run(
    call: list[str],
    say: Callable[[str], None],
    started: Callable[[int], None] = lambda group: None,
    progress_file: Path | None = None,
) -> tuple[int, dict]:
    """Runs a node to its end and returns its exit code and its JSON result.

    started: called with the process group once it exists. progress_file: where the node reports its progress. An exception that arrives meanwhile (a timeout, Ctrl-C) stops the
    node cleanly first and is then raised.
    """
    with tempfile.TemporaryFile() as output:
        process = start(call, output)
        try:
            started(process.pid)
            code = follow(process, say, progress_file)
        except BaseException:
            killer = stop(process.pid)
            process.wait()
            if killer:
                killer.wait()
            raise
        finally:
            process.stderr.close()
        return code, result(output)


def stop(group: int, grace: float = GRACE) -> subprocess.Popen | None:
    """Asks a process group to end (SIGTERM) and returns; a small process of its own sends SIGKILL after `grace` seconds.

    That process is returned, None where the group was gone already. The scheduler kills a task that is slow to leave after
    five seconds, so the waiting cannot happen in the task.
    """
    if not _signal(group, signal.SIGTERM):
        return None
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.runner.node_process", str(group), str(grace)],
        cwd=paths.REPOSITORY,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=os.setpgrp,
    )


def kill_after(group: int, grace: float) -> None:
    """Waits until a process group is gone, at most `grace` seconds, then kills it."""
    end = time.monotonic() + grace
    while time.monotonic() < end:
        if not _signal(group, 0):
            return
        time.sleep(0.1)
    _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    kill_after(int(sys.argv[1]), float(sys.argv[2]))
