"""One node's process: what it says when the disk is full, and when ML Metadata's database is mended."""

import json
import os
import subprocess
import sys
import types

import pytest

from components.core import fileio, paths, run_record
from pipelines import run_node, runner
from pipelines.flow import FLOW
from pipelines.runner import mlmd_store, node_code

# A node in a process of its own, in which TFX's part is replaced: {body} is what the node does.
NODE = """
import sys, types
def launch(record, name, attempt, again):
    {body}
sys.modules["pipelines.runner.tfx_launcher"] = types.SimpleNamespace(launch=launch)
from pipelines.runner import mlmd_store as mlmd; from pipelines import run_node, runner
mlmd.ensure = lambda: 0
sys.exit(run_node.execute(run_node.parse(["--node", "Trainer", "--run-id", "run-1"])))
"""


def opened(run="run-1"):
    record = {
        "run": run,
        "config": {"line": "news", "family": "transformer", "labels": ["World", "Sports", "Business", "Sci/Tech"]},
        "champion": None,
        "encoders": {},
        **node_code.snapshot(),
    }
    paths.ensure()
    fileio.write_json(paths.run_dir(run) / "run.json", record)


@pytest.mark.parametrize(
    "body",
    ["raise OSError(28, 'No space left on device')", "print('epoch 1 ' * 9999, flush=True)"],
    ids=["the model cannot be written", "the log cannot be written"],
)
def test_a_full_disk_is_in_the_result_even_where_the_log_cannot_be_written(body):
    opened()
    with open("/dev/full", "w") as full:
        call = [sys.executable, "-c", NODE.format(body=body)]
        done = subprocess.run(
            call, stdout=subprocess.PIPE, stderr=full, cwd=paths.REPOSITORY, env=os.environ, check=False
        )
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["reasons"][0].startswith("the disk is full: ")
    assert (result["state"], done.returncode) == ("failed", 1)
    assert run_record.last_event("run-1", "Trainer")["headline"].startswith("the disk is full: ")


@pytest.fixture
def mended(monkeypatch):
    """How often ML Metadata's database was mended."""
    mended = []
    launched = types.SimpleNamespace(properties={}, state="done", uris={})
    stand_in = types.SimpleNamespace(launch=lambda *args: launched)
    monkeypatch.setitem(sys.modules, "pipelines.runner.tfx_launcher", stand_in)
    monkeypatch.setattr(runner, "tfx_launcher", stand_in, raising=False)  # where another test has imported it
    monkeypatch.setattr(mlmd_store, "ensure", lambda: 0)
    monkeypatch.setattr(mlmd_store, "mend", lambda: mended.append("mended"))
    monkeypatch.setattr(run_node.runs, "open_run", lambda run, *more: run_record.load(run))
    monkeypatch.setattr(run_node, "_skip", lambda *args: "")
    opened()
    return mended


def node(name, attempt):
    return run_node.execute(run_node.parse(["--node", name, "--run-id", "run-1", "--attempt", attempt]))


def test_metadata_is_mended_before_the_first_node_of_a_run_and_before_a_repeated_one(mended):
    assert node(FLOW[0].name, "1") == 0
    assert len(mended) == 1
    assert node("Trainer", "1") == 0
    assert len(mended) == 1
    assert node("Trainer", "2") == 0
    assert len(mended) == 2
