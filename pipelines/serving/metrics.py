"""What a server counts, in Prometheus' text form."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """Of one server; a registry of its own, so that two of them in one process do not meet."""

    def __init__(self):
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        kept = {"registry": self.registry}
        self.requests = Counter("newsdesk_requests", "Requests answered", ["method", "code"], **kept)
        self.seconds = Histogram("newsdesk_request_seconds", "Time to an answer", ["method"], buckets=_SECONDS, **kept)
        self.texts = Counter(
            "newsdesk_texts", "Texts answered, by version and most likely label", ["version", "label"], **kept
        )
        self.uncertain = Counter(
            "newsdesk_uncertain_texts", "Texts of those that got no label: too unsure", ["version"], **kept
        )
        self.batch = Histogram(
            "newsdesk_batch_texts", "Texts of one call of the graph", buckets=[1, 2, 4, 8, 16, 32, 64, 128, 512], **kept
        )
        self.waiting = Gauge("newsdesk_waiting_texts", "Texts that wait for the graph", **kept)
        self.champion = Gauge("newsdesk_champion_version", "The version that answers", ["line"], **kept)
        self.healthy = Gauge("newsdesk_follows_pointer", "1 while the champion is what the pointer names", **kept)
        self.swaps = Gauge("newsdesk_champion_swaps", "Changes of the champion since the start", **kept)
        self.refusals = Gauge("newsdesk_champion_refusals", "Changes that failed since the start", **kept)
        self.unlogged = Gauge("newsdesk_request_log_dropped", "Texts that the request log left out", **kept)

    def answered(self, method: str, code: int, started: float) -> None:
        """started: of `time.perf_counter`."""
        self.requests.labels(method, str(code)).inc()
        self.seconds.labels(method).observe(time.perf_counter() - started)

    def text(self) -> bytes:
        return generate_latest(self.registry)
