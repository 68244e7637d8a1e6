"""Shared by all tests of the TFX environment: Keras 2, warnings that are not ours, a state folder of its own a test."""

import components  # noqa: F401  # first: it sets what TensorFlow reads from the environment at its import

# isort: split
import pytest

from components.data import demo_corpus


@pytest.fixture(autouse=True)
def newsdesk_home(tmp_path, monkeypatch):
    """A state folder of its own for each test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("NEWSDESK_HOME", str(folder))
    monkeypatch.setenv("NEWSDESK_SOCKETS", str(tmp_path / "sockets"))
    return folder


@pytest.fixture(scope="session")
def small_demo(tmp_path_factory):
    """A demo source of 1,200 articles."""
    return demo_corpus.write(tmp_path_factory.mktemp("demo") / "source", articles=1_200)
