"""The warm process behind the page *Try it*: any version of any line, with the words that decided its answer.

    POST /v1/models/LINE[/versions/N]:explain   {"text": "…"}, answered as `newsdesk explain --json`, with `labels`
    GET  /healthz

`make up` starts and supervises it as the part `predictor`: `python -m pipelines.serving.answers`. It listens on a Unix socket in this user's private folder:
no port, and nobody else may ask. It differs from `newsdesk serve`, which is for traffic: that has one line, its champion and the one
before, and batches requests. TensorFlow is imported at the first question and the newest models stay loaded. No text is kept or logged.
"""

import contextlib
import json
import logging
import os
import socket
import sys
import threading
from collections import OrderedDict
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from components.core import fileio, paths
from components.registry import model_registry
from pipelines.serving import answers_socket
from pipelines.serving.answers_socket import LONGEST_TEXT_BYTES

KEPT = 4  # models that stay loaded
BODY_BYTES = 8 * LONGEST_TEXT_BYTES  # JSON may write one byte as six characters


class Refused(Exception):
    """A question without an answer; the message says why, for people."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


class Models:
    """The loaded versions, the least recently asked dropped first. One question at a time: a model is loaded once, and never half."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[tuple[str, int, str], object] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, line: str, version: int | None, text: str) -> dict:
        """As JSON: of the champion where `version` is None.

        Raises:
            Refused: there is no such version, it is damaged, or it needs a library that is not installed.
        """
        from pipelines import client
        from pipelines.serving import explanations

        with self._lock:
            try:
                asked = self._model(line, version)
            except client.NoModel as error:
                raise Refused(404, str(error)) from error
            except (model_registry.RegistryError, OSError, ValueError) as error:
                raise Refused(
                    503, f"{f'version {version}' if version else 'the champion'} of {line} cannot be loaded: {error}"
                ) from error
            return {**explanations.json_row(asked.answer(text), asked.version), "labels": list(asked.labels)}

    def _model(self, line: str, version: int | None):
        """A loaded version; one that is not loaded yet is compared with its manifest first."""
        from pipelines import client
        from pipelines.serving.explanations import Explainer

        number = version if version is not None else (model_registry.champion(line) or {}).get("version")
        folder = model_registry.folder(line, number) if number else None
        manifest = fileio.read_json(folder / model_registry.MANIFEST) if folder else None
        key = (line, number, (manifest or {}).get("digest"))
        if key not in self._loaded:
            number, folder = client.find(line, version)
            self._loaded[key] = Explainer(number, folder)
        self._loaded.move_to_end(key)
        while len(self._loaded) > KEPT:
            self._loaded.popitem(last=False)
        return self._loaded[key]


def build_app() -> FastAPI:
    """The application. No documentation pages: they load scripts from elsewhere."""
    app = FastAPI(title="Newsdesk: answers with reasons", docs_url=None, redoc_url=None, openapi_url=None)
    models = Models()

    async def ask(request: Request, line: str, version: int | None = None) -> JSONResponse:
        try:
            text = await _text(request)
            return JSONResponse(await run_in_threadpool(models.answer, _line(line), version, text))
        except Refused as error:
            return JSONResponse({"error": str(error)}, error.code)

    @app.post("/v1/models/{line}:explain")
    async def champion(request: Request, line: str) -> JSONResponse:
        return await ask(request, line)

    @app.post("/v1/models/{line}/versions/{version:int}:explain")
    async def one(request: Request, line: str, version: int) -> JSONResponse:
        return await ask(request, line, version)

    @app.get("/healthz")
    async def health() -> dict:
        return {"status": "ok"}

    return app


def _line(name: str) -> str:
    try:
        return paths.safe_name(name, "line")
    except ValueError as error:
        raise Refused(404, str(error)) from None


async def _text(request: Request) -> str:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES:
            raise Refused(413, f"a request may have at most {BODY_BYTES:,} bytes")
    try:
        text = json.loads(body)["text"]
        answers_socket.check(text)
    except answers_socket.BadText as error:
        raise Refused(413 if error.too_long else 400, str(error)) from None
    except (ValueError, KeyError, TypeError):
        raise Refused(400, 'a body must be {"text": "…"}') from None
    return text


def listen(path: Path) -> socket.socket:
    """A listening socket that takes the place of an earlier process's: callers find one of the two, or none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    aside = path.with_suffix(f".{os.getpid()}")
    listening.bind(str(aside))
    listening.listen(16)
    os.rename(aside, path)
    return listening


def main() -> int:
    """Serves until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    path = answers_socket.path()
    config = uvicorn.Config(
        build_app(), access_log=False, log_config=None, server_header=False, timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    with listen(path) as listening:
        inode = path.stat().st_ino
        logging.getLogger("newsdesk.answers").info("answers at %s", path)
        server.run([listening])
    with contextlib.suppress(OSError):
        if path.stat().st_ino == inode:
            path.unlink()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
