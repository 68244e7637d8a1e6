"""The address of a database: read, checked, and never shown with its password."""

import sqlite3

import pytest

from components.core import paths
from components.core.validation import ConfigError
from components.registry import mlflow_db, postgresql

FULL = "postgresql://news:s3cret%40%2F@db.example:6543/meta?sslmode=require"


def configured(address: str):
    return postgresql.configured("X", {"X": address})


def test_an_address_is_read_with_its_escapes_and_shown_without_its_password():
    database = configured(FULL)
    assert (database.host, database.port, database.name) == ("db.example", 6543, "meta")
    assert (database.user, database.password, database.sslmode) == ("news", "s3cret@/", "require")
    assert str(database) == "postgresql://news@db.example:6543/meta"
    assert "s3cret" not in repr(database)
    assert database.sqlalchemy == "postgresql+psycopg2://news:s3cret%40%2F@db.example:6543/meta?sslmode=require"
    assert configured("postgresql+psycopg2://u@[::1]/d").sqlalchemy == "postgresql+psycopg2://u@[::1]:5432/d"


def test_without_an_address_there_is_no_server():
    assert postgresql.configured("X", {}) is None
    assert postgresql.configured("X", {"X": ""}) is None


@pytest.mark.parametrize(
    "address",
    [
        "s3cret",
        "mysql://u:s3cret@h/d",
        "postgresql://u:s3cret@h",
        "postgresql://u:s3cret@h/",
        "postgresql://u:s3cret@h/a/b",
        "postgresql://u:s3cret@/d",
        "postgresql://:s3cret@h/d",
        "postgresql://u:s3cret@h:port/d",
        "postgresql://u:s3cret@[h/d",
        "postgresql://u:s3cret@h/d?options=-c",
        "postgresql://u:s3cret@h/d?sslmode=maybe",
    ],
)
def test_any_other_address_is_refused_and_not_repeated(address):
    with pytest.raises(ConfigError, match=r"X must be postgresql://.* Received: an ") as error:
        configured(address)
    assert "s3cret" not in str(error.value)
    assert error.value.__cause__ is None


def test_mlflow_s_address_has_the_password_and_what_is_shown_has_not(monkeypatch):
    assert mlflow_db.address() == mlflow_db.shown() == f"sqlite:///{mlflow_db.path()}?timeout=60"
    monkeypatch.setenv(postgresql.MLFLOW, FULL)
    assert "s3cret" in mlflow_db.address()
    assert mlflow_db.shown() == "postgresql://news@db.example:6543/meta"


def test_a_file_is_asked_where_no_server_is_named():
    paths.ensure()
    with sqlite3.connect(mlflow_db.path()) as file:
        file.execute("CREATE TABLE t (name)")
        file.execute("INSERT INTO t VALUES ('a'), ('b')")
    assert mlflow_db.query("SELECT name FROM t WHERE name = ?", ("b",)) == [("b",)]


def test_a_server_that_does_not_answer_is_a_fault_without_the_password():
    fault = postgresql.fault(configured("postgresql://u:s3cret@127.0.0.1:1/d"))
    assert "127.0.0.1" in fault
    assert "s3cret" not in fault
