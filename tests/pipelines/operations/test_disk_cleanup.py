"""`make clean` frees what is made again by itself, and nothing else."""

import pytest

from components.core import paths
from pipelines.operations import disk_cleanup


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path / "repository")
    monkeypatch.setenv("NEWSDESK_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("ENVIRONMENTS", raising=False)
    for name in (
        "repository/.ruff_cache/x",
        "repository/pipelines/__pycache__/x",
        "repository/.venv/x",
        "repository/pipelines/a.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x" * 5000)
    for name in (
        "staging/run/x",
        "airflow/logs/x",
        "serving/news/1/x",
        "registry/news/champion.json",
        "artifacts/x",
        "mlflow.db",
    ):
        (tmp_path / "state" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "state" / name).write_text("x" * 5000)
    return tmp_path


def left(tree):
    return {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}


def test_caches_leftovers_and_logs_go_and_models_stay(tree, capsys):
    assert disk_cleanup.main() == 0
    assert left(tree) == {
        "repository/.venv/x", "repository/pipelines/a.py", "state/serving/news/1/x", "state/registry/news/champion.json",
        "state/artifacts/x", "state/mlflow.db",
    }  # fmt: skip
    assert "in 4 folders" in capsys.readouterr().out


def test_a_run_under_way_keeps_its_staging_folder_and_logs(tree):
    (tree / "state/registry/news/run.lock").write_text("{}")
    disk_cleanup.main()
    assert {"state/staging/run/x", "state/airflow/logs/x"} <= left(tree)


def test_the_environments_go_only_when_asked_for(tree, monkeypatch):
    monkeypatch.setenv("ENVIRONMENTS", "1")
    disk_cleanup.main()
    assert "repository/.venv/x" not in left(tree)


def test_a_link_is_neither_followed_nor_removed(tree):
    (tree / "repository/.hypothesis").symlink_to(tree / "state/serving")
    disk_cleanup.main()
    assert "state/serving/news/1/x" in left(tree) and (tree / "repository/.hypothesis").is_symlink()
