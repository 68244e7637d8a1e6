"""The warm server, tried with small functions in place of nodes: the right caller, the right code, no leftovers."""

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import textwrap
import threading
from pathlib import Path

import pytest

from pipelines.runner import node_client

# A server whose nodes are Python statements: argv is executed.
SERVER = """
import sys
from pathlib import Path
from pipelines.runner import node_server
def run(argv):
    exec(argv[0], {"argv": argv})
    return int(argv[1]) if len(argv) > 1 else 0
node_server._EXTRAS = ()
node_server.Server(Path(sys.argv[1]), lambda: None, run).serve()
"""
CALLER = """
import sys
from pipelines.runner import node_client
sys.exit(node_client.call(sys.argv[1:], otherwise=lambda: 77))
"""


def wait_for(condition) -> None:
    """Waits until a condition holds; the test's own time limit is the runner's."""
    done = threading.Event()
    for _ in range(2000):
        if condition():
            return
        done.wait(0.01)
    raise AssertionError("did not happen in 20 s")


@pytest.fixture
def server(tmp_path, newsdesk_home, request):
    newsdesk_home.mkdir(exist_ok=True)
    path = node_client.socket_path()
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(path)], env={**os.environ, **getattr(request, "param", {})}
    )
    wait_for(path.exists)
    yield process
    process.kill()
    process.wait()


def call(code: str, *more: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", CALLER, textwrap.dedent(code), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_exit_code_output_folder_and_environment_are_the_callers(server, tmp_path):
    code = "import os, sys; print(os.getcwd()); print(os.environ['MARK'], file=sys.stderr)"
    done = call(code, "99", cwd=tmp_path, env={**os.environ, "MARK": "mine"})
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (99, str(tmp_path), "mine")


def test_callers_at_once_each_get_their_own_output(server):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CALLER, f"print('caller', {n})", str(n)], stdout=subprocess.PIPE, text=True
        )
        for n in range(12)
    ]
    for n, process in enumerate(processes):
        assert process.communicate()[0].strip() == f"caller {n}"
        assert process.returncode == n


