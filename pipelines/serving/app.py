"""The routes of a prediction server.

    POST /v1/models/NAME[/versions/N | /labels/champion | /labels/previous]:predict and :classify, [?min_confidence=0.9]
    GET  /v1/models/NAME[/versions/N]      which versions can answer
    GET  /healthz                          200 while something can answer, with what is wrong; else 503
    GET  /metrics                          Prometheus
    GET  /openapi.json                     all of this for programs

Errors are `{"error": "…"}`: 400 a body that cannot be read, 404 no such model or version, 408 and 413 a body too slow or too large,
429 too many wait, 503 no champion yet.
"""

import asyncio
import contextlib
import re
import time
import uuid

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException

from pipelines.serving import tf_serving_api as api
from pipelines.serving.batching import QueueFull
from pipelines.serving.metrics import CONTENT_TYPE
from pipelines.serving.service import Refused, Service, logger
from pipelines.serving.settings import ServeSettings

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")


class _VersionNumber(IntegerConvertor):
    """A version in a path, of at most 18 digits: Python refuses to convert more than 4,300."""

    regex = "[0-9]{1,18}"


def build_app(settings: ServeSettings) -> FastAPI:
    """The application; its start-up loads the champion before the first request."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI):
        app.state.service = service = Service(settings)
        tasks = [asyncio.create_task(service.batcher.run())]
        await service.look()
        tasks.append(asyncio.create_task(service.follow()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if service.log:
                await asyncio.to_thread(service.log.close)

    register_url_convertor("number", _VersionNumber())
    # No documentation pages: they load scripts from elsewhere.
    app = FastAPI(title=f"Newsdesk: {settings.line}", lifespan=lifespan, docs_url=None, redoc_url=None)
    for method, body in api.SCHEMAS.items():
        more = {
            "methods": ["POST"],
            "openapi_extra": {
                "requestBody": {"content": {"application/json": {"schema": body}}},
                "parameters": [api.MIN_CONFIDENCE],
            },
        }
        of_champion, of_version, of_label = _routes(method)
        app.add_api_route(f"/v1/models/{{name}}:{method}", of_champion, **more)
        app.add_api_route(f"/v1/models/{{name}}/versions/{{version:number}}:{method}", of_version, **more)
        app.add_api_route(f"/v1/models/{{name}}/labels/{{label}}:{method}", of_label, **more)
    app.add_api_route("/v1/models/{name}", _status)
    app.add_api_route("/v1/models/{name}/versions/{version:number}", _version_status)
    app.add_api_route("/healthz", _health)
    app.add_api_route("/healthz", _health, methods=["HEAD"], include_in_schema=False)  # some load balancers ask so
    app.add_api_route("/metrics", _metrics)
    app.add_exception_handler(HTTPException, _error)
    return app


def _routes(method: str):
    """For one method: the route of the champion, of a version, and of a label."""

    async def champion(request: Request, name: str) -> Response:
        return await _ask(request, method, name)

    async def version(request: Request, name: str, version: int) -> Response:
        return await _ask(request, method, name, version)

    async def label(request: Request, name: str, label: str) -> Response:
        return await _ask(request, method, name, label=label)

    return champion, version, label


async def _ask(
    request: Request, method: str, name: str, version: int | None = None, label: str | None = None
) -> Response:
    started, service = time.perf_counter(), request.app.state.service
    request_id = request.headers.get("x-request-id", "")
    if not _REQUEST_ID.fullmatch(request_id):
        request_id = uuid.uuid4().hex
    headers, code, message = {"x-request-id": request_id}, 200, ""
    try:
        model = service.find(name, version, label)
        headers |= {"x-model-version": str(model.version), "x-model-digest": model.digest}
        content = await service.answer(request, method, model, request_id)
    except Refused as error:
        code, message = error.code, str(error)
    except api.BadRequest as error:
        code, message = 400, str(error)
    except QueueFull as error:
        code, message = 429, str(error)
        headers["retry-after"] = "1"
    except Exception:
        logger.exception("request %s failed", request_id)
        code, message = 500, f"the prediction failed; the server's log has request {request_id}"
    service.metrics.answered(method, code, started)
    if message:
        return JSONResponse({"error": message}, code, headers)
    return Response(content, code, headers, "application/json")


async def _status(request: Request, name: str) -> Response:
    service = request.app.state.service
    if name != service.settings.line:
        raise HTTPException(404, f"Could not find any versions of model {name}")
    return JSONResponse(api.status_answer([model.version for model in service.champion.loaded()]))


async def _version_status(request: Request, name: str, version: int) -> Response:
    service = request.app.state.service
    if name != service.settings.line or not service.champion.find(version):
        raise HTTPException(404, f"Could not find version {version} of model {name}")
    return JSONResponse(api.status_answer([version]))


async def _health(request: Request) -> Response:
    report = request.app.state.service.health()
    return JSONResponse(report, 503 if report["status"] == "unavailable" else 200)


async def _metrics(request: Request) -> Response:
    return Response(request.app.state.service.metrics_text(), media_type=CONTENT_TYPE)


async def _error(request: Request, error: HTTPException) -> Response:
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)
