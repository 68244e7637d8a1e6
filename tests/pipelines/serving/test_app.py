"""The routes, asked in this process: answers, errors, limits, metrics, the request log."""

import asyncio
import contextlib
import json

import httpx
import numpy as np
import published
import pytest

from components.core import paths
from components.core.request_log import LogSettings
from components.data import file_reader, row_format
from components.registry import model_registry
from pipelines.client import Client
from pipelines.serving import app as serving_app
from pipelines.serving.settings import ServeSettings

TEXTS = ["goal coach striker", "shares profit merger", "treaty embassy", "orbit browser chip"]
LABELS = ["Sports", "Business", "World", "Sci/Tech"]
URL = f"/v1/models/{published.LINE}"


@contextlib.asynccontextmanager
async def server(**settings):
    """A client of an app that runs in this event loop, and its service."""
    app = serving_app.build_app(ServeSettings(published.LINE, **{"poll": 3600.0, **settings}))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://newsdesk") as client:
            yield client, app.state.service


def promote(version: int, kind: str = "promote") -> None:
    model_registry.move_champion(published.LINE, model_registry.champion(published.LINE), version, kind, "try", {})


@pytest.fixture
def line():
    return published.two_versions()


def test_predict_and_classify_answer_as_the_model_does_and_name_it(line):
    async def ask():
        async with server() as (client, _):
            predicted = await client.post(
                f"{URL}:predict", json={"instances": TEXTS}, headers={"x-request-id": "mine-1"}
            )
            classified = await client.post(f"{URL}:classify", json={"examples": [{"text": text} for text in TEXTS]})
            columns = await client.post(f"{URL}/labels/champion:predict", json={"inputs": {"text": TEXTS}})
        digest = model_registry.champion(line)["digest"]
        assert [p["label"] for p in predicted.json()["predictions"]] == LABELS
        np.testing.assert_allclose(
            [p["probabilities"] for p in predicted.json()["predictions"]],
            published.answers("good", tuple(TEXTS)),
            atol=1e-5,
        )
        assert predicted.json()["model_spec"] == {"name": line, "version": 1, "digest": digest}
        assert predicted.headers["x-model-version"] == "1"
        assert predicted.headers["x-model-digest"] == digest
        assert predicted.headers["x-request-id"] == "mine-1"
        assert [max(pairs, key=lambda pair: pair[1])[0] for pairs in classified.json()["results"]] == LABELS
        assert len(classified.headers["x-request-id"]) == 32
        assert columns.json()["outputs"]["label"] == LABELS

    asyncio.run(ask())


