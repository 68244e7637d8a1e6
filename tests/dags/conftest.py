"""Airflow's settings for the tests of this folder; they run in the Airflow environment, where no TFX is installed."""

import importlib.util
import os
import tempfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
collect_ignore_glob = [] if importlib.util.find_spec("airflow") else ["test_*.py"]

# Airflow reads these when it is first imported, which is before any fixture runs.
_folder = tempfile.mkdtemp(prefix="newsdesk-airflow-")
os.environ.update(
    AIRFLOW_HOME=_folder,
    AIRFLOW__CORE__DAGS_FOLDER=str(REPOSITORY / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(REPOSITORY / "dags" / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_folder}/airflow.db",
)

FAKE_DOOR = """#!{python}
import json, os, signal, subprocess, sys, time
arguments = sys.argv[3:]
with open({record!r}, "a") as file:
    file.write(json.dumps({{"arguments": arguments, "environment": dict(os.environ)}}) + "\\n")
print("a line of the log", file=sys.stderr, flush=True)
{body}
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A state folder of the test's own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("NEWSDESK_HOME", str(folder))
    return folder


@pytest.fixture
def fake_door(tmp_path, monkeypatch):
    """Puts a script in the place of the TFX Python: `fake_door(body)` returns the file that records its calls."""
    import sys

    def make(body: str) -> Path:
        record, script = tmp_path / "calls.jsonl", tmp_path / "door"
        script.write_text(FAKE_DOOR.format(python=sys.executable, record=str(record), body=body))
        script.chmod(0o700)
        monkeypatch.setenv("NEWSDESK_TFX_PYTHON", str(script))
        return record

    return make
