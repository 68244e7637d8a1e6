"""A PostgreSQL and a Redis server of a test's own, which it may stop and start; the programs must be installed."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class PostgreSQL:
    """A new cluster on a free port of this machine alone; its superuser is `postgres`, without a password."""

    def __init__(self, folder: Path, programs: Path):
        self.folder, self.programs, self.port = folder, programs, free_port()

    def call(self, program: str, *words: str) -> None:
        # The server refuses to run as root.
        user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        with open(self.folder / "commands.log", "ab") as log:
            subprocess.run(
                [str(self.programs / program), *words], check=True, stdout=log, stderr=log, cwd=self.folder, **user
            )

    def make(self) -> None:
        self.call("initdb", "--pgdata", str(self.folder / "data"), "--username=postgres", "--auth=trust", "--no-sync")

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200"
        log = str(self.folder / "server.log")
        self.call(
            "pg_ctl", "start", "--wait", "--pgdata", str(self.folder / "data"), "--options", options, "--log", log
        )

    def stop(self) -> None:
        self.call("pg_ctl", "stop", "--wait", "--mode=immediate", "--pgdata", str(self.folder / "data"))

    def address(self, database: str, scheme: str = "postgresql", host: str = "127.0.0.1") -> str:
        return f"{scheme}://postgres@{host}:{self.port}/{database}"


class Redis:
    """A server on a free port of this machine alone, which keeps its data where it is stopped and started."""

    def __init__(self, folder: Path):
        self.folder, self.port, self.process = folder, free_port(), None

    def start(self) -> None:
        call = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self.folder),
            "--appendonly",
            "yes",
        ]
        with open(self.folder / "redis.log", "ab") as log:
            self.process = subprocess.Popen(call, stdout=log, stderr=log)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def postgresql_programs() -> Path | None:
    """Where the newest installed server's programs are; None where none is installed, or none that this user may run."""
    if os.getuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return None
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not folders and (program := shutil.which("initdb")):
        folders = [Path(program).parent]
    return max(folders, default=None)


@contextlib.contextmanager
def servers() -> Iterator[tuple[PostgreSQL, Redis]]:
    """Both servers, running; skips the test where one of them is not installed."""
    programs = postgresql_programs()
    if programs is None or not shutil.which("redis-server"):
        pytest.skip("PostgreSQL's server programs or redis-server are not installed")
    # Not pytest's folder: the server's own user must be able to enter it.
    with tempfile.TemporaryDirectory(prefix="newsdesk-servers-") as name:
        folder = Path(name)
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        postgres, redis = PostgreSQL(folder, programs), Redis(folder)
        postgres.make()
        postgres.start()
        redis.start()
        try:
            yield postgres, redis
        finally:
            redis.stop()
            with contextlib.suppress(subprocess.CalledProcessError):  # stopped by the test
                postgres.stop()
