"""How to ask the process behind *Try it* (`answers.py`): its socket, its limits, one question."""

import http.client
import json
import shlex
import socket
from pathlib import Path

from pipelines.airflow_stack import stack_state
from pipelines.runner import node_client

LONGEST_TEXT_BYTES = 16_384  # what the models read of a text (`components.data.text_ops`)
TIMEOUT = 60.0  # seconds: the first question imports TensorFlow and loads the model


class NoAnswer(Exception):
    """There is no answer; the message says why and what to do."""


class BadText(ValueError):
    """A text that is none, empty or too long; the message says what is wrong."""

    def __init__(self, message: str, too_long: bool = False):
        super().__init__(message)
        self.too_long = too_long


def check(text) -> None:
    """Raises BadText for a text that no model is asked about."""
    if not isinstance(text, str) or not text.strip():
        raise BadText("Type a text first: there is nothing to label.")
    size = len(text.encode("utf-8", "replace"))
    if size > LONGEST_TEXT_BYTES:
        raise BadText(f"The text is too long: {size:,} bytes. A model reads at most {LONGEST_TEXT_BYTES:,}.", True)


def path() -> Path:
    """Where the process listens.

    Raises:
        node_client.NoServer: the folder of this user's sockets cannot be used.
    """
    return node_client.folder() / f"{node_client.home_key()}-answers.socket"


def address(line: str, version: int | None = None) -> str:
    return f"/v1/models/{line}{'' if version is None else f'/versions/{version}'}:explain"


def curl(line: str, version: int | None, text: str) -> str:
    """The command that gives the same answer in a terminal of this machine."""
    body = json.dumps({"text": text}, ensure_ascii=False)
    return " ".join(
        [
            "curl",
            "--unix-socket",
            shlex.quote(str(path())),
            f"http://localhost{address(line, version)}",
            "--data-binary",
            shlex.quote(body),
        ]
    )


def ask(line: str, version: int | None, text: str, timeout: float = TIMEOUT) -> dict:
    """The answer of a version, or of the champion, as `newsdesk explain --json` gives it, with `labels`.

    Raises:
        BadText: see `check`.
        NoAnswer: the process is not there, does not answer in time, or the version cannot answer.
    """
    check(text)
    try:
        connection = _Connection(str(path()), timeout)
        connection.request("POST", address(line, version), json.dumps({"text": text}).encode("utf-8", "replace"))
        reply = connection.getresponse()
        status, body = reply.status, json.loads(reply.read())
        connection.close()
    except TimeoutError:
        raise NoAnswer(
            f"No answer within {timeout:.0f} s: the machine is busy. Try again; the model may be loaded by then."
        ) from None
    except (OSError, ValueError, http.client.HTTPException, node_client.NoServer) as error:
        raise NoAnswer(_down(error)) from None
    if status != 200:
        raise NoAnswer(str(body.get("error") or f"the process answered with status {status}"))
    return body


def _down(error: Exception) -> str:
    """Why nothing listens, and the command that mends it."""
    part = next((part for part in stack_state.parts() if part.name == "predictor" and not part.up), None)
    since = f" since {part.since}" if part and part.since else ""
    return f"The predictor, which answers here, is down{since} ({error}). Start it with `make up`; `make status` shows what runs."


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)
