"""Addresses and limits of a prediction server."""

from dataclasses import dataclass, field

from components.core.request_log import LogSettings


@dataclass(frozen=True)
class ServeSettings:
    """A server of one line.

    poll: seconds between two looks at the champion pointer. batch_rows: texts that one call of the graph takes at most.
    batch_wait: seconds that the first request of a batch waits for others. queue_rows: texts that may wait, more are answered
    with 429. body_bytes, request_rows: size of one request, more is answered with 413. body_seconds: how long its body may take.
    connections: open at once, more are answered with 503. grace: seconds that requests have to end after SIGTERM.
    min_confidence: an answer whose highest probability is below it gets no label, unless the request asks for another value; 0 labels
    every text. log: None where requests are not logged. store, cache: an object store to read the line from, and the folder that keeps
    what was downloaded; "" for the state folder, and for the user's cache folder.
    """

    line: str
    host: str = "127.0.0.1"
    port: int = 8501
    poll: float = 2.0
    batch_rows: int = 64
    batch_wait: float = 0.002
    queue_rows: int = 2_048
    body_bytes: int = 1 << 20
    request_rows: int = 512
    body_seconds: float = 10.0
    connections: int = 512
    grace: float = 20.0
    min_confidence: float = 0.0
    log: LogSettings | None = field(default=None)
    store: str = ""
    cache: str = ""
