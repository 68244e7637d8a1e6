"""The caller's side of a node process: the command, the environment, and what happens to the process."""

import json
import os
import shlex
import signal
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from components.core import progress
from pipelines.runner import node_process


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_the_command_is_a_list_in_which_hostile_text_is_one_argument(monkeypatch):
    monkeypatch.setenv("NEWSDESK_TFX_PYTHON", "/x/python")
    hostile = 'a"; touch pwned #$(id)\n{{ x }}'
    call = node_process.command("Trainer", "run-1", {"source": hostile}, attempt="1.2", owner=7)
    assert call[:7] == ["/x/python", "-m", "pipelines.run_node", "--node", "Trainer", "--run-id", "run-1"]
    assert call[7:11] == ["--attempt", "1.2", "--owner", "7"]
    assert json.loads(call[12]) == {"source": hostile}


def test_only_named_variables_pass_to_a_node(monkeypatch):
    given = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "NEWSDESK_EVENTS": "/e",
        "AIRFLOW__CORE__FERNET_KEY": "k",
        "AWS_SECRET": "s",
    }
    given |= {"TF_VAR_password": "p", "TF_CPP_MIN_LOG_LEVEL": "2"}
    monkeypatch.setenv("NEWSDESK_HOME", "/tmp/x")
    passed = node_process.environment(given)
    assert set(passed) - {"NEWSDESK_HOME", "PYTHONUNBUFFERED"} == {
        "PATH",
        "LC_ALL",
        "NEWSDESK_EVENTS",
        "TF_CPP_MIN_LOG_LEVEL",
    }
    assert passed["NEWSDESK_HOME"] == "/tmp/x"


@pytest.mark.parametrize(
    ("name", "value", "passes"),
    [
        ("NEWSDESK_SMTP_PASSWORD", "secret", False),
        ("NEWSDESK_SOCKETS", "/s", True),
        ("HTTPS_PROXY", "http://user:secret@proxy:3128", False),
        ("https_proxy", "user:secret@proxy:3128", False),
        ("HTTPS_PROXY", "http://proxy:3128", True),
    ],
)
def test_no_secret_of_newsdesk_s_own_or_of_a_proxy_passes_to_a_node(name, value, passes):
    assert (node_process.environment({name: value}).get(name) == value) == passes


def test_a_store_s_credentials_pass_only_where_a_store_is_used():
    given = {"AWS_SECRET_ACCESS_KEY": "key", "GOOGLE_APPLICATION_CREDENTIALS": "file"}
    assert not given.keys() & node_process.environment(given).keys()
    given["NEWSDESK_STORE"] = "s3://bucket/desk"
    assert given.items() <= node_process.environment(given).items()


def test_the_log_comes_line_by_line_and_the_last_line_of_output_is_the_result():
    lines = []
    script = (
        "import sys; print('one\\ntwo', file=sys.stderr); print('noise'); print('{\"state\": \"done\"}'); sys.exit(99)"
    )
    assert node_process.run(python(script), lines.append) == (99, {"state": "done"})
    assert lines == ["one", "two"]


def test_a_line_is_handed_on_while_the_process_still_runs():
    """The process waits until its first line was seen."""
    with tempfile.TemporaryDirectory() as folder:
        mark = os.path.join(folder, "seen")
        os.mkfifo(mark)
        script = f"import sys; print('first', file=sys.stderr, flush=True); open({mark!r}).read(); print('second', file=sys.stderr)"
        lines = []

        def say(line):
            lines.append(line)
            if line == "first":
                with open(mark, "w") as file:
                    file.write("go")

        assert node_process.run(python(script), say)[0] == 0
    assert lines == ["first", "second"]


def test_a_silent_node_gets_a_line_that_it_works_with_its_last_report(monkeypatch, tmp_path):
    """The process waits until that line was seen."""
    monkeypatch.setattr(node_process, "SILENT", 0)
    mark, lines = tmp_path / "seen", []
    os.mkfifo(mark)
    with progress.to(tmp_path / "progress.jsonl"):
        progress.write(stage="features", done=1000, total=4000)

    def say(line):
        if not lines:
            mark.write_text("go")
        lines.append(line)

    process = python(f"open({str(mark)!r}).read()")
    assert node_process.run(process, say, progress_file=tmp_path / "progress.jsonl")[0] == 0
    assert lines[0] == "still working, 0 s; features: 1,000 of 4,000 rows"


