"""The client and the prediction server on a line in an object store, on a machine without the desk's state folder."""

import asyncio

import published
import pytest

from components.registry import model_registry
from components.registry.object_store import StoreError
from pipelines.cli import main
from pipelines.client import Client, NoModel
from pipelines.serving.champion import Champion

TEXTS = ["goal coach striker", "shares profit merger"]


@pytest.fixture
def desk(store, monkeypatch, tmp_path):
    """Moves the pointer to a version, on the desk's machine; the test itself is on another one."""
    home = str(tmp_path / "home")
    published.two_versions()
    monkeypatch.setenv("NEWSDESK_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))

    def promote(version, kind="promote"):
        with monkeypatch.context() as patched:
            patched.setenv("NEWSDESK_HOME", home)
            patched.setenv("NEWSDESK_STORE", store.uri)
            model_registry.move_champion(
                published.LINE, model_registry.champion(published.LINE), version, kind, "try", {}
            )

    monkeypatch.delenv("NEWSDESK_STORE")
    return promote


def test_a_client_answers_from_the_store_and_follows_it(desk, store):
    client = Client(published.LINE, store=store.uri)
    assert [answer["label"] for answer in client.classify(TEXTS)] == ["Sports", "Business"]
    assert client.refresh() is False
    desk(2)
    assert client.refresh() is True
    assert client.classify(TEXTS)[0]["model_version"] == 2
    assert client.classify(TEXTS)[0]["label"] == "Business"
    assert Client(published.LINE, 1, store=store.uri).classify(TEXTS)[0]["label"] == "Sports"


def test_a_client_goes_on_while_the_store_is_away_and_so_does_a_new_one(desk, s3, store, tmp_path):
    client = Client(published.LINE, store=store.uri, cache=tmp_path / "cache")
    s3.away = True
    assert client.refresh() is False
    assert Client(published.LINE, store=store.uri, cache=tmp_path / "cache").classify(TEXTS)[0]["label"] == "Sports"
    with pytest.raises(StoreError, match="must answer"):
        Client(published.LINE, store=store.uri, cache=tmp_path / "another")


def test_a_line_or_version_that_the_store_lacks_is_named(desk, store):
    with pytest.raises(NoModel, match="must have a champion"):
        Client("sports", store=store.uri)
    with pytest.raises(NoModel, match="Received: version 9"):
        Client(published.LINE, 9, store=store.uri)


def test_a_server_follows_the_store_and_says_while_it_is_away(desk, s3, store, tmp_path):
    champion = Champion(published.LINE, store.uri, str(tmp_path / "cache"))
    assert champion.check() is True
    assert (champion.champion.version, champion.trouble) == (1, "")
    s3.away = True
    assert champion.check() is False
    assert "the object store must answer" in champion.trouble
    assert champion.champion.version == 1
    s3.away = False
    desk(2)
    assert champion.check() is True
    assert (champion.champion.version, champion.trouble) == (2, "")


def test_a_server_refuses_what_is_damaged_in_the_store_and_the_old_version_answers(desk, store, tmp_path):
    champion = Champion(published.LINE, store.uri, str(tmp_path / "cache"))
    champion.check()
    desk(2)
    store.write(f"serving/{published.LINE}/2/variables/variables.index", b"flipped")
    assert champion.check() is False
    assert "version 2 serves by the pointer and cannot answer" in champion.trouble
    assert champion.champion.version == 1


def test_serve_hands_store_and_cache_to_the_server(monkeypatch):
    from pipelines.serving import server

    asked = []
    monkeypatch.setattr(server, "run", lambda settings: asked.append(settings) or 0)
    assert main.main(["serve", "--from", "s3://bucket/desk", "--cache", "kept", "--line", "sports"]) == 0
    assert (asked[0].line, asked[0].store, asked[0].cache) == ("sports", "s3://bucket/desk", "kept")


@pytest.mark.parametrize("arguments", [["--from", "s3://bucket/desk"], ["--cache", "kept", "--line", "news"]])
def test_serve_refuses_half_of_an_address(arguments, capsys):
    assert main.main(["serve", *arguments]) == 2
    assert "needs --" in capsys.readouterr().err


def test_a_server_of_a_store_answers_over_http(desk, store, tmp_path):
    import httpx

    from pipelines.serving.app import build_app
    from pipelines.serving.settings import ServeSettings

    app = build_app(ServeSettings(published.LINE, poll=3600.0, store=store.uri, cache=str(tmp_path / "cache")))

    async def ask():
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://desk") as client,
        ):
            return await client.post(f"/v1/models/{published.LINE}:predict", json={"instances": TEXTS})

    answer = asyncio.run(ask())
    assert [each["label"] for each in answer.json()["predictions"]] == ["Sports", "Business"]
