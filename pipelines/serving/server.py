"""Runs a prediction server until SIGTERM or SIGINT."""

import logging
import signal
import socket

import uvicorn

from pipelines.serving.app import build_app
from pipelines.serving.settings import ServeSettings


def run(settings: ServeSettings) -> int:
    """Serves until a signal ends it: no new connections then, what is asked already is answered. Returns the exit code.

    Raises:
        OSError: the address is taken, or not one of this machine's.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    config = uvicorn.Config(
        build_app(settings),
        host=settings.host,
        port=settings.port,
        limit_concurrency=settings.connections,
        timeout_graceful_shutdown=int(settings.grace),
        timeout_keep_alive=30,
        access_log=False,
        log_config=None,
        server_header=False,
    )
    listening = _bind(settings)
    # uvicorn raises the signal again when it has ended, for the handler that was there before: an asked-for end is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = uvicorn.Server(config)
    with listening:
        logging.getLogger("newsdesk.serve").info("line %s at http://%s:%d", settings.line, *listening.getsockname()[:2])
        server.run([listening])
    return 0 if server.started else 1


def _bind(settings: ServeSettings) -> socket.socket:
    """Here rather than in uvicorn, which would end the process without a reason where the address is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"{error.strerror}: {settings.host}:{settings.port}") from None
    return listening
