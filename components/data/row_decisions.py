"""Which rows stay, and in which split: queries over the table of all rows, for DuckDB and for Spark (`row_engine`).

The text of a row takes no part: rows are equal when their keys are (`text_cleaning.row_key`), and a row's own place follows from its
key. So the queries compare whole numbers only, in SQL that both engines read the same way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from components.data import row_engine
from components.data.row_store import DRAWN_TEST, batches

# place: 0 train, 1 eval, 2 test drawn by hash, 3 fresh, 4 row of a test file (`row_store.PLACES`).
# Rows of test files all stay. No other row may have the text of one (a leak).
_TESTED = "SELECT DISTINCT key FROM rows WHERE place = 4"
# A fresh row is taken from the last file that holds it, because labels are corrected later.
_FRESH = "SELECT key, max(file) AS file FROM rows WHERE drawn GROUP BY key"
# Of the others, the first of each text and label stays. A place follows from the key, so `min` only names it; `n` and `file` grow
# together, so the least of both are of one row.
_PART = """
SELECT n, file, key, place FROM rows WHERE place = 4
UNION ALL
SELECT min(n), min(file), key, CAST(3 AS TINYINT) FROM rows JOIN fresh USING (key, file)
WHERE place <> 4 AND NOT EXISTS (SELECT 1 FROM tested WHERE tested.key = rows.key)
GROUP BY key
UNION ALL
SELECT min(n), min(file), key, min(place) FROM rows
WHERE place <> 4
  AND NOT EXISTS (SELECT 1 FROM tested WHERE tested.key = rows.key)
  AND NOT EXISTS (SELECT 1 FROM fresh WHERE fresh.key = rows.key)
GROUP BY key, label
"""
_TABLES = {"tested": _TESTED, "fresh": _FRESH, "part": _PART}  # in this order
_LEAKED = "SELECT count(*) FROM rows WHERE place <> 4 AND EXISTS (SELECT 1 FROM tested WHERE tested.key = rows.key)"
_KEPT = "SELECT n, file, place FROM part"
# copies: the labels with which a text stays.
_TEXTS = """
SELECT key, min(place) AS place, count(*) AS copies FROM part WHERE place NOT IN (3, 4) GROUP BY key ORDER BY key
"""
# Conflicts, and texts in train and eval.
_COUNTS = "SELECT CAST(coalesce(sum(copies - 1), 0) AS BIGINT), count(CASE WHEN place <> 2 THEN 1 END) FROM texts"
_IN_ORDER = "SELECT n, place FROM kept ORDER BY n"
_BY_FILE = "SELECT file, place, count(*) FROM kept GROUP BY file, place"


@dataclass(frozen=True)
class Decisions:
    """What was decided about the rows.

    kept: Parquet file of (n int64, place int8) of the rows that stay, in order. texts: Parquet files of (key uint64, place int8,
    copies int64) of the different texts in train, eval and a drawn test split, sorted by key. by_file: {(file, place): rows that
    stay}. leaked: rows with the text of a test row. conflicts: rows that stay though their text did before, with another label.
    learned_rows: texts in train and eval.
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
    """Decides about the rows of a `row_store` file, on the engine that was chosen. folder: for the results and the engine's own files.

    Raises:
        row_engine.EngineError, ConfigError: as `row_engine.opened`.
    """
    leaked, conflicts, learned = 0, 0, 0
    kept, parts, texts = folder / "kept.parquet", [], []
    with row_engine.opened(folder) as engine:
        # Equal rows have one key, so each range of keys is decided about by itself; keys are hashes, so ranges are alike.
        ranges = max(1, -(-pq.read_metadata(rows).num_rows // engine.together))
        for first, end in pairwise(2**64 * at // ranges for at in range(ranges + 1)):
            engine.view("rows", [rows], f"key >= {first} AND key <= {end - 1}")
            for name, query in _TABLES.items():
                engine.table(name, query)
            parts.append(folder / f"part-{len(parts)}.parquet")
            engine.write(_KEPT, parts[-1])
            texts.append(folder / f"texts-{len(texts)}.parquet")
            engine.write(_TEXTS, texts[-1])
            engine.view("texts", texts[-1:])
            ((more_leaked,),) = engine.fetch(_LEAKED)
            ((more_conflicts, more_learned),) = engine.fetch(_COUNTS)
            leaked, conflicts, learned = leaked + more_leaked, conflicts + more_conflicts, learned + more_learned
        engine.view("kept", parts)
        engine.write(_IN_ORDER, kept)
        by_file = {(file, place): count for file, place, count in engine.fetch(_BY_FILE)}
    return Decisions(kept, texts, by_file, leaked, conflicts, learned)
