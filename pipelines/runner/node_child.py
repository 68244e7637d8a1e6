"""What a forked child of the node server does: it becomes the node that a caller requested."""

import contextlib
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

from pipelines.runner import node_process


def temporary_folder(env: Mapping[str, str]) -> str:
    """Makes a temporary folder for one node, in its caller's; empty if that fails.

    A node's process ends without Python's exit handlers, which would remove what libraries leave there: the server removes it.
    """
    try:
        return tempfile.mkdtemp(prefix="newsdesk-node-", dir=env.get("TMPDIR") or None)
    except OSError:
        return ""


def become_node(
    request: Mapping,
    fds: Iterable[int],
    temporary: str,
    sockets: Iterable[socket.socket],
    run: Callable[[list[str]], int],
) -> NoReturn:
    """Runs a node in this process, just forked, and ends the process with the node's exit code.

    request: `argv`, `cwd` and `env` of the caller. fds: its standard input, output and error. sockets: the server's, to be closed.
    """
    code = 1
    try:
        os.setpgid(0, 0)
        node_process.end_with_parent()()
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for target, fd in enumerate(fds):
            os.dup2(fd, target)
        for fd in fds:
            if fd > 2:
                os.close(fd)
        for each in sockets:
            each.close()
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        if temporary:
            os.environ["TMPDIR"] = temporary
        tempfile.tempdir = None  # read from the environment again
        code = run(request["argv"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
