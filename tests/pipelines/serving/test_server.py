"""`newsdesk serve` as a process: swaps and a rollback under load, a damaged version, a taken port, SIGTERM with requests under way."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import published
import pytest

from components.core import paths
from components.registry import model_registry

TEXT = "goal coach striker"
PREDICT = f"/v1/models/{published.LINE}:predict"
COMMAND = [sys.executable, "-m", "pipelines.cli.main", "serve", "--line", published.LINE, "--port"]


class Load(threading.Thread):
    """Asks again and again; keeps each answer's status, version and label."""

    def __init__(self, address: str):
        super().__init__(daemon=True)
        self.address, self.answers, self.ending = address, [], threading.Event()

    def run(self):
        with httpx.Client(base_url=self.address, timeout=60) as client:
            while not self.ending.is_set():
                answer = client.post(PREDICT, json={"instances": [TEXT]})
                body = answer.json()
                version = body.get("model_spec", {}).get("version")
                self.answers.append((answer.status_code, version, body.get("predictions", [{}])[0].get("label")))


def promote(version: int, kind: str = "promote") -> None:
    model_registry.move_champion(published.LINE, model_registry.champion(published.LINE), version, kind, "try", {})


def health_of(address: str, wanted) -> dict:
    """The health, as soon as it is as wanted."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        health = httpx.get(f"{address}/healthz", timeout=60).json()
        if wanted(health):
            return health
        time.sleep(0.05)
    raise AssertionError(health)


@pytest.fixture
def server(tmp_path):
    """A process that serves version 1 of two, its address, and what it has logged."""
    published.two_versions()
    log = tmp_path / "serve.log"
    with open(log, "wb") as output:
        process = subprocess.Popen([*COMMAND, "0", "--poll", "0.1"], stderr=output, cwd=paths.REPOSITORY)
    try:
        while not (found := re.search(r"at (http://\S+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        while True:
            try:
                httpx.get(f"{found[1]}/healthz", timeout=60)
                break
            except httpx.TransportError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
        yield process, found[1], log
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_no_request_fails_through_swaps_a_damaged_version_and_the_end(server):
    process, address, log = server
    load = [Load(address) for _ in range(4)]
    for each in load:
        each.start()
    promote(2)
    health_of(address, lambda health: health["version"] == 2)
    promote(1, "rollback")
    health_of(address, lambda health: health["version"] == 1)
    version, folder = published.push("run-3", "shifted")
    published.register(version, folder, "run-3")
    process.send_signal(signal.SIGSTOP)  # so that the damage comes before it looks
    promote(3)
    (paths.serving_dir(published.LINE) / "3" / "variables" / "variables.index").write_bytes(b"flipped")
    process.send_signal(signal.SIGCONT)
    health = health_of(address, lambda health: health["status"] == "degraded" or health["version"] == 3)
    assert health["version"] == 1
    assert "version 3 serves by the pointer and cannot answer" in health["trouble"][0]
    for each in load:
        each.ending.set()
    for each in load:
        each.join(60)
    answers = [answer for each in load for answer in each.answers]
    assert {status for status, _, _ in answers} == {200}
    assert {(version, label) for _, version, label in answers} == {(1, "Sports"), (2, "Business")}
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_sigterm_lets_a_request_under_way_end(server):
    process, address, log = server
    host, port = address.removeprefix("http://").split(":")
    body = json.dumps({"instances": [TEXT]}).encode()
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection((host, int(port)), 60) as connection:
        connection.sendall(head + body[:5])
        # It has taken the request when it counts an open one; the health's own is another.
        httpx.get(f"{address}/healthz", timeout=60)
        process.send_signal(signal.SIGTERM)
        while True:  # it listens no more
            try:
                socket.create_connection((host, int(port)), 60).close()
            except OSError:
                break
        connection.sendall(body[5:])
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"Sports"' in answer
    assert process.wait(60) == 0
    assert "Traceback" not in log.read_text()


def test_a_port_that_is_taken_and_bad_limits_are_said_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = subprocess.run([*COMMAND, port], capture_output=True, text=True, cwd=paths.REPOSITORY)
    assert ended.returncode == 1
    assert f"127.0.0.1:{port}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_usage():
    from pipelines.cli import main

    assert main.main(["serve", "--batch-rows", "0"]) == 2
    assert main.main(["serve", "--queue-rows", "5"]) == 2
    assert main.main(["serve", "--line", "unheard-of"]) == 2
