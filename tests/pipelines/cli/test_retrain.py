"""`newsdesk retrain` that is interrupted: the node stops, the run is closed, the exit code says so."""

import os
import signal
import subprocess
import sys

import pytest

from components.core import paths

# In the place of the node's process: says that it runs, and works until it is asked to stop. `close` leaves a mark.
SCRIPT = """
import sys
from pipelines.cli import retrain
from pipelines.runner import node_process as door
NODE = '''
import os, pathlib, signal, sys
folder = pathlib.Path(sys.argv[1])
if sys.argv[2] == "close":
    (folder / "closed").touch()
    print('{{"outcome": {{"state": "failed", "reasons": ["interrupted"]}}}}')
    sys.exit()
signal.signal(signal.SIGTERM, lambda *_: (os.write(pipe, b"stopped"), os._exit(1)))
pipe = os.open(folder / "pipe", os.O_WRONLY)
os.write(pipe, b"%d " % os.getpid())
(folder / "environment").write_text(repr(dict(os.environ)))
os.write(pipe, b"ready ")
signal.pause()
'''
door.command = lambda node, *_, **__: [sys.executable, "-c", NODE, {folder!r}, node]
sys.exit(retrain.run({{}}, False))
"""


@pytest.fixture
def running(tmp_path, newsdesk_home):
    """A retraining whose first node works, and the pipe on which that node says what it does."""
    os.mkfifo(tmp_path / "pipe")
    call = [sys.executable, "-c", SCRIPT.format(folder=str(tmp_path))]
    environ = {**os.environ, "AWS_SECRET_ACCESS_KEY": "hidden"}
    process = subprocess.Popen(
        call, cwd=paths.REPOSITORY, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with open(tmp_path / "pipe", "rb", buffering=0) as pipe:
        received = b""
        while b"ready" not in received:
            received += pipe.read(100)
        yield process, pipe, tmp_path
    process.kill()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_stops_its_node_is_closed_and_says_130(running, number):
    process, pipe, folder = running
    process.send_signal(number)
    assert pipe.read(100) == b"stopped"
    assert process.wait() == 130
    assert (folder / "closed").exists()


def test_a_killed_run_takes_its_node_along(running):
    process, pipe, _ = running
    process.kill()
    assert pipe.read(100) == b"stopped"  # not only at the end of its work: that never comes


def test_a_secret_of_the_caller_reaches_no_node(running):
    _, _, folder = running
    assert "NEWSDESK_HOME" in (folder / "environment").read_text()
    assert "AWS_SECRET_ACCESS_KEY" not in (folder / "environment").read_text()
