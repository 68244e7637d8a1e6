"""Requests that wait go into one call, each gets its own rows back, and no call mixes two versions."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.serving.batching import Batcher, QueueFull


class Graph:
    """Answers a text with its length; remembers each call."""

    def __init__(self):
        self.calls = []

    def probabilities(self, texts):
        self.calls.append(list(texts))
        if "bad" in texts:
            raise RuntimeError("no answer")
        return np.array([[len(text)] for text in texts], np.float32)


def model(version: int = 1) -> SimpleNamespace:
    return SimpleNamespace(version=version, client=Graph())


def running(work, **settings):
    """Runs `work(batcher)` beside a batcher that answers."""

    async def both():
        batcher = Batcher(**{"rows": 4, "wait": 0.05, "queue_rows": 100, **settings})
        task = asyncio.create_task(batcher.run())
        try:
            return await work(batcher)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return asyncio.run(both())


def test_requests_that_wait_share_a_call_and_get_their_own_rows():
    graph, sizes = model(), []

    async def work(batcher):
        batcher.observe = sizes.append
        requests = (["a", "bb"], ["ccc"], ["dddd", "e", "ff"], ["ggg"])
        return await asyncio.gather(*(batcher.probabilities(graph, texts) for texts in requests))

    answers = running(work)
    assert [answer[:, 0].tolist() for answer in answers] == [[1, 2], [3], [4, 1, 2], [3]]
    assert graph.client.calls == [["a", "bb", "ccc"], ["dddd", "e", "ff", "ggg"]]
    assert sizes == [3, 4]


def test_no_call_mixes_two_versions():
    old, new = model(1), model(2)

    async def work(batcher):
        asked = ((old, "a"), (old, "b"), (new, "c"), (old, "d"))
        await asyncio.gather(*(batcher.probabilities(which, [text]) for which, text in asked))

    running(work)
    assert (old.client.calls, new.client.calls) == ([["a", "b"], ["d"]], [["c"]])


def test_a_request_larger_than_a_batch_goes_alone():
    graph = model()

    async def work(batcher):
        return await asyncio.gather(batcher.probabilities(graph, ["a"] * 9), batcher.probabilities(graph, ["b"]))

    assert [len(answer) for answer in running(work)] == [9, 1]
    assert [len(call) for call in graph.client.calls] == [9, 1]


def test_a_full_queue_refuses_and_takes_again_afterwards():
    graph = model()

    async def work(batcher):
        first = asyncio.create_task(batcher.probabilities(graph, ["a"] * 3))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match=r"at most 3 texts may wait. Received: 3 and 1 more"):
            await batcher.probabilities(graph, ["b"])
        await first
        return await batcher.probabilities(graph, ["b"])

    assert len(running(work, queue_rows=3)) == 1


def test_a_failing_call_fails_its_requests_and_no_later_one():
    graph = model()

    async def work(batcher):
        failed = await asyncio.gather(
            batcher.probabilities(graph, ["bad"]), batcher.probabilities(graph, ["a"]), return_exceptions=True
        )
        return failed, await batcher.probabilities(graph, ["a"])

    failed, later = running(work)
    assert [type(each) for each in failed] == [RuntimeError, RuntimeError]
    assert later.tolist() == [[1]]


def test_one_who_went_away_is_not_computed_for():
    graph = model()

    async def work(batcher):
        gone = asyncio.create_task(batcher.probabilities(graph, ["gone"]))
        await asyncio.sleep(0)
        gone.cancel()
        return await batcher.probabilities(graph, ["here"])

    assert running(work).tolist() == [[4]]
    assert graph.client.calls == [["here"]]


def test_at_its_end_what_waits_is_told():
    async def work():
        batcher = Batcher(rows=4, wait=10, queue_rows=100)
        task = asyncio.create_task(batcher.run())
        asked = asyncio.create_task(batcher.probabilities(model(), ["a"]))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(work())