def test_a_signal_to_the_caller_reaches_the_node_and_its_children(server, tmp_path):
    started = tmp_path / "started"
    code = f"""
        import subprocess, sys
        child = subprocess.Popen(["sleep", "600"])
        open({str(started)!r}, "w").write(str(child.pid))
        child.wait()
    """
    process = subprocess.Popen([sys.executable, "-c", CALLER, textwrap.dedent(code)])
    wait_for(lambda: started.exists() and started.read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    wait_for(lambda: not Path(f"/proc/{started.read_text()}").exists())


def test_a_node_whose_caller_was_killed_ends(server, tmp_path):
    started = tmp_path / "started"
    code = f"import os, signal; open({str(started)!r}, 'w').write(str(os.getpid())); signal.pause()"
    process = subprocess.Popen([sys.executable, "-c", CALLER, code])
    wait_for(lambda: started.exists() and started.read_text())
    process.kill()
    process.wait()
    wait_for(lambda: not Path(f"/proc/{started.read_text()}").exists())


def test_a_node_whose_server_was_killed_ends_and_its_caller_counts_it_as_failed(server, tmp_path):
    started = tmp_path / "started"
    code = f"import os, signal; open({str(started)!r}, 'w').write(str(os.getpid())); signal.pause()"
    process = subprocess.Popen([sys.executable, "-c", CALLER, code], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: started.exists() and started.read_text())
    server.kill()
    assert "counts as failed" in process.communicate()[1]
    assert process.returncode == 1
    wait_for(lambda: not Path(f"/proc/{started.read_text()}").exists())


def test_sixty_nodes_leave_files_and_children_as_they_were(server):
    before = node_client.status()[0]
    for _ in range(60):
        connection = node_client.connect(node_client.socket_path())
        node_client.send(connection, {"op": "run", "argv": ["pass"], "cwd": "/", "env": {}}, fds=[0, 1, 2])
        assert node_client.receive(connection, 30)["taken"]
        assert node_client.receive(connection, 30)["exit"] == 0
        connection.close()
    after = node_client.status()[0]
    assert after["served"] - before["served"] == 60
    assert after["files"] <= before["files"] + 1
    assert after["running"] == 0


def test_what_a_node_leaves_in_the_temporary_folder_is_removed_with_it(server, tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    code = "import os, tempfile; print(tempfile.mkstemp()[1], tempfile.mkdtemp(), os.environ['TMPDIR'])"
    done = call(code, env={**os.environ, "TMPDIR": str(folder)})
    *made, own = map(Path, done.stdout.split())
    assert [path.parent for path in made] == [own, own]
    assert own.parent == folder
    wait_for(lambda: list(folder.iterdir()) == [])


def test_a_node_whose_temporary_folder_cannot_be_made_runs_nevertheless(server, tmp_path):
    assert call("print('worked')", env={**os.environ, "TMPDIR": str(tmp_path / "absent")}).stdout == "worked\n"


@pytest.mark.parametrize(
    ("packet", "descriptors"),
    [(b"{}", 0), (b"no json", 0), (b"[]", 0), (b"{}", 2), (b"{}", 4), (b'{"op": "signal"}', 0)],
)
def test_a_packet_that_is_no_request_ends_neither_the_server_nor_its_nodes(server, tmp_path, packet, descriptors):
    started, go_on = tmp_path / "started", tmp_path / "go on"
    code = f"import os; open({str(started)!r}, 'w').close(); [None for _ in iter(lambda: os.path.exists({str(go_on)!r}), True)]"
    process = subprocess.Popen([sys.executable, "-c", CALLER, code, "5"])
    wait_for(started.exists)
    files = node_client.status()[0]["files"]
    connection = node_client.connect(node_client.socket_path())
    with connection, open("/dev/null", "rb") as file:
        socket.send_fds(connection, [packet], [file.fileno()] * descriptors)
        wait_for(lambda: node_client.status()[0]["files"] <= files)
    go_on.touch()
    assert process.wait() == 5
    assert server.poll() is None


def test_the_code_key_follows_what_is_installed_and_not_when_a_module_was_compiled(tmp_path, monkeypatch):
    installed = tmp_path / "site-packages"
    (installed / "numpy-1.0.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"purelib": str(installed)})
    before = node_client.code_key({})
    (installed / "__pycache__").mkdir()
    os.utime(installed, (1, 1))
    assert node_client.code_key({}) == before
    (installed / "numpy-1.0.dist-info").rename(installed / "numpy-1.1.dist-info")
    assert node_client.code_key({}) != before


@pytest.mark.slow
def test_a_socket_that_a_killed_server_left_behind_is_replaced_by_a_real_server(server):
    server.kill()
    server.wait()
    assert node_client.socket_path().exists()
    done = call("--help")
    assert done.returncode == 0
    assert "usage: run_node" in done.stdout
    assert "starting" in done.stderr
    assert node_client.status()[0]["pid"] != server.pid
    node_client.stop()


def test_a_hung_server_gets_no_more_callers_and_the_node_runs_by_itself(server):
    os.kill(server.pid, signal.SIGSTOP)
    impatient = CALLER.replace("sys.exit", "node_client.ANSWER = 0.5\nsys.exit")
    done = subprocess.run([sys.executable, "-c", impatient, "pass"], capture_output=True, text=True, check=False)
    assert done.returncode == 77
    assert "does not answer" in done.stderr
    assert not node_client.socket_path().exists()


def test_an_unwritable_or_shared_socket_folder_means_cold_with_one_line(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    done = call("pass", env={**os.environ, "NEWSDESK_SOCKETS": str(shared)})
    assert done.returncode == 77
    assert done.stderr.count("\n") == 1
    assert "socket folder" in done.stderr


def test_a_server_leaves_when_its_code_is_no_longer_the_code(server, monkeypatch):
    stale = node_client.folder() / f"{node_client.home_key()}-0000000000.sock"
    other = subprocess.Popen([sys.executable, "-c", SERVER, str(stale)])
    assert other.wait(timeout=60) == 0
    assert not stale.exists()


def test_stop_ends_the_server_and_leaves_nothing_behind(server):
    assert node_client.stop() == [server.pid]
    assert server.wait() == 0
    assert [p.name for p in node_client.folder().iterdir()] == []


@pytest.mark.parametrize("name", ["with spaces in it", "long" * 40])
def test_state_folders_with_spaces_and_long_paths_have_short_sockets(tmp_path, monkeypatch, name):
    monkeypatch.setenv("NEWSDESK_HOME", str(tmp_path / name))
    monkeypatch.delenv("NEWSDESK_SOCKETS")
    assert len(str(node_client.socket_path())) < 100


def test_the_command_line_answers_in_json():
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.runner.node_server", "status"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []
