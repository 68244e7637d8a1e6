"""The addresses of the pages that `ui_pages` adds to Airflow's UI: JSON in the state folder, drawn by `pipelines.reports`.

Not a plugin: `.airflowignore` keeps Airflow from importing this module, and FastAPI with it, in every task's process.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from components.core import run_record
from pipelines.reports import models_page, page_files, render, run_page
from pipelines.reports import status as status_line

# No scripts at all; nothing from elsewhere; only Airflow itself may frame a page.
_COMMON = "default-src 'none'; img-src 'self' data:; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'"
PAGE_POLICY = f"{_COMMON}; form-action 'self'; style-src 'self'"
FILE_POLICY = f"{_COMMON}; form-action 'none'; style-src 'self' 'unsafe-inline'"  # reports carry their own styles
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "private, no-cache"}

router = APIRouter()


@router.get("/models")
def models(request: Request) -> HTMLResponse:
    lines = models_page.lines()
    if lines:
        return page(request, "models.html", **models_page.view(lines[0]))
    texts = (
        "No line has a version yet.",
        f"Trigger {run_record.RETRAIN}, or run `make retrain`; this page shows what comes out.",
    )
    return page(request, "nothing.html", title="Models", lines=texts, again=False)


@router.get("/models/{line}")
def line_models(request: Request, line: str) -> HTMLResponse:
    if line not in models_page.lines():
        return not_found(request, "Models", "There is no such line.")
    return page(request, "models.html", **models_page.view(line))


@router.get("/dags/{dag_id}/runs/{run_id:path}")
def dag_run(request: Request, dag_id: str, run_id: str) -> HTMLResponse:
    folder = run_record.run_of(dag_id, run_id)
    view = run_page.view(folder) if folder else None
    if view:
        return page(request, "run.html", **view)
    retrains = dag_id.startswith(run_record.RETRAIN)  # each line with a schedule has a DAG of its own
    texts = (
        (
            "This run has not opened yet, or its request was refused.",
            "Its report begins with the first node, Ingester, and fills while the run goes on. This page looks again every "
            "ten seconds.",
        )
        if retrains
        else (
            f"{dag_id} trains nothing, so this run has no report.",
            "What serves, and who moved it, is on the page Models.",
        )
    )
    return page(request, "nothing.html", title="Run report", lines=texts, again=retrains)


@router.get("/runs/{run_id}")
def run(request: Request, run_id: str) -> HTMLResponse:
    view = or_none(run_page.view, run_id)
    return page(request, "run.html", **view) if view else not_found(request, "Run report", "There is no such run.")


@router.get("/runs/{run_id}/{kind}")
def run_document(request: Request, run_id: str, kind: str) -> HTMLResponse:
    files = or_none(page_files.of_run, run_id, kind)
    if not files or page_files.first(kind, files) is None:
        return not_found(request, "Run report", "This run has no such page.")
    address, line = f"/runs/{run_id}", run_page.line_of(run_id)
    return _document(request, kind, files, address, back=(address, "Run report"), of=run_id, line=line)


@router.get("/models/{line}/{version:int}/{kind}")
def version_document(request: Request, line: str, version: int, kind: str) -> HTMLResponse:
    files = or_none(page_files.of_version, line, version, kind)
    if not files:
        return not_found(request, "Models", "This version has no such page.")
    back = (f"/models/{line}", "Models")
    return _document(request, kind, files, f"/models/{line}/{version}", back=back, of=f"{line} {version}", line=line)


@router.get("/lines/{line}/{kind}")
def line_document(request: Request, line: str, kind: str) -> HTMLResponse:
    files = or_none(page_files.of_line, line, kind)
    if not files:
        return not_found(request, "Models", "This line has no such page.")
    return _document(request, kind, files, f"/lines/{line}", back=(f"/models/{line}", "Models"), of=line, line=line)


@router.get("/lines/{line}/{kind}/{name}")
def line_file(line: str, kind: str, name: str) -> Response:
    return _file(or_none(page_files.of_line, line, kind), name)


@router.get("/runs/{run_id}/{kind}/{name:path}")
def run_file(run_id: str, kind: str, name: str) -> Response:
    return _file(or_none(page_files.of_run, run_id, kind), name)


@router.get("/models/{line}/{version:int}/{kind}/{name:path}")
def version_file(line: str, version: int, kind: str, name: str) -> Response:
    return _file(or_none(page_files.of_version, line, version, kind), name)


@router.get("/style.css")
def style() -> Response:
    return Response(render.style(), media_type="text/css", headers=HEADERS)


@router.get("/icon.svg")
def icon() -> Response:
    return Response(render.icon(), media_type="image/svg+xml", headers=HEADERS)


def page(request: Request, template: str, status: int = 200, **values) -> HTMLResponse:
    values["status"] = status_line.status_of(values.get("line") or (values.get("config") or {}).get("line"))
    text = render.page(template, request.scope.get("root_path", ""), **values)
    return HTMLResponse(text, status, {**HEADERS, "Content-Security-Policy": PAGE_POLICY})


def not_found(request: Request, title: str, *lines: str) -> HTMLResponse:
    return page(request, "nothing.html", 404, title=title, lines=lines, again=False)


def _document(request: Request, kind: str, files: Mapping, address: str, **values) -> HTMLResponse:
    """A page that frames the first of the files of a kind. address: of the run, version or line whose files they are."""
    source = f"{address}/{kind}/{page_files.first(kind, files)}"
    return page(request, "document.html", title=page_files.title(kind), source=source, **values)


def _file(files: Mapping | None, name: str) -> Response:
    path = (files or {}).get(name)
    if path is None:
        raise HTTPException(404, "no such file")
    headers = {**HEADERS, "Content-Security-Policy": FILE_POLICY}
    return FileResponse(path, media_type=page_files.TYPES[path.suffix], headers=headers)


def or_none(read, *names) -> Any:
    """What `read` returns; None for a name that nothing can have."""
    try:
        return read(*names)
    except ValueError:
        return None
