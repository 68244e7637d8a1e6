"""The pages *Models* and *Run report* in Airflow's UI, for users who may read the runs of `news_retrain`.

Airflow hands a plugin's web application every request, logged in or not: the dependency below is what keeps others out.
"""

import functools
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/newsdesk"
DAG_ID = "news_retrain"
# No scripts at all; nothing from elsewhere; only Airflow itself may frame a page.
_COMMON = "default-src 'none'; img-src 'self' data:; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
PAGE_POLICY = f"{_COMMON}; style-src 'self'"
FILE_POLICY = f"{_COMMON}; style-src 'self' 'unsafe-inline'"  # reports carry their own styles
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "private, no-cache"}


@functools.cache
def application():
    """The web application. Made on first use: a task's process loads plugins too, and has no use for it."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI, HTTPException, Request
    from fastapi.responses import FileResponse, HTMLResponse, Response

    from components.core.run_record import run_of
    from pipelines.reports import models_page, page_files, render, run_page
    from pipelines.reports import status as status_line

    app = FastAPI(
        title="Newsdesk",
        # These would be served to anybody.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.RUN, DAG_ID))],
    )

    def shown(request: Request, template: str, status: int = 200, **values) -> HTMLResponse:
        values["status"] = status_line.status_of(values.get("line") or (values.get("config") or {}).get("line"))
        text = render.page(template, request.scope.get("root_path", ""), **values)
        return HTMLResponse(text, status, {**HEADERS, "Content-Security-Policy": PAGE_POLICY})

    def nothing(request: Request, title: str, *lines: str) -> HTMLResponse:
        return shown(request, "nothing.html", 404, title=title, lines=lines, again=False)

    @app.get("/models")
    def models(request: Request) -> HTMLResponse:
        found = models_page.lines()
        if not found:
            lines = (
                "No line has a version yet.",
                f"Trigger {DAG_ID}, or run `make retrain`; this page shows what comes out.",
            )
            return shown(request, "nothing.html", title="Models", lines=lines, again=False)
        return shown(request, "models.html", **models_page.view(found[0]))

    @app.get("/models/{line}")
    def line_models(request: Request, line: str) -> HTMLResponse:
        if line not in models_page.lines():
            return nothing(request, "Models", "There is no such line.")
        return shown(request, "models.html", **models_page.view(line))

    @app.get("/dags/{dag_id}/runs/{run_id:path}")
    def dag_run(request: Request, dag_id: str, run_id: str) -> HTMLResponse:
        found = run_page.view(run_of(dag_id, run_id)) if run_of(dag_id, run_id) else None
        if found:
            return shown(request, "run.html", **found)
        if dag_id.startswith(DAG_ID):  # each line with a schedule has one of its own
            lines = (
                "This run has not opened yet, or was refused at the door.",
                "Its report begins with the first node, Ingester, and fills while the run goes on. This page looks again every "
                "ten seconds.",
            )
            return shown(request, "nothing.html", title="Run report", lines=lines, again=True)
        lines = (
            f"{dag_id} trains nothing, so this run has no report.",
            "What serves, and who moved it, is on the page Models.",
        )
        return shown(request, "nothing.html", title="Run report", lines=lines, again=False)

    @app.get("/runs/{run_id}")
    def run(request: Request, run_id: str) -> HTMLResponse:
        found = _known(run_page.view, run_id)
        return shown(request, "run.html", **found) if found else nothing(request, "Run report", "There is no such run.")

    @app.get("/runs/{run_id}/{kind}")
    def run_document(request: Request, run_id: str, kind: str) -> HTMLResponse:
        found = _known(page_files.of_run, run_id, kind)
        name = page_files.first(kind, found) if found else None
        if name is None:
            return nothing(request, "Run report", "This run has no such page.")
        title = page_files.title(kind)
        back = (f"/runs/{run_id}", "Run report")
        return shown(
            request,
            "document.html",
            title=title,
            back=back,
            of=run_id,
            source=f"/runs/{run_id}/{kind}/{name}",
            line=run_page.line_of(run_id),
        )

    @app.get("/models/{line}/{version:int}/{kind}")
    def version_document(request: Request, line: str, version: int, kind: str) -> HTMLResponse:
        found = _known(page_files.of_version, line, version, kind)
        if not found:
            return nothing(request, "Models", "This version has no such page.")
        name, title = page_files.first(kind, found), page_files.title(kind)
        source, back = f"/models/{line}/{version}/{kind}/{name}", (f"/models/{line}", "Models")
        return shown(request, "document.html", title=title, back=back, of=f"{line} {version}", source=source, line=line)

    @app.get("/lines/{line}/{kind}")
    def line_document(request: Request, line: str, kind: str) -> HTMLResponse:
        found = _known(page_files.of_line, line, kind)
        if not found:
            return nothing(request, "Models", "This line has no such page.")
        name, title = page_files.first(kind, found), page_files.title(kind)
        source, back = f"/lines/{line}/{kind}/{name}", (f"/models/{line}", "Models")
        return shown(request, "document.html", title=title, back=back, of=line, source=source, line=line)

    @app.get("/lines/{line}/{kind}/{name}")
    def line_file(line: str, kind: str, name: str) -> Response:
        return sent(_known(page_files.of_line, line, kind), name)

    @app.get("/runs/{run_id}/{kind}/{name:path}")
    def run_file(run_id: str, kind: str, name: str) -> Response:
        return sent(_known(page_files.of_run, run_id, kind), name)

    @app.get("/models/{line}/{version:int}/{kind}/{name:path}")
    def version_file(line: str, version: int, kind: str, name: str) -> Response:
        return sent(_known(page_files.of_version, line, version, kind), name)

    def sent(found: dict | None, name: str) -> Response:
        path = (found or {}).get(name)
        if path is None:
            raise HTTPException(404, "no such file")
        headers = {**HEADERS, "Content-Security-Policy": FILE_POLICY}
        return FileResponse(path, media_type=page_files.TYPES[path.suffix], headers=headers)

    @app.get("/style.css")
    def style() -> Response:
        return Response(render.style(), media_type="text/css", headers=HEADERS)

    @app.get("/icon.svg")
    def icon() -> Response:
        return Response(render.icon(), media_type="image/svg+xml", headers=HEADERS)

    return app


def _known(read, *names) -> Any:
    """What `read` gives; None for a name that nothing can have."""
    try:
        return read(*names)
    except ValueError:
        return None


class NewsdeskPages(AirflowPlugin):
    """Two views, both frames within Airflow's UI, and the application that serves them."""

    name = "newsdesk"
    external_views: ClassVar = [
        {
            "name": "Models",
            "href": f"{PREFIX}/models",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": "newsdesk-models",
            "icon": f"{PREFIX}/icon.svg",
        },
        {
            "name": "Run report",
            "href": f"{PREFIX}/dags/{{DAG_ID}}/runs/{{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "newsdesk-run",
            "icon": f"{PREFIX}/icon.svg",
        },
    ]

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        return [{"app": application(), "url_prefix": PREFIX, "name": "Newsdesk"}]
