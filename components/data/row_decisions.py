"""Which rows stay, and in which split: statements over the table of all rows, run by DuckDB, out of core.

The text of a row takes no part: rows are equal when their keys are (`text_cleaning.row_key`), and a row's own place follows from its
key. So the statements compare whole numbers only, and another engine that reads Parquet can run them as they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq

from components.data.row_store import DRAWN_TEST, batches

_MEMORY = "96MB"  # what is larger goes to a temporary file
_THREADS = 2
# Rows that are decided about together: what a statement must hold at once does not grow with all rows.
_PART = 4_000_000

# place: 0 train, 1 eval, 2 test drawn by hash, 3 fresh, 4 row of a test file (`row_store.PLACES`).
# Rows of test files all stay. No other row may have the text of one (a leak).
_TESTED = "CREATE OR REPLACE TABLE tested AS SELECT DISTINCT key FROM rows WHERE place = 4"
# A fresh row is taken from the last file that holds it, because labels are corrected later.
_FRESH = "CREATE OR REPLACE TABLE fresh AS SELECT key, max(file) AS file FROM rows WHERE drawn GROUP BY key"
# Of the others, the first of each text and label stays. A place follows from the key, so `min` only names it; `n` and `file` grow
# together, so the least of both are of one row.
_KEPT = """
CREATE OR REPLACE TABLE part AS
SELECT n, file, key, place FROM rows WHERE place = 4
UNION ALL
SELECT min(n), min(file), key, 3 FROM rows JOIN fresh USING (key, file)
WHERE place <> 4 AND NOT EXISTS (SELECT 1 FROM tested WHERE tested.key = rows.key)
GROUP BY key
UNION ALL
SELECT min(n), min(file), key, min(place) FROM rows
WHERE place <> 4
  AND NOT EXISTS (SELECT 1 FROM tested WHERE tested.key = rows.key)
  AND NOT EXISTS (SELECT 1 FROM fresh WHERE fresh.key = rows.key)
GROUP BY key, label
"""
_LEAKED = "SELECT count(*) FROM rows WHERE place <> 4 AND EXISTS (SELECT 1 FROM tested WHERE tested.key = rows.key)"
_KEPT_TABLE = "CREATE TABLE kept (n BIGINT, file INTEGER, place TINYINT)"
_ADDED = "INSERT INTO kept SELECT n, file, place FROM part"
_BY_FILE = "SELECT file, place, count(*) FROM kept GROUP BY file, place"
_IN_ORDER = "SELECT n, place FROM kept ORDER BY n"
# copies: the labels with which a text stays.
_TEXTS = """
SELECT key, min(place) AS place, count(*) AS copies FROM part WHERE place NOT IN (3, 4) GROUP BY key ORDER BY key
"""
_CONFLICTS = "SELECT coalesce(sum(copies - 1), 0) FROM texts"
_LEARNED_ROWS = "SELECT count(*) FROM texts WHERE place <> 2"


@dataclass(frozen=True)
class Decisions:
    """What was decided about the rows.

    kept: Parquet file of (n, place) of the rows that stay, in order. texts: Parquet files of (key, place, copies) of the
    different texts in train, eval and a drawn test split, sorted by key. by_file: {(file, place): rows that stay}. leaked: rows with the text
    of a test row. conflicts: rows that stay though their text did before, with another label. learned_rows: texts in train and eval.
    """

    kept: Path
    texts: list[Path]
    by_file: dict[tuple[int, int], int]
    leaked: int
    conflicts: int
    learned_rows: int

    def learned(self) -> Iterator[np.ndarray]:
        """The keys of the texts in train and eval, sorted, some at a time."""
        for path in self.texts:
            for batch in batches(path):
                yield batch.column(0).to_numpy()[batch.column(1).to_numpy() != DRAWN_TEST]


def decide(rows: Path, folder: Path) -> Decisions:
    """Decides about the rows of a `row_store` file. folder: for the engine's own files."""
    kept, texts, leaked, conflicts, learned = folder / "kept.parquet", [], 0, 0, 0
    parts = max(1, -(-pq.read_metadata(rows).num_rows // _PART))
    edges = [2**64 * part // parts for part in range(parts + 1)]
    config = {
        "threads": _THREADS,
        "memory_limit": _MEMORY,
        "temp_directory": str(folder / "spilled"),
        "preserve_insertion_order": False,  # what needs an order asks for it
    }
    with duckdb.connect(str(folder / "rows.duckdb"), config=config) as engine:
        engine.execute(_KEPT_TABLE)
        # Equal rows have one key, so each range of keys is decided about by itself; keys are hashes, so ranges are alike.
        for first, end in pairwise(edges):
            own = f"key >= {first} AND key <= {end - 1}"
            engine.read_parquet(str(rows)).filter(own).create_view("rows", replace=True)
            for statement in (_TESTED, _FRESH, _KEPT, _ADDED):
                engine.execute(statement)
            texts.append(folder / f"texts-{len(texts)}.parquet")
            engine.sql(_TEXTS).write_parquet(str(texts[-1]))
            engine.read_parquet(str(texts[-1])).create_view("texts", replace=True)
            leaked += engine.execute(_LEAKED).fetchone()[0]
            conflicts += int(engine.execute(_CONFLICTS).fetchone()[0])
            learned += engine.execute(_LEARNED_ROWS).fetchone()[0]
        engine.sql(_IN_ORDER).write_parquet(str(kept))
        by_file = {(file, place): count for file, place, count in engine.execute(_BY_FILE).fetchall()}
        return Decisions(kept, texts, by_file, leaked, conflicts, learned)
