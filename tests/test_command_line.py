"""The installed command, whole: a real process, a real warm server, a real data verdict."""

import json
import subprocess
import sys

import pytest

from components.core import locks
from components.registry import model_registry
from pipelines.runner import node_client

pytestmark = pytest.mark.slow


def newsdesk(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli.main", *words], capture_output=True, text=True, check=False
    )


def test_a_data_check_reports_file_line_column_and_value_and_moves_no_pointer(tmp_path, small_demo):
    source = tmp_path / "source"
    source.mkdir()
    rows = next(small_demo.glob("span=*/train.csv")).read_text().splitlines()
    rows[41] = '"9","Out of range","A label that no class has."'
    (source / "train.csv").write_text("\n".join(rows) + "\n")
    try:
        done = newsdesk("data", "check", str(source), "--set", "data.min_rows=10")
        assert done.returncode == 3, done.stderr
        assert f"{source / 'train.csv'}, line 42, column label" in done.stdout
        assert "'9'" in done.stdout
        assert model_registry.champion("news") is None
        assert locks.holder("news") is None
        again = newsdesk("data", "check", str(small_demo), "--set", "data.min_rows=10", "--json")
        assert again.returncode == 0, again.stderr
        assert json.loads(again.stdout)["decision"] in ("pass", "warn")
        (server,) = node_client.status()
        assert server["served"] >= 10
        doctor = newsdesk("doctor", "--json")
        assert any("nodes served" in finding["says"] for finding in json.loads(doctor.stdout))
    finally:
        node_client.stop()
