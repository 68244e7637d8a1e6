"""Refuses a run's unknown parameters where they come in: Airflow checks those that a DAG names, and lets others pass.

Covers what triggers a run or a backfill over HTTP, so the UI, the REST API and everything built on it. The first task of a run
refuses them as well (`form_parts.refuse_unknown`), for `airflow dags trigger` writes to the database without asking the server.
"""

import asyncio
import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

TAG = "newsdesk"  # DAGs of others in the same Airflow take what they like
_RUN = re.compile(r"/api/v2/dags/([^/]+)/dagRuns/?$")
_BACKFILL = re.compile(r"/api/v2/backfills(/dry_run)?/?$")


def asked(path: str, body: Any) -> tuple[str, Mapping] | None:
    """The DAG and the parameters that a request asks a run for; None where it asks for none, or for none that can be read."""
    if not isinstance(body, Mapping):
        return None
    run = _RUN.search(path)
    if run:
        dag, conf = run[1], body.get("conf")
    elif _BACKFILL.search(path):
        dag, conf = body.get("dag_id"), body.get("dag_run_conf")
    else:
        return None
    return (dag, conf) if isinstance(dag, str) and isinstance(conf, Mapping) else None


def fault(conf: Mapping, known: Collection[str] | None) -> str | None:
    """What to tell who asked; None where every parameter is known, or the DAG is not ours to judge (`known` is None)."""
    unknown = sorted(map(str, set(conf) - set(known or ())))
    if known is None or not unknown:
        return None
    return f"a run's parameters must be among {', '.join(sorted(known))}. Received: unknown={str(unknown)[:200]}"


def parameters_of(bag, dag_id: str) -> set[str] | None:
    """The parameters of one of our DAGs, from Airflow's database; None for another's, and for one that is not there."""
    from airflow.utils.session import create_session

    with create_session() as session:
        dag = bag.get_latest_version_of_dag(dag_id, session=session)
        return set(dag.params) if dag is not None and TAG in dag.tags else None


async def may_start(scope: Mapping[str, Any], dag_id: str) -> bool:
    """Whether who asks is logged in and may start runs of the DAG, by Airflow's own rules: a token in the header counts before the cookie.

    Who may not learns nothing here, and gets Airflow's answer.
    """
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
    from jwt import InvalidTokenError
    from starlette.requests import HTTPConnection

    asking = HTTPConnection(scope)
    scheme, _, token = asking.headers.get("authorization", "").partition(" ")
    token = token if scheme.lower() == "bearer" else asking.cookies.get(COOKIE_NAME_JWT_TOKEN)
    if not token:
        return False
    manager = get_auth_manager()
    try:
        user = await manager.get_user_from_token(token)
    except InvalidTokenError:  # expired ones too
        return False
    allowed = {"method": "POST", "access_entity": DagAccessEntity.RUN, "details": DagDetails(id=dag_id), "user": user}
    return await asyncio.to_thread(manager.is_authorized_dag, **allowed)


class KnownParameters:
    """ASGI middleware; all requests but those that start runs pass untouched."""

    def __init__(self, app: Callable):
        self.app = app

    async def __call__(self, scope, receive, send):
        path = scope.get("path", "")
        if scope["type"] != "http" or scope["method"] != "POST" or not (_RUN.search(path) or _BACKFILL.search(path)):
            await self.app(scope, receive, send)
            return
        messages, more = [], True
        while more:
            messages.append(await receive())
            more = messages[-1].get("more_body", False)
        fault = await self._fault(scope, b"".join(part.get("body", b"") for part in messages))
        if fault:
            await _answer(send, fault)
            return
        again = iter(messages)

        async def replay():
            return next(again, None) or await receive()

        await self.app(scope, replay, send)

    async def _fault(self, scope, body: bytes) -> str | None:
        try:
            found = asked(scope["path"], json.loads(body))
        except ValueError:
            return None  # Airflow has its own words for it
        if not found or not await may_start(scope, found[0]):
            return None
        dag_id, conf = found
        return fault(conf, await asyncio.to_thread(parameters_of, scope["app"].state.dag_bag, dag_id))


async def _answer(send, told: str) -> None:
    body = json.dumps({"detail": told}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 422, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class NewsdeskParameters(AirflowPlugin):
    """The refusal, in front of Airflow's whole web application."""

    name = "newsdesk_parameters"
    fastapi_root_middlewares: ClassVar = [
        {"name": "Known parameters", "middleware": KnownParameters, "args": [], "kwargs": {}}
    ]
