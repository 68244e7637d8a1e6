"""Spark's answers are DuckDB's, row for row; and what keeps it from answering is said in words."""

import filecmp
import random
import socket
import sys
import types
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import spark_kit
from data_kit import Ingested, articles, source, span
from spark_kit import cluster, needs_spark, quick_java  # noqa: F401, fixtures
from test_row_decisions import one_by_one, stored

from components.core.validation import ConfigError
from components.data import row_decisions, row_engine, spark_engine


def decide(folder: Path, rows, spark: str = ""):
    folder.mkdir()
    stored(folder / "rows.parquet", rows)
    with row_engine.on(spark):
        return row_decisions.decide(folder / "rows.parquet", folder)


def many_rows():
    """Test files, leaks, duplicates, conflicts and labelled files with the same texts; in the form of `test_row_decisions`."""
    rng = random.Random(1)
    kinds = ["test", "train", "labelled", "train", "labelled", "labelled", "train"]
    return [(kind, [(rng.randrange(1, 10) if kind != "test" else rng.randrange(2), rng.randrange(3)) for _ in range(40)]) for kind in kinds]  # fmt: skip


@pytest.mark.slow
@needs_spark
@pytest.mark.usefixtures("quick_java")
def test_a_cluster_decides_as_duckdb_does_and_as_a_walk_through_all_rows(cluster, tmp_path):  # noqa: F811
    rows = many_rows()
    here, there = decide(tmp_path / "here", rows), decide(tmp_path / "there", rows, cluster)
    assert here.leaked and here.conflicts and here.learned_rows and {3, 4} < {place for _, place in here.by_file}
    for name in ("by_file", "leaked", "conflicts", "learned_rows"):
        assert getattr(there, name) == getattr(here, name), name
    assert pq.read_table(there.kept) == pq.read_table(here.kept)
    assert pq.read_table(there.texts[0]) == pq.read_table(here.texts[0])
    kept, leaked, conflicts, learned = one_by_one(rows)
    assert [tuple(row.values()) for row in pq.read_table(there.kept).to_pylist()] == kept
    assert (there.leaked, there.conflicts, [key for part in there.learned() for key in part]) == (leaked, conflicts, learned)  # fmt: skip


@pytest.mark.slow
@needs_spark
@pytest.mark.usefixtures("quick_java")
def test_the_ingester_writes_the_same_files_through_a_cluster(cluster, tmp_path, capfd):  # noqa: F811
    rows = articles(400)
    folder = source(tmp_path / "s", [*rows, (9, "a", "b"), *rows[:20]], test=[*articles(50, seed=2), *rows[:5]])
    span(folder, "2026-11-20", [(label % 4 + 1, *text) for label, *text in rows[100:140]])
    made = []
    for name, spark in (("here", ""), ("there", cluster)):
        with row_engine.on(spark):
            made.append(Ingested(folder, tmp_path / name, fresh_fraction=0.3, fresh_from="dated"))
    assert made[0].account["rows"]["quarantined"] == 1 and made[0].account["leaked"] and made[0].account["conflicts"]
    assert made[0].account == made[1].account
    names = sorted(p.relative_to(tmp_path / "here") for p in (tmp_path / "here").rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(tmp_path / "there") for p in (tmp_path / "there").rglob("*") if p.is_file())
    assert filecmp.cmpfiles(tmp_path / "here", tmp_path / "there", names, shallow=False) == (names, [], [])
    assert "WARN" not in "".join(capfd.readouterr())


@pytest.mark.slow
@needs_spark
@pytest.mark.usefixtures("quick_java")
def test_a_cluster_without_workers_is_refused_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr(spark_engine, "_WORKER", 1.0)
    with (
        spark_kit.running(tmp_path, 0) as address,
        pytest.raises(row_engine.EngineError, match=r"a worker within 1 s.*Received: none"),
    ):
        decide(tmp_path / "rows", [("train", [(1, 0)])], address)
    import pyspark

    assert pyspark.SparkContext._active_spark_context is None


@pytest.mark.slow
@needs_spark
@pytest.mark.usefixtures("quick_java", "waits_end")
def test_a_cluster_that_loses_all_its_workers_is_refused_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr(spark_engine, "_WORKER", 30.0)  # for the first one to start, too
    monkeypatch.setattr(spark_engine, "_LOOK", 0.1)
    started = []
    with (
        spark_kit.running(tmp_path, 1, started) as address,
        pytest.raises(row_engine.EngineError, match=r"a worker within 1 s.*Received: none"),
        spark_engine.opened(address, tmp_path) as engine,
    ):
        monkeypatch.setattr(spark_engine, "_WORKER", 1.0)
        started[1].terminate()
        engine.fetch("SELECT sum(hash(id)) FROM range(1000000000000)")  # no end while a worker lives


def test_a_master_that_does_not_answer_is_named_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(spark_engine, "_check_installed", lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(row_engine.EngineError) as refused:
        decide(tmp_path / "rows", [("train", [(1, 0)])], f"spark://127.0.0.1:{port}")
    assert f"127.0.0.1:{port}: [Errno 111] Connection refused" in str(refused.value) and "remove it" in str(
        refused.value
    )


def test_what_is_not_installed_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with (
        pytest.raises(ConfigError, match=r"PySpark.*make spark"),
        row_engine.on("local[1]"),
        row_engine.opened(tmp_path),
    ):
        pass
    monkeypatch.setitem(sys.modules, "pyspark", types.ModuleType("pyspark"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with (
        pytest.raises(ConfigError, match=r"Java 17 or 21.*openjdk"),
        row_engine.on("local[1]"),
        row_engine.opened(tmp_path),
    ):
        pass


def test_of_several_masters_one_that_answers_is_enough():
    with socket.create_server(("127.0.0.1", 0)) as standby:
        spark_engine._check_reachable("", [("127.0.0.1", "1"), ("127.0.0.1", str(standby.getsockname()[1]))])
