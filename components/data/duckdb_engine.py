"""DuckDB in this process; beyond its memory limit it writes to the given folder."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import duckdb

_MEMORY = "96MB"  # what is larger goes to a temporary file
_THREADS = 2


class DuckDB(contextlib.AbstractContextManager):
    """An `Engine`. folder: for the database and what it spills."""

    # What one statement must hold at once does not grow with all rows.
    together = 4_000_000

    def __init__(self, folder: Path):
        config = {
            "threads": _THREADS,
            "memory_limit": _MEMORY,
            "temp_directory": str(folder / "spilled"),
            "preserve_insertion_order": False,  # what needs an order asks for it
        }
        self.connection = duckdb.connect(str(folder / "rows.duckdb"), config=config)

    def __exit__(self, *error) -> None:
        self.connection.close()

    def view(self, name: str, files: Sequence[Path], where: str = "TRUE") -> None:
        read = self.connection.read_parquet([str(file) for file in files])
        read.filter(where).create_view(name, replace=True)

    def table(self, name: str, query: str) -> None:
        self.connection.execute(f"CREATE OR REPLACE TABLE {name} AS {query}")

    def fetch(self, query: str) -> list[tuple]:
        return self.connection.execute(query).fetchall()

    def write(self, query: str, file: Path) -> None:
        self.connection.sql(query).write_parquet(str(file))
