"""Unknown parameters are refused by the web application, before a run exists; all else reaches Airflow as it was sent."""

import json
import types

import pytest
from jwt import InvalidTokenError
from plugins.reject_unknown_params import KnownParameters, NewsdeskParameters
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

OURS = types.SimpleNamespace(params={"source": 1, "seed": 2}, tags={"newsdesk", "news"})
THEIRS = types.SimpleNamespace(params={}, tags={"etl"})
RUNS = "/api/v2/dags/news_retrain/dagRuns"


class Bag:
    def get_latest_version_of_dag(self, dag_id, *, session):
        return {"news_retrain": OURS, "theirs": THEIRS}.get(dag_id)


class Manager:
    """Airflow's auth manager: `x` is somebody who may start every DAG, `reader` one who may start none."""

    async def get_user_from_token(self, token):
        if token not in ("x", "reader"):
            raise InvalidTokenError("forged")
        return token

    def is_authorized_dag(self, *, method, access_entity, details, user):
        return user == "x" and (method, access_entity.value, details.id) == ("POST", "RUN", "news_retrain")


@pytest.fixture
def post(monkeypatch):
    """Asks as somebody who is logged in; the application behind the middleware answers with what it was sent."""

    async def echo(request):
        return JSONResponse({"got": (await request.body()).decode()})

    monkeypatch.setattr("airflow.api_fastapi.app.get_auth_manager", Manager)
    app = Starlette(routes=[Route("/{path:path}", echo, methods=["POST", "PATCH"])])
    app.add_middleware(KnownParameters)
    app.state.dag_bag = Bag()
    client = TestClient(app)

    def ask(path, body, method="POST", headers=(("authorization", "Bearer x"),)):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.request(method, path, content=content, headers=dict(headers))

    return ask


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (RUNS, {"conf": {"source": "demo", "bogus": 1}}),
        (RUNS + "/", {"conf": {"bogus": None}}),
        ("/api/v2/backfills", {"dag_id": "news_retrain", "dag_run_conf": {"bogus": 1}}),
        ("/api/v2/backfills/dry_run", {"dag_id": "news_retrain", "dag_run_conf": {"bogus": 1}}),
    ],
)
def test_an_unknown_parameter_is_refused_with_its_name_and_the_known_ones(post, path, body):
    answer = post(path, body)
    assert answer.status_code == 422
    assert answer.json()["detail"] == "a run's parameters must be among seed, source. Received: unknown=['bogus']"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (RUNS, {"conf": {"source": "demo", "seed": 3}, "dag_run_id": "r1"}),
        (RUNS, {"conf": None}),
        (RUNS, {}),
        (RUNS, [1]),
        (RUNS, {"conf": "no object"}),
        (RUNS, b"{no json"),
        (RUNS, {"conf": {"seed": "x" * 200_000}}),
        ("/api/v2/dags/theirs/dagRuns", {"conf": {"anything": 1}}),
        ("/api/v2/dags/gone/dagRuns", {"conf": {"anything": 1}}),
        ("/api/v2/backfills", {"dag_id": "theirs", "dag_run_conf": {"anything": 1}}),
        ("/api/v2/dags/news_retrain/dagRuns/list", {"conf": {"bogus": 1}}),
    ],
)
def test_everything_else_reaches_airflow_as_it_was_sent(post, path, body):
    answer = post(path, body)
    assert answer.status_code == 200
    assert answer.json()["got"] == (body.decode() if isinstance(body, bytes) else json.dumps(body))


def test_other_methods_are_left_to_airflow(post):
    assert post(RUNS, {"conf": {"bogus": 1}}, method="PATCH").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("cookie", "_token=forged"),),
        (("cookie", "anything=x"),),
        (("authorization", "Bearer forged"), ("cookie", "_token=x")),
        (("authorization", "Bearer reader"),),
        (("authorization", "Basic x"),),
    ],
)
def test_who_may_not_start_the_dag_learns_nothing_of_its_parameters(post, headers):
    assert post(RUNS, {"conf": {"bogus": 1}}, headers=headers).status_code == 200


def test_a_browser_s_cookie_is_a_login(post):
    assert post(RUNS, {"conf": {"bogus": 1}}, headers=(("cookie", "_token=x"),)).status_code == 422


def test_airflow_puts_it_in_front_of_its_application():
    from airflow import plugins_manager

    found = [
        plugin
        for plugin in plugins_manager.get_fastapi_plugins()[1]
        if plugin["middleware"].__name__ == "KnownParameters"
    ]
    assert len(found) == 1 and NewsdeskParameters.name == "newsdesk_parameters"