def test_status_names_what_can_answer_and_so_does_health(line):
    async def ask():
        async with server() as (client, service):
            assert (await client.get(URL)).json()["model_version_status"] == [
                {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
            ]
            promote(2)
            await service.look()
            assert [v["version"] for v in (await client.get(URL)).json()["model_version_status"]] == ["2", "1"]
            assert (await client.get(f"{URL}/versions/1")).status_code == 200
            old = await client.post(f"{URL}/versions/1:predict", json={"instances": TEXTS[:1]})
            previous = await client.post(f"{URL}/labels/previous:predict", json={"instances": TEXTS[:1]})
            new = await client.post(f"{URL}:predict", json={"instances": TEXTS[:1]})
            assert [r.json()["predictions"][0]["label"] for r in (old, previous, new)] == [
                "Sports",
                "Sports",
                "Business",
            ]
            health = (await client.get("/healthz")).json()
        assert (health["status"], health["version"], health["loaded"], health["trouble"]) == ("ok", 2, [2, 1], [])

    asyncio.run(ask())


def test_what_is_not_there_is_404_and_says_what_is(line):
    async def ask():
        async with server() as (client, _):
            body = {"instances": TEXTS}
            endless = await client.post(f"{URL}/versions/{'9' * 5000}:predict", json=body)
            assert (endless.status_code, set(endless.json())) == (404, {"error"})
            for url in ("/v1/models/other:predict", f"{URL}/versions/7:predict", f"{URL}/labels/best:classify"):
                answer = await client.post(url, json=body)
                assert answer.status_code == 404
                assert answer.json()["error"].startswith("Servable not found for request: ")
                assert "versions 1" in answer.json()["error"]
            for url in ("/v1/models/other", f"{URL}/versions/7", "/elsewhere"):
                assert set((await client.get(url)).json()) == {"error"}
                assert (await client.get(url)).status_code == 404
            assert (await client.get(f"{URL}:predict")).status_code in (404, 405)

    asyncio.run(ask())


def test_before_the_first_champion_it_answers_503_and_begins_by_itself():
    async def ask():
        async with server() as (client, service):
            early = await client.post(f"{URL}:predict", json={"instances": TEXTS})
            assert early.status_code == 503
            assert "has no champion yet" in early.json()["error"]
            assert (await client.get("/healthz")).status_code == 503
            published.release("run-1")
            await service.look()
            assert (await client.post(f"{URL}:predict", json={"instances": TEXTS})).status_code == 200
            assert (await client.get("/healthz")).status_code == 200
            asked = await client.head("/healthz")
            assert (asked.status_code, asked.content) == (200, b"")

    asyncio.run(ask())


def test_a_request_that_is_too_large_is_413_and_a_bad_one_400(line):
    async def ask():
        async with server(body_bytes=400, request_rows=3) as (client, _):

            async def chunks():
                for _ in range(50):
                    yield b" " * 100

            large = await client.post(f"{URL}:predict", content=b" " * 401)
            unsized = await client.post(f"{URL}:predict", content=chunks())
            many = await client.post(f"{URL}:predict", json={"instances": TEXTS})
            bad = await client.post(f"{URL}:predict", content=b'{"instances": [1]}')
            fits = await client.post(f"{URL}:predict", json={"instances": TEXTS[:3]})
            counted = (await client.get("/metrics")).text
        assert [r.status_code for r in (large, unsized, many, bad, fits)] == [413, 413, 413, 400, 200]
        assert many.json()["error"] == "a request may have 3 texts. Received: 4"
        assert 'newsdesk_requests_total{code="413",method="predict"} 3.0' in counted
        assert 'newsdesk_requests_total{code="400",method="predict"} 1.0' in counted
        assert 'newsdesk_texts_total{label="Sports",version="1"} 1.0' in counted
        assert 'newsdesk_champion_version{line="news"} 1.0' in counted
        assert "newsdesk_follows_pointer 1.0" in counted

    asyncio.run(ask())


def test_a_body_that_does_not_come_is_408(line):
    async def ask():
        async with server(body_seconds=0.05) as (client, _):

            async def never():
                yield b"{"
                await asyncio.Event().wait()

            assert (await client.post(f"{URL}:predict", content=never())).status_code == 408

    asyncio.run(ask())


def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_fault_of_the_server(line, caplog):
    came = iter([{"type": "http.request", "body": b'{"inst', "more_body": True}, {"type": "http.disconnect"}])

    async def receive():
        return next(came)

    async def send(message):
        pass

    async def ask():
        async with server() as (client, _):
            path, app = f"{URL}:predict", client._transport.app
            scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
            await app(scope, receive, send)
            counted = (await client.get("/metrics")).text
        assert 'newsdesk_requests_total{code="499",method="predict"} 1.0' in counted
        assert 'code="500"' not in counted

    asyncio.run(ask())
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_when_too_many_texts_wait_the_next_is_429_and_may_come_again(line):
    async def ask():
        async with server(queue_rows=8, request_rows=8, batch_rows=100, batch_wait=0.2) as (client, _):
            body = {"instances": TEXTS}
            answers = await asyncio.gather(*(client.post(f"{URL}:predict", json=body) for _ in range(3)))
            assert sorted(r.status_code for r in answers) == [200, 200, 429]
            refused = next(r for r in answers if r.status_code == 429)
            assert refused.headers["retry-after"] == "1"
            assert "at most 8 texts may wait" in refused.json()["error"]
            assert (await client.post(f"{URL}:predict", json=body)).status_code == 200

    asyncio.run(ask())


def test_a_failure_of_the_model_is_500_and_shows_nothing_of_it(line, monkeypatch, caplog):
    async def ask():
        async with server() as (client, service):

            def broken(texts):
                raise RuntimeError("secret place")

            monkeypatch.setattr(service.champion.champion.client, "probabilities", broken)
            answer = await client.post(f"{URL}:predict", json={"instances": TEXTS}, headers={"x-request-id": "r7"})
            assert answer.status_code == 500
            assert "r7" in answer.json()["error"]
            assert "secret" not in answer.text
            monkeypatch.undo()

    asyncio.run(ask())
    assert "secret place" in caplog.text


def test_nothing_is_logged_unless_asked_for_and_then_as_a_source_for_the_monitor(line):
    async def ask(log):
        async with server(log=log) as (client, _):
            await client.post(f"{URL}:predict", json={"instances": TEXTS}, headers={"x-request-id": "first"})
            await client.post(f"{URL}:classify", json={"examples": [{"text": TEXTS[0]}]})
            await client.post(f"{URL}:predict", content=b"{")

    folder = paths.requests_dir(line)
    asyncio.run(ask(None))
    assert not folder.exists()
    asyncio.run(ask(LogSettings()))
    [path] = folder.glob("*/requests.jsonl")
    rows = [json.loads(row) for row in path.read_text().splitlines()]
    assert [row["id"] for row in rows[:4]] == ["first-1", "first-2", "first-3", "first-4"]
    assert [row["title"] for row in rows] == [*TEXTS, TEXTS[0]]
    assert [row["answer"] for row in rows] == [*LABELS, LABELS[0]]
    assert {row["version"] for row in rows} == {1}
    assert path.stat().st_mode & 0o077 == 0
    read = list(file_reader.read(path, row_format.form_of(line, published.LABELS, labelled=False)))
    assert [(row.title, row.label) for row in read] == [(row["title"], -1) for row in rows]


def test_below_the_least_confidence_a_text_gets_no_label_and_is_counted_and_the_client_agrees(line):
    texts = ["goal coach season striker", "goal treaty"]
    rows = published.answers("good", tuple(texts)).max(axis=1)
    least = float(rows.mean())
    assert rows[1] < least < rows[0]

    async def ask():
        async with server(min_confidence=least, log=LogSettings()) as (client, _):
            unsure = (await client.post(f"{URL}:predict", json={"instances": texts})).json()
            pairs = (await client.post(f"{URL}:classify", json={"examples": [{"text": text} for text in texts]})).json()
            all_labelled = (await client.post(f"{URL}:predict?min_confidence=0", json={"instances": texts})).json()
            none = (await client.post(f"{URL}:predict?min_confidence=1", json={"instances": texts})).json()
            bad = await client.post(f"{URL}:predict?min_confidence=high", json={"instances": texts})
            counted = (await client.get("/metrics")).text
        expected = Client(line, min_confidence=least).classify(texts)
        assert [p["label"] for p in unsure["predictions"]] == [e["label"] for e in expected] == ["Sports", None]
        assert [p["label_id"] for p in unsure["predictions"]] == [1, None]
        assert (unsure["min_confidence"], unsure["uncertain"]) == (least, [False, True])
        assert pairs["uncertain"] == [False, True] and len(pairs["results"][1]) == 4
        assert "uncertain" not in all_labelled and None not in [p["label"] for p in all_labelled["predictions"]]
        assert none["uncertain"] == [True, True]
        assert bad.status_code == 400 and "Received: 'high'" in bad.json()["error"]
        assert 'newsdesk_uncertain_texts_total{version="1"} 4.0' in counted
        assert 'newsdesk_texts_total{label="Sports",version="1"} 4.0' in counted

    asyncio.run(ask())
    [path] = paths.requests_dir(line).glob("*/requests.jsonl")
    assert all(json.loads(row)["answer"] for row in path.read_text().splitlines())  # the log has the guess


def test_the_description_of_the_api_names_every_route(line):
    async def ask():
        async with server() as (client, _):
            described = (await client.get("/openapi.json")).json()["paths"]
        assert "/v1/models/{name}:predict" in described
        assert "/v1/models/{name}/versions/{version}:classify" in described
        parameters = described["/v1/models/{name}:predict"]["post"]["parameters"]
        assert {each["name"] for each in parameters} == {"name", "min_confidence"}
        schema = described["/v1/models/{name}:classify"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert schema["required"] == ["examples"]

    asyncio.run(ask())
