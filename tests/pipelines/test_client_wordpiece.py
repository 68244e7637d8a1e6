"""A model whose tokenizer is made of tensorflow_text's operations, in a consumer's process with and without that library."""

import subprocess
import sys

import components  # noqa: F401, it sets what TensorFlow reads at its own import

# isort: split
import encoder_kit
import pytest
import tensorflow as tf

from components.core import paths
from components.models import bert
from components.training import batching, export, loop

NETWORK = {
    "length": 12, "pooling": "mean", "trained": "none", "hidden": 0, "dropout": 0.0, "encoder_dropout": 0.0,
    "word_dropout": 0.0,
}  # fmt: skip
CONSUMER = """
import sys
if sys.argv[2] == "without": sys.modules["tensorflow_text"] = None
from pathlib import Path
from pipelines import client
try:
    model = client.load_model(Path(sys.argv[1]))
    import tensorflow as tf
    print(model.signatures["classify"](text=tf.constant(["goal coach"]))["probabilities"].numpy()[0].round(4).tolist())
except client.NoModel as error:
    print(error)
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """(folder, probabilities of "goal coach")."""
    folder = tmp_path_factory.mktemp("wordpiece")
    network = {**NETWORK, "encoder": encoder_kit.huggingface(folder / "encoder")}
    tokens = bert.build_vocabulary(None, network)
    model, tokenizer = bert.build_network(tokens, network, 4), bert.build_tokenizer(tokens, network)
    export.export(folder / "1", tokenizer, model, ["a", "b", "c", "d"])
    logits = loop.logits(model, batching.encode(tokenizer, encoder_kit.rows("goal coach")))
    return folder / "1", tf.nn.softmax(logits).numpy()[0].round(4).tolist()


def ask(folder, library: str) -> str:
    call = [sys.executable, "-c", CONSUMER, str(folder), library]
    return subprocess.run(call, capture_output=True, text=True, check=True, cwd=paths.REPOSITORY).stdout.strip()


def test_a_consumer_loads_it_without_being_told_of_the_library(exported):
    folder, expected = exported
    assert ask(folder, "with") == str(expected)


def test_a_consumer_without_the_library_is_told_what_to_install(exported):
    assert "install tensorflow-text" in ask(exported[0], "without")
