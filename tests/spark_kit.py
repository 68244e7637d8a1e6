"""For tests of a Spark cluster: a standalone master and its workers as processes of this machine, from PySpark's own package."""

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

PATIENCE = 180.0  # seconds for a master to start and its workers to join
_LAUNCH = "org.apache.spark.deploy.{}"
MISSING = [
    name
    for name, found in (("PySpark", importlib.util.find_spec("pyspark")), ("Java", shutil.which("java")))
    if not found
]
needs_spark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; see make spark")
# Quick to start, slow to compute; in every Java process that a test starts.
QUICK = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


@contextlib.contextmanager
def running(folder: Path, workers: int, started: list[subprocess.Popen] | None = None) -> Iterator[str]:
    """A cluster on free ports of the loopback, with one core a worker; its address.

    folder: for the workers' files. started: gets the processes, the master first.
    """
    started = [] if started is None else started
    late = threading.Timer(PATIENCE, lambda: [process.kill() for process in started])
    late.start()
    try:
        master = _start(started, folder, "master.Master")
        address = _line(master, r"Starting Spark master at (spark://\S+)")
        for number in range(workers):
            options = ["--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work-{number}"), address]
            _start(started, folder, "worker.Worker", *options)
        for _ in range(workers):
            _line(master, "Registering worker")
        late.cancel()
        threading.Thread(target=master.stderr.read, daemon=True).start()  # a full pipe would stop it
        yield address
    finally:
        late.cancel()
        for process in reversed(started):  # the workers end their executors
            process.terminate()
        for process in started:
            process.wait()


def _start(started: list, folder: Path, what: str, *options: str) -> subprocess.Popen:
    import pyspark

    home = Path(pyspark.__file__).parent
    command = [
        home / "bin" / "spark-class",
        _LAUNCH.format(what),
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--webui-port",
        "0",
    ]
    environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_DIRS": str(folder), **QUICK}
    errors = subprocess.PIPE if what == "master.Master" else subprocess.DEVNULL
    started.append(subprocess.Popen([*command, *options], env=environment, stdout=subprocess.DEVNULL, stderr=errors))
    return started[-1]


def _line(process: subprocess.Popen, pattern: str) -> str:
    """Reads what a process says up to a line with the pattern; its first group, or all that matched."""
    said = []
    for line in iter(process.stderr.readline, b""):
        said.append(line.decode(errors="replace"))
        if found := re.search(pattern, said[-1]):
            return found[found.re.groups]
    raise AssertionError(f"Spark's master ended without {pattern!r}:\n{''.join(said[-20:])}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[str]:
    """The address of a master with two workers."""
    with running(tmp_path_factory.mktemp("spark"), 2) as address:
        yield address


@pytest.fixture
def quick_java(monkeypatch):
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
