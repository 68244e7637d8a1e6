"""What a server's routes share: which model answers, how a body becomes an answer, and how healthy all of it is."""

import asyncio
import logging

import anyio
from fastapi import Request
from starlette.requests import ClientDisconnect

from components.core import paths
from components.core.request_log import RequestLog
from pipelines.client import sure
from pipelines.serving import tf_serving_api as api
from pipelines.serving.batching import Batcher
from pipelines.serving.champion import Champion, ServedModel
from pipelines.serving.metrics import Metrics
from pipelines.serving.settings import ServeSettings

logger = logging.getLogger("newsdesk.serve")


CLIENT_LEFT = 499  # nginx's number, for the metrics: nobody reads this answer


class Refused(Exception):
    """A request that gets no prediction."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


class Service:
    """Everything that a server's routes share. Made in the event loop that runs them."""

    def __init__(self, settings: ServeSettings):
        self.settings = settings
        self.champion = Champion(settings.line, settings.store, settings.cache)
        self.metrics = Metrics()
        self.batcher = Batcher(
            settings.batch_rows, settings.batch_wait, settings.queue_rows, self.metrics.batch.observe
        )
        self.log = RequestLog(paths.requests_dir(settings.line), settings.log) if settings.log else None

    async def look(self) -> None:
        """Follows the pointer if it moved. Loads in a thread, so that the old version goes on answering."""
        before = self.champion.trouble
        if await asyncio.to_thread(self.champion.check):
            now = self.champion.champion
            logger.info("line %s: version %d answers, digest %s", self.settings.line, now.version, now.digest[:12])
        elif self.champion.trouble not in ("", before):
            logger.warning("line %s: %s", self.settings.line, self.champion.trouble)

    async def follow(self) -> None:
        """Looks again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(self.settings.poll)
            await self.look()

    def find(self, name: str, version: int | None, label: str | None) -> ServedModel:
        line = self.settings.line
        model = self.champion.find(version, label) if name == line else None
        if model:
            return model
        if name == line and not self.champion.champion:
            raise Refused(503, self.champion.trouble)
        asked = f"version {version}" if version is not None else f"label {label!r}" if label else "the champion"
        loaded = ", ".join(str(each.version) for each in self.champion.loaded()) or "none"
        raise Refused(
            404, f"Servable not found for request: {name}, {asked}. This server has {line}, versions {loaded}."
        )

    async def body(self, request: Request) -> bytes:
        limit = self.settings.body_bytes
        too_large = Refused(413, f"a body may have at most {limit:,} bytes; send fewer texts at a time")
        if int(request.headers.get("content-length", 0)) > limit:
            raise too_large
        parts, size = [], 0
        try:
            with anyio.move_on_after(self.settings.body_seconds) as patience:
                async for part in request.stream():
                    size += len(part)
                    if size > limit:
                        raise too_large
                    parts.append(part)
        except ClientDisconnect:
            raise Refused(
                CLIENT_LEFT, f"the client left before its body was complete. Received: {size:,} bytes"
            ) from None
        if patience.cancelled_caught:
            raise Refused(408, f"a body must be sent within {self.settings.body_seconds:g} s. Received: {size:,} bytes")
        return b"".join(parts)

    async def answer(self, request: Request, method: str, model: ServedModel, request_id: str) -> bytes:
        body = await self.body(request)
        least = api.least_confidence(request.query_params, self.settings.min_confidence)
        texts, key = api.predict_texts(body) if method == "predict" else (api.classify_texts(body), "results")
        if len(texts) > self.settings.request_rows:
            raise Refused(413, f"a request may have {self.settings.request_rows} texts. Received: {len(texts)}")
        probabilities = await self.batcher.probabilities(model, texts)
        spec, labels = (
            {"name": self.settings.line, "version": model.version, "digest": model.digest},
            model.client.labels,
        )
        abstention = api.Abstention(least, ~sure(probabilities, least)) if least else None
        if method == "predict":
            content = api.predict_answer(key, labels, probabilities, spec, abstention)
        else:
            content = api.classify_answer(labels, probabilities, spec, abstention)
        winners = probabilities.argmax(axis=1).tolist()
        for winner in winners:
            self.metrics.texts.labels(str(model.version), labels[winner]).inc()
        if abstention:
            self.metrics.uncertain.labels(str(model.version)).inc(int(abstention.uncertain.sum()))
        if self.log:
            best = probabilities.max(axis=1).tolist()
            answers = [(text, labels[winner], p) for text, winner, p in zip(texts, winners, best)]
            self.log.add(request_id, model.version, model.digest, answers)
        return content

    def health(self) -> dict:
        """`status`: ok, degraded (an older version answers, or the request log is not written), or unavailable."""
        model, trouble = self.champion.champion, self.champion.trouble
        log = self.log.trouble if self.log else ""
        return {
            "status": "unavailable" if not model else "degraded" if trouble or log else "ok",
            "line": self.settings.line,
            "version": model.version if model else None,
            "digest": model.digest if model else None,
            "loaded": [each.version for each in self.champion.loaded()],
            "trouble": [text for text in (trouble, log) if text],
        }

    def metrics_text(self) -> bytes:
        """Prometheus' text, with what is read rather than counted brought up to date."""
        line, champion, metrics = self.settings.line, self.champion, self.metrics
        if champion.champion:
            metrics.champion.labels(line).set(champion.champion.version)
        metrics.healthy.set(not champion.trouble)
        metrics.swaps.set(champion.swaps)
        metrics.refusals.set(champion.refusals)
        metrics.waiting.set(self.batcher.waiting)
        metrics.unlogged.set(self.log.dropped if self.log else 0)
        return metrics.text()
