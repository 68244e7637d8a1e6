"""A whole retraining with ML Metadata and MLflow on a PostgreSQL server: rows in the databases, no password anywhere else.

Needs a server that this user may make databases on: NEWSDESK_TEST_POSTGRESQL, default postgresql://postgres@127.0.0.1:5432/postgres.
"""

import contextlib
import dataclasses
import json
import os
import sqlite3
import uuid

import pytest

from components.core import paths
from components.registry import mlflow_db, postgresql
from pipelines import run_node
from pipelines.flow import FLOW
from pipelines.operations import doctor_databases, doctor_line, lineage
from pipelines.runner import mlmd_store

pytestmark = pytest.mark.slow
SERVER = postgresql.configured(
    "SERVER", {"SERVER": os.environ.get("NEWSDESK_TEST_POSTGRESQL") or "postgresql://postgres@127.0.0.1:5432/postgres"}
)
PASSWORD = "s3cret@pw"
SETTINGS = {
    "gates.floor": 0.5, "gates.min_rows": 100, "gates.max_flips": 0.49, "gates.flip_margin": 0.49, "gates.alpha": 1e-9,
    "data.min_rows": 100,
}  # fmt: skip


def statement(sql: str) -> None:
    """Outside a transaction, as CREATE DATABASE wants it."""
    import psycopg2

    with contextlib.closing(
        psycopg2.connect(
            host=SERVER.host, port=SERVER.port, dbname=SERVER.name, user=SERVER.user, password=SERVER.password
        )
    ) as connection:
        connection.autocommit = True
        connection.cursor().execute(sql)


@pytest.fixture
def databases(monkeypatch):
    """Two new databases, named by the environment, with a role that logs in with a password."""
    trouble = postgresql.fault(SERVER)
    if trouble:
        pytest.skip(f"no PostgreSQL server: {trouble}")
    names = {variable: f"newsdesk_test_{uuid.uuid4().hex[:8]}" for variable in (postgresql.METADATA, postgresql.MLFLOW)}
    role = f"newsdesk_test_{uuid.uuid4().hex[:8]}"
    statement(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    try:
        for variable, name in names.items():
            statement(f"CREATE DATABASE {name} OWNER {role}")
            address = f"postgresql://{role}:{PASSWORD.replace('@', '%40')}@{SERVER.host}:{SERVER.port}/{name}"
            monkeypatch.setenv(variable, address)
        yield {variable: postgresql.configured(variable) for variable in names}
    finally:
        for name in names.values():
            statement(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        statement(f"DROP ROLE {role}")


def test_a_database_that_the_server_does_not_have_is_created_once(databases):
    name = f"newsdesk test {uuid.uuid4().hex[:8]}"  # quoted by the server's own rules
    made = dataclasses.replace(SERVER, name=name)
    try:
        assert postgresql.create(made)
        assert postgresql.query(made, "SELECT current_database()") == [(name,)]
        assert not postgresql.create(made)
    finally:
        statement(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def node(name: str, config: dict, capsys) -> tuple[int, dict]:
    code = run_node.execute(run_node.parse(["--node", name, "--run-id", "first", "--config", json.dumps(config)]))
    return code, json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_a_whole_retraining_keeps_its_records_in_the_two_databases(databases, small_demo, capsys):
    config = {"source": str(small_demo), "preset": "linear", "set": SETTINGS}
    for each in FLOW:
        code, result = node(each.name, config, capsys)
        assert code in (0, 99), result
    outcome = node("close", {}, capsys)[1]["outcome"]
    assert outcome["state"] == "released", outcome["reasons"]

    metadata, mlflow = databases[postgresql.METADATA], databases[postgresql.MLFLOW]
    [(executions,)] = postgresql.query(metadata, "SELECT count(*) FROM execution")
    assert executions == sum(1 for each in mlmd_store.executions(mlmd_store.connect(), "news", "first"))
    assert executions >= len(FLOW) - 3
    assert postgresql.query(mlflow, "SELECT name, version FROM model_versions") == [("news", 1)]
    assert not mlmd_store.database().exists()
    assert not mlflow_db.path().exists()

    assert doctor_line.behind("news") == ""
    found = {what: (ok, says) for what, ok, says in doctor_databases.databases()}
    assert found["ML Metadata's database"] == (True, f"{metadata} answers")
    assert found["MLflow's database"] == (True, f"{mlflow} answers")
    assert len(lineage.collect("news", 1)["nodes"]) == executions
    assert not list(paths.staging_dir().iterdir())

    for path in paths.home().rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            assert PASSWORD.encode() not in content, path
            assert PASSWORD.replace("@", "%40").encode() not in content, path


def test_a_new_database_goes_on_above_the_artifacts_that_are_there(databases):
    (paths.home() / "artifacts" / "news" / "Trainer" / "model" / "41").mkdir(parents=True)
    assert doctor_databases.metadata_fault().endswith("and artifacts up to 41 are there")
    assert mlmd_store.ensure() == 41
    assert (mlmd_store.ensure(), mlmd_store.last_id(), doctor_databases.metadata_fault()) == (0, 41, "")
    (paths.home() / "artifacts" / "news" / "Trainer" / "model" / "50").mkdir()
    assert "gives out ids from 42 on" in doctor_databases.metadata_fault()
    assert [done for done, _ in doctor_databases.repair_metadata()] == [True]
    assert mlmd_store.last_id() == 50


def test_a_server_that_does_not_answer_ends_a_node_with_its_reason_and_is_a_finding(monkeypatch):
    monkeypatch.setenv(postgresql.METADATA, f"postgresql://u:{PASSWORD.replace('@', '%40')}@127.0.0.1:1/d")
    with pytest.raises(
        mlmd_store.DatabaseDamaged, match=r"must answer. Received: postgresql://u@127.0.0.1:1/d: "
    ) as error:
        mlmd_store.ensure()
    assert "s3cret" not in str(error.value)
    [(what, ok, says)] = doctor_databases.databases()
    assert (what, ok) == ("ML Metadata's database", False)
    assert "does not answer" in says
    with pytest.raises(sqlite3.Error):
        mlflow_db.query("SELECT 1 FROM model_versions")
