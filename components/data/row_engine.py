"""The engine that runs the statements of `row_decisions`: DuckDB in this process, or a Spark cluster.

Which one it is changes where rows are compared and not what comes of it. So it is no parameter of the Ingester, whose parameters
are in its cache key, but a setting of the process, made around the node (`on`).
"""

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

_spark: ContextVar[str] = ContextVar("spark", default="")


class EngineError(RuntimeError):
    """The engine cannot be reached, or gave up."""


class Engine(Protocol):
    """Tables by name, and queries over them in the SQL that both engines know; a context manager.

    together: rows that it can decide about at once.
    """

    together: int

    def view(self, name: str, files: Sequence[Path], where: str = "TRUE") -> None:
        """The rows of Parquet files that fulfil a condition, as a table that is read anew by each query."""

    def table(self, name: str, query: str) -> None:
        """The result of a query, as a table that is computed once."""

    def fetch(self, query: str) -> list[tuple]:
        """The result of a query, which must be small."""

    def write(self, query: str, file: Path) -> None:
        """The result of a query, as one Parquet file, in the query's order."""


@contextlib.contextmanager
def on(spark: str) -> Iterator[None]:
    """Within it rows are decided about on this Spark cluster. spark: its address; empty: on DuckDB."""
    before = _spark.set(spark)
    try:
        yield
    finally:
        _spark.reset(before)


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Engine]:
    """The engine that was chosen. folder: for its own files.

    Raises:
        EngineError: the cluster cannot be reached.
        ConfigError: what Spark needs is not installed here.
    """
    if _spark.get():
        from components.data import spark_engine

        with spark_engine.opened(_spark.get(), folder) as engine:
            yield engine
    else:
        from components.data import duckdb_engine

        with duckdb_engine.DuckDB(folder) as engine:
            yield engine
