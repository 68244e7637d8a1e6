"""For tests of an object store: moto's S3 server in this process, on a free port of the loopback, with nothing real behind it."""

import contextlib
import http.server
import threading
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from components.registry import object_store

BUCKET = "bucket"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_REGION": "us-east-1"}


class Server:
    """moto's server. app: what answers, a WSGI application. before: called with method and path ahead of each request; what it raises
    is answered with 500. asked: every method and path. While it is `away`, connections end without an answer; it keeps what it holds.
    """

    def __init__(self):
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Handler(WSGIRequestHandler):
            def run_wsgi(handler):
                if self.away:
                    handler.close_connection = True
                else:
                    super().run_wsgi()

            def log(self, *args):
                pass

        self.app = DomainDispatcherApplication(create_backend_app)
        self.reset()
        self._running = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Handler)
        self.address = f"http://127.0.0.1:{self._running.server_port}"
        threading.Thread(target=self._running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def reset(self) -> None:
        self.away, self.asked = False, []
        self.before: Callable[[str, str], None] = lambda method, path: None

    def close(self) -> None:
        self._running.shutdown()
        self._running.server_close()

    def die(self) -> None:
        """Within a request: it gets no answer, and neither do the later ones."""
        self.away = True
        raise ConnectionError("the store dies")

    def _answer(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.asked.append((method, path))
        try:
            self.before(method, path)
        except Exception:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("500 Internal Server Error", [("Content-Length", "0")])
            return []
        return self.app(environ, start_response)


class _Heedless(http.server.BaseHTTPRequestHandler):
    """Keeps what it is given, whatever the conditions: as servers do that do not know these headers."""

    objects: dict[str, bytes]

    def _send(self, code: int, body: bytes = b"") -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"same"')
        self.send_header("Last-Modified", "Sat, 01 Nov 2025 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        self.objects[self.path] = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._send(200)

    def do_GET(self):
        self._send(200, self.objects[self.path]) if self.path in self.objects else self._send(404)

    def do_DELETE(self):
        self.objects.pop(self.path, None)
        self._send(204)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def heedless() -> Iterator[tuple[str, dict[str, bytes]]]:
    """The address of a server that ignores every condition, and what it holds."""
    handler = type("Handler", (_Heedless,), {"objects": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.objects
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def s3(s3_server: Server, monkeypatch) -> Iterator[Server]:
    """A server with one empty bucket; the environment leads to it, and names no store."""
    s3_server.reset()
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": s3_server.address, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    object_store.check_conditional_writes.cache_clear()
    _request("POST", f"{s3_server.address}/moto-api/reset")
    _request("PUT", f"{s3_server.address}/{BUCKET}")
    yield s3_server


@pytest.fixture
def store(s3: Server, monkeypatch) -> object_store.ObjectStore:
    """The store that `NEWSDESK_STORE` names, empty."""
    monkeypatch.setenv(object_store.VARIABLE, f"s3://{BUCKET}/desk")
    return object_store.ObjectStore(f"s3://{BUCKET}/desk")


def _request(method: str, address: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(address, method=method)) as answer:
        assert answer.status == 200
