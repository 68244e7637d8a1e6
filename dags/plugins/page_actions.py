"""The pages that take something from a reader: a text to try, and a label that is wrong. Not a plugin, as `page_routes`.

A form counts only from a page of this server: a login lives in a cookie, which a browser also sends along with another site's form.
What a reader types travels in the body of a request, never in its address, so that no log keeps it.
"""

from urllib.parse import parse_qs, urlsplit

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from page_routes import not_found, or_none, page

from components.core import paths, run_record
from pipelines.monitoring import queue_file
from pipelines.reports import models_page, rows_page, run_page, try_page
from pipelines.serving.answers_socket import LONGEST_TEXT_BYTES

BODY_BYTES = 4 * LONGEST_TEXT_BYTES  # a form writes one byte as three characters
router = APIRouter()


def same_origin(request: Request) -> None:
    """Refuses a form of another site. A request without a browser's headers, with a token of its own, passes."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = site == "same-origin" if site else urlsplit(origin or "").netloc == request.headers.get("host")
    if not own and (site or origin or "authorization" not in request.headers):
        raise HTTPException(403, "this form must be sent from a page of this server")


async def form(request: Request) -> dict[str, str]:
    """The fields of a form.

    Raises:
        HTTPException: it is larger than any form here.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES:
            raise HTTPException(413, f"a form may have at most {BODY_BYTES:,} bytes; send a shorter text")
    fields = parse_qs(body.decode("ascii", "replace"), keep_blank_values=True, errors="replace")
    return {name: values[0] for name, values in fields.items()}


@router.get("/models/{line}/try")
def try_form(request: Request, line: str) -> HTMLResponse:
    if line not in models_page.lines():
        return not_found(request, "Try it", "There is no such line.")
    return page(request, "try.html", **try_page.view(line))


@router.post("/models/{line}/try", dependencies=[Depends(same_origin)])
async def try_text(request: Request, line: str) -> HTMLResponse:
    if line not in await run_in_threadpool(models_page.lines):
        return not_found(request, "Try it", "There is no such line.")
    fields = await form(request)
    view = await run_in_threadpool(try_page.view, line, fields.get("text", "") or " ", fields.get("other", ""))
    down = [answer for answer in view["answers"] if answer["trouble"]]
    return page(request, "try.html", 400 if view["fault"] else 503 if down else 200, **view)


@router.get("/runs/{run_id}/rows")
def rows(request: Request, run_id: str) -> HTMLResponse:
    return _rows(request, run_id, rows_page.Query.read(request.query_params))


_MAY_START = Depends(requires_access_dag("POST", DagAccessEntity.RUN, run_record.RETRAIN))


@router.post("/runs/{run_id}/rows/doubt", dependencies=[Depends(same_origin), _MAY_START])
async def doubt(request: Request, run_id: str) -> HTMLResponse:
    fields = await form(request)
    return await run_in_threadpool(_doubt, request, run_id, fields.get("row", ""))


def _doubt(request: Request, run_id: str, key: str) -> HTMLResponse:
    line, row = or_none(run_page.line_of, run_id), or_none(rows_page.find, run_id, key)
    if not line or not row:
        return not_found(request, "Where it errs", "This run has no such row.")
    if row.cut:
        raise HTTPException(400, "only the beginning of this text was kept; label it in its source file")
    why = f"the candidate of run {run_id} answers {row.answer}"
    new = queue_file.doubt(line, row.text, row.true, row.answer, row.sure, why)
    path = queue_file.doubted(line).relative_to(paths.home())
    note = {
        "title": "Sent to the label queue" if new else "In the label queue already",
        "text": f"“{row.text[:80]}”, labelled {row.true}. Fill in the column label there, then bring the file back:",
        "code": f'newsdesk label "$NEWSDESK_HOME/{path}" --line {line}',
    }
    return _rows(request, run_id, rows_page.Query(), note)


def _rows(request: Request, run_id: str, query: rows_page.Query, note: dict | None = None) -> HTMLResponse:
    view = or_none(rows_page.view, run_id, query)
    if view is None:
        return not_found(request, "Where it errs", "This run has no judged rows: its gate has not decided.")
    return page(request, "rows.html", note=note, **view)
