"""MLflow's database is there whole or not at all, and the first who made it keeps it."""

import contextlib
import sqlite3
from urllib.parse import parse_qs, urlsplit

import pytest

from components.core import paths
from components.registry import mlflow_db


def upgrade(text, then=lambda: None):
    """Stands for MLflow's own command: writes the file at the address that it is given."""

    def make(address):
        with open(address.removeprefix("sqlite:///"), "x") as file:
            file.write(text)
            then()

    return make


def full():
    raise OSError(28, "No space left on device")


def test_what_ends_half_way_leaves_nothing_and_the_next_makes_it(newsdesk_home):
    with pytest.raises(OSError, match="No space left"):
        mlflow_db.ensure(upgrade("half", full))
    assert not mlflow_db.path().exists()
    mlflow_db.ensure(upgrade("whole"))
    assert mlflow_db.path().read_text() == "whole"
    assert list(paths.staging_dir().iterdir()) == []


def test_it_is_made_once_also_by_two_at_a_time(newsdesk_home):
    def other():
        mlflow_db.ensure(upgrade("the first"))

    mlflow_db.ensure(upgrade("the second", then=other))
    mlflow_db.ensure(upgrade("the third"))
    assert mlflow_db.path().read_text() == "the first"


def test_who_reads_does_not_keep_others_from_writing_and_who_writes_waits(newsdesk_home):
    paths.ensure()
    mlflow_db.ensure(lambda address: sqlite3.connect(address.removeprefix("sqlite:///")).close())
    with contextlib.closing(sqlite3.connect(mlflow_db.path())) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    (options,) = parse_qs(urlsplit(mlflow_db.address()).query)["timeout"]
    assert float(options) >= 30