@pytest.mark.parametrize("output", ["", "no JSON", "[1]", '{"cut": '])
def test_output_without_a_result_gives_an_empty_one(output):
    assert node_process.run(python(f"print({output!r})"), lambda line: None) == (0, {})


def test_a_helper_that_keeps_the_log_open_does_not_keep_the_caller_waiting():
    script = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE, start_new_session=True)\n"
        "print(p.pid); import os; os._exit(0)"
    )
    # The helper ends by itself: its standard input is closed with its parent.
    assert node_process.run(python(script), lambda line: None)[0] == 0


def test_an_undecodable_byte_and_a_line_without_an_end_are_still_shown():
    lines = []
    node_process.run(python("import sys; sys.stderr.buffer.write(b'caf\\xe9')"), lines.append)
    assert lines == ["caf�"]


def test_an_exception_stops_the_node_and_everything_it_started():
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "print(child.pid, file=sys.stderr, flush=True)\n"
        "child.wait()"
    )
    pids = []

    def interrupt(line):
        pids.append(int(line))
        raise TimeoutError

    with pytest.raises(TimeoutError):
        node_process.run(python(script), interrupt)
    with pytest.raises(ProcessLookupError):
        for _ in range(1_000_000):  # until the kernel has taken the orphan away
            os.kill(pids[0], 0)


def test_a_group_that_ignores_sigterm_is_killed_after_the_grace():
    script = "import signal, sys; signal.signal(15, signal.SIG_IGN); print('up', file=sys.stderr, flush=True); signal.pause()"
    with tempfile.TemporaryFile() as output:
        process = node_process.start(python(script), output)
        killers = []
        code = node_process.follow(process, lambda line: killers.append(node_process.stop(process.pid, grace=0.2)))
        process.stderr.close()
        killers[0].wait()
    assert code == -signal.SIGKILL


def test_stopping_a_group_that_is_gone_does_nothing():
    with tempfile.TemporaryFile() as output:
        process = node_process.start(python(""), output)
        process.wait()
        process.stderr.close()
        assert node_process.stop(process.pid) is None


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_a_node_does_not_outlive_a_caller_that_was_killed(tmp_path):
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    node = f"import signal; f = open({str(fifo)!r}, 'w'); f.write('up\\n'); f.flush(); signal.pause()"
    caller = f"import sys, tempfile; from pipelines.runner import node_process as door\ndoor.run([sys.executable, '-c', {node!r}], print)"
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", caller], {**os.environ, "PYTHONPATH": os.getcwd()})
    with open(fifo) as file:
        assert file.readline() == "up\n"
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        watchdog = threading.Timer(30, os._exit, (1,))
        watchdog.start()
        assert file.read() == ""  # the end of the file: the node, which held it, is gone
        watchdog.cancel()


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program in the place of the TFX environment's Python: says what it was asked, and stays."""
    path, record = tmp_path / "python", tmp_path / "told"
    path.write_text(f'#!/bin/sh\necho "$$ $*" > {shlex.quote(str(record))}.part\nmv {shlex.quote(str(record))}.part '
                    f'{shlex.quote(str(record))}\nexec sleep 600\n')  # fmt: skip
    path.chmod(0o700)
    monkeypatch.setenv("NEWSDESK_TFX_PYTHON", str(path))
    monkeypatch.delenv("NEWSDESK_COLD", raising=False)
    return record


def test_the_server_is_asked_for_while_the_caller_does_something_else_and_not_longer(program):
    with node_process.warm_up():
        while not program.exists():  # the runner's time limit ends a wait in vain
            os.sched_yield()
        pid, *asked = program.read_text().split()
        assert asked == ["-m", "pipelines.runner.node_server", "start"] and Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()


def test_no_server_starts_for_cold_nodes_and_a_missing_environment_is_no_failure(program, monkeypatch):
    monkeypatch.setattr(node_process, "start", None)  # a call would be an exception
    monkeypatch.setenv("NEWSDESK_COLD", "1")
    with node_process.warm_up():
        pass
    monkeypatch.undo()
    monkeypatch.setenv("NEWSDESK_TFX_PYTHON", "/nowhere/python")
    with node_process.warm_up():
        pass
