"""A Spark cluster. The files of a run must have the same path on every worker as here: a file system that all of them share.

Spark is driven by a Java process of its own, which ends with the session. What it writes goes to a file, and from there into the
message if it fails.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.core.validation import ConfigError
from components.data.row_engine import EngineError

_CONNECT = 10.0  # seconds for a connection to the master
_WORKER = 120.0  # seconds without a worker that serves this application: another one may hold all of them
_LOOK = 1.0  # seconds between two looks at the workers
_END = 30.0  # seconds for the Java process to end
_BATCH = 1 << 17  # rows that are copied together
_LOG_LINES = 12  # of Spark's log, in the message
# Spark has no unsigned numbers: it reads a uint64 as this, which holds each of them exactly.
_UNSIGNED = pa.decimal128(20, 0)


class Spark:
    """An `Engine`, in a session of `opened`. folder: for tables."""

    together = sys.maxsize  # the cluster divides rows itself

    def __init__(self, session, folder: Path):
        self.session, self.folder = session, folder

    def view(self, name: str, files: Sequence[Path], where: str = "TRUE") -> None:
        read = self.session.read.parquet(*map(_address, files))
        read.where(where).createOrReplaceTempView(name)

    def table(self, name: str, query: str) -> None:
        # In a file, so that a worker may be lost; and Spark gives a cached table 200 partitions, however few its rows are.
        file = self.folder / f"{name}.table"
        self.session.sql(query).write.parquet(_address(file), mode="overwrite")
        self.view(name, [file])

    def fetch(self, query: str) -> list[tuple]:
        return [tuple(row) for row in self.session.sql(query).collect()]

    def write(self, query: str, file: Path) -> None:
        parts = file.with_suffix(".parts")  # each worker writes its own
        self.session.sql(query).write.parquet(_address(parts))
        _join(sorted(parts.glob("part-*.parquet")), file)
        shutil.rmtree(parts)


@contextlib.contextmanager
def opened(master: str, folder: Path) -> Iterator[Spark]:
    """The engine on a cluster. master: spark://HOST:PORT, or local[N] for N threads of the Java process. folder: for its own files.

    Raises:
        ConfigError: PySpark or Java is not installed here.
        EngineError: the cluster cannot be reached, gives no worker, or gave up.
    """
    _check_installed()
    addresses = re.findall(r"([^/,]+):(\d+)", master)  # several: standby masters
    if addresses:
        _check_reachable(master, addresses)
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    here = all(re.match(r"localhost$|127\.", host) for host, _ in addresses)
    log, lost = folder / "spark.log", threading.Event()
    with contextlib.ExitStack() as ending:
        try:
            session = _session(master, here, folder, log, ending)
            if addresses:
                _await_worker(session, master)
                ending.enter_context(_watched(session, lost))
            yield Spark(session, folder)
        except (PySparkException, Py4JError, ConnectionError) as error:
            if lost.is_set():
                raise _no_worker(master) from error
            received = " ".join(str(error).splitlines()[:2])  # of a Java error the first line says only where
            said = [line for line in log.read_text(errors="replace").splitlines() if not line.startswith("\tat ")]
            last = "\n  ".join(said[-_LOG_LINES:])
            raise EngineError(
                f"Spark at {master} must take the work and finish it. It must be of this version, {_version()}, run on Java 17 "
                f"or 21, and see {folder} by this path. Received: {received or type(error).__name__}. Its log ends:\n  {last}"
            ) from error


def _session(master: str, here: bool, folder: Path, log: Path, ending: contextlib.ExitStack):
    """A session and its Java process, which end with the stack: after an error was put into words, which asks Java.

    here: master and workers are on this machine. log: for what the process writes.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    settings = {
        "spark.master": master,
        "spark.app.name": "newsdesk",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": str(folder / "spark"),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    if here:  # else it listens where the workers can reach it
        settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
    with open(log, "wb") as out:
        gateway = launch_gateway(conf, {"stdout": out, "stderr": out})
    ending.callback(_end, gateway)
    session = SparkSession(SparkContext(conf=conf, gateway=gateway))
    ending.callback(_stop, session)
    return session


def _stop(session) -> None:
    with contextlib.suppress(Exception):  # its Java process may be gone, and an error be on its way
        session.stop()


def _end(gateway) -> None:
    """Ends the Java process, which PySpark would keep for the next session."""
    from pyspark import SparkContext

    SparkContext._gateway = SparkContext._jvm = None
    with contextlib.suppress(Exception):
        gateway.shutdown()
    gateway.proc.stdin.close()  # what it waits for
    try:
        gateway.proc.wait(_END)
    except subprocess.TimeoutExpired:
        gateway.proc.kill()
        gateway.proc.wait()


def _check_installed() -> None:
    try:
        import pyspark  # noqa: F401
    except ImportError:
        raise ConfigError("engine.spark needs PySpark, which is not installed here: make spark") from None
    home = os.environ.get("JAVA_HOME")
    if not shutil.which(f"{home}/bin/java" if home else "java"):
        raise ConfigError(
            "engine.spark needs Java 17 or 21 on the path, or JAVA_HOME. On Debian: apt-get install openjdk-17-jre-headless "
            f"(Debian 13: openjdk-21-jre-headless). Received: JAVA_HOME={home or ''!r}, no {'bin/' if home else ''}java"
        )


def _check_reachable(master: str, addresses: list[tuple[str, str]]) -> None:
    """Raises EngineError where no master answers: Spark itself would say so only after a minute, and in many words."""
    reasons = []
    for host, port in addresses:
        try:
            socket.create_connection((host, int(port)), _CONNECT).close()
            return
        except OSError as error:
            reasons.append(f"{host}:{port}: {error}")
    raise EngineError(
        f"the Spark master at {master} must answer within {_CONNECT:g} s. Received: {'; '.join(reasons)}. Start it, correct "
        "engine.spark in newsdesk.toml, or remove it: DuckDB then does the same in the node itself"
    )


def _await_worker(session, master: str) -> None:
    """Raises EngineError where the cluster gives this application no worker: its jobs would wait for one without end."""
    end = time.monotonic() + _WORKER
    while not _workers(session):
        if time.monotonic() > end:
            raise _no_worker(master)
        time.sleep(0.1)


@contextlib.contextmanager
def _watched(session, lost: threading.Event) -> Iterator[None]:
    """Ends the jobs and sets `lost` where all workers were lost and none came back: Spark would wait for one without end."""
    ended = threading.Event()

    def watch() -> None:
        seen = time.monotonic()
        while not ended.wait(_LOOK):
            if _workers(session):
                seen = time.monotonic()
            elif time.monotonic() > seen + _WORKER:
                lost.set()
                session.sparkContext.cancelAllJobs()
                return

    def quietly() -> None:
        with contextlib.suppress(Exception):  # the Java process is gone, which the one who works with it is told
            watch()

    watching = threading.Thread(target=quietly, daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()


def _workers(session) -> int:
    """How many processes of the cluster serve this application."""
    return len(session.sparkContext._jsc.sc().statusTracker().getExecutorInfos()) - 1  # the first one is this process


def _no_worker(master: str) -> EngineError:
    return EngineError(
        f"Spark at {master} must give this application a worker within {_WORKER:g} s. Received: none. Its page, usually "
        "at port 8080, shows whether workers are there, have 1 GiB of memory left, and who holds them"
    )


def _version() -> str:
    import pyspark

    return pyspark.__version__


def _address(path: Path) -> str:
    return f"file://{path.resolve()}"  # else a cluster looks in its default file system


def _join(parts: list[Path], file: Path) -> None:
    """Copies Parquet files into one, with the columns' types as DuckDB has them."""
    schema = pa.schema(
        [(field.name, pa.uint64() if field.type == _UNSIGNED else field.type) for field in pq.read_schema(parts[0])]
    )
    with pq.ParquetWriter(file, schema) as writer:
        for part in parts:
            with pq.ParquetFile(part) as read:
                # Newer versions of pyarrow refuse to read a file without rows.
                for batch in read.iter_batches(_BATCH) if read.metadata.num_row_groups else ():
                    writer.write_table(pa.Table.from_batches([batch]).cast(schema))
