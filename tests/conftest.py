"""Shared by all tests of the TFX environment: Keras 2, warnings that are not ours, a state folder of its own a test."""

import components  # noqa: F401  # first: it sets what TensorFlow reads from the environment at its import

# isort: split
import signal
import threading
from pathlib import Path

import pytest
from store_kit import s3, s3_server, store  # noqa: F401, fixtures

from components.core import fileio
from components.data import demo_corpus


@pytest.fixture(autouse=True)
def newsdesk_home(tmp_path, monkeypatch):
    """A state folder of its own for each test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("NEWSDESK_HOME", str(folder))
    monkeypatch.delenv("NEWSDESK_STORE", raising=False)  # a developer's own
    monkeypatch.setenv("NEWSDESK_SOCKETS", str(tmp_path / "sockets"))
    return folder


@pytest.fixture
def waits_end():
    """A test whose fault is an answer that never comes fails after two minutes instead of waiting for ever."""

    def ended(number, frame):
        raise TimeoutError("no answer within 120 s")

    before = signal.signal(signal.SIGALRM, ended)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class _Other:
    """A call in a thread of its own."""

    def __init__(self, call):
        self.started, self._met, self._call = False, threading.Event(), call
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            self._value = self._call()
        finally:
            self._met.set()

    def meets_a_lock(self):
        self._met.set()

    def start(self):
        """Returns once the call is about to wait for a file's lock, or has ended."""
        self.started = True
        self.thread.start()
        self._met.wait()

    def result(self):
        self.thread.join()
        return self._value


@pytest.fixture
def at_once(monkeypatch):
    """`at_once(call)`: what another process does meanwhile; the test says when it starts, so that the order is always the same."""
    others, locked = [], fileio.locked

    def seen(path):
        for other in others:
            if other.thread is threading.current_thread():
                other.meets_a_lock()
        return locked(path)

    def make(call):
        others.append(_Other(call))
        return others[-1]

    monkeypatch.setattr(fileio, "locked", seen)
    return make


@pytest.fixture
def home_of_0_2_0(newsdesk_home):
    """A state folder with one released version, as Newsdesk 0.2.0 wrote its JSON files (`tests/old_state_folder`)."""
    kept = Path(__file__).parent / "old_state_folder"
    for path in filter(Path.is_file, kept.rglob("*")):
        target = newsdesk_home / path.relative_to(kept)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text().replace("/var/newsdesk", str(newsdesk_home)))
    return newsdesk_home


@pytest.fixture(scope="session")
def small_demo(tmp_path_factory):
    """A demo source of 1,200 articles."""
    return demo_corpus.write(tmp_path_factory.mktemp("demo") / "source", articles=1_200)
