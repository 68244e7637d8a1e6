"""Joins the texts of requests that wait into one call of the graph: the call costs nearly the same for one text as for many."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from pipelines.serving.champion import ServedModel


class QueueFull(Exception):
    """More texts wait than may."""


@dataclass(frozen=True)
class _Job:
    model: ServedModel
    texts: Sequence[str]
    answer: asyncio.Future


class Batcher:
    """A queue before the graph. One call at a time: TensorFlow spreads a call over the cores by itself.

    rows: texts of a call at most; a request that has more goes alone. wait: seconds that the first request waits for others
    while fewer than `rows` texts are there. queue_rows: texts that may wait. observe: gets each call's number of texts.
    """

    def __init__(self, rows: int, wait: float, queue_rows: int, observe: Callable[[int], None] = lambda rows: None):
        self.rows, self.wait, self.queue_rows, self.observe = rows, wait, queue_rows, observe
        self.waiting = 0  # texts
        self._jobs: deque[_Job] = deque()
        self._arrived, self._enough = asyncio.Event(), asyncio.Event()
        self._pool = ThreadPoolExecutor(1, "predict")

    async def probabilities(self, model: ServedModel, texts: Sequence[str]) -> np.ndarray:
        """float32[texts, classes], all from one version.

        Raises:
            QueueFull: there is no room for that many texts.
        """
        if self.waiting + len(texts) > self.queue_rows:
            raise QueueFull(f"at most {self.queue_rows} texts may wait. Received: {self.waiting} and {len(texts)} more")
        job = _Job(model, texts, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self.waiting += len(texts)
        self._arrived.set()
        if self.waiting >= self.rows:
            self._enough.set()
        return await job.answer

    async def run(self) -> None:
        """Answers until it is cancelled; what waits then gets a CancelledError."""
        try:
            while True:
                await self._arrived.wait()
                if self.wait and not self._enough.is_set():
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(self._enough.wait(), self.wait)
                await self._answer(self._take())
        finally:
            for job in self._jobs:
                job.answer.cancel()
            self._pool.shutdown(wait=False)

    def _take(self) -> list[_Job]:
        """The jobs at the head of the queue that go into one call: of one version, `rows` texts at most."""
        taken, rows = [], 0
        while self._jobs and (job := self._jobs[0]).model is (taken or [job])[0].model:
            if taken and rows + len(job.texts) > self.rows:
                break
            taken.append(self._jobs.popleft())
            rows += len(job.texts)
        self.waiting -= rows
        if not self._jobs:
            self._arrived.clear()
        if self.waiting < self.rows:
            self._enough.clear()
        return taken

    async def _answer(self, jobs: list[_Job]) -> None:
        jobs = [job for job in jobs if not job.answer.done()]  # a caller may have gone away
        if not jobs:
            return
        texts = [text for job in jobs for text in job.texts]
        self.observe(len(texts))
        try:
            answers = await asyncio.get_running_loop().run_in_executor(
                self._pool, jobs[0].model.client.probabilities, texts
            )
        except asyncio.CancelledError:
            for job in jobs:
                job.answer.cancel()
            raise
        except Exception as error:  # each caller gets it
            for job in jobs:
                if not job.answer.done():
                    job.answer.set_exception(error)
            return
        start = 0
        for job in jobs:
            if not job.answer.done():
                job.answer.set_result(answers[start : start + len(job.texts)])
            start += len(job.texts)
