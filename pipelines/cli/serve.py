"""`newsdesk serve`: the champion over HTTP."""

from ipaddress import ip_address

import click

from components.core.states import ExitCode
from pipelines.cli import options
from pipelines.cli.command import Command, fail
from pipelines.cli.line_choice import answering_line

_COUNT = click.IntRange(min=1)


@click.command("serve", cls=Command, example="newsdesk serve --line news --port 8501 --log-requests")
@options.line()
@click.option(
    "--from",
    "store",
    default="",
    is_eager=True,
    metavar="URI",
    help="an object store, s3://bucket/folder, instead of NEWSDESK_HOME",
)
@click.option(
    "--cache", default="", metavar="FOLDER", help="keeps what --from downloads (default: ~/.cache/newsdesk/store)"
)
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", show_default=True, help="this machine alone by default")
@click.option(
    "--port", default=8501, type=click.IntRange(0, 65_535), show_default=True, help="0: any free one, named in the log"
)
@click.option(
    "--poll",
    default=2.0,
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    show_default=True,
    help="time between two looks at the champion pointer",
)
@click.option("--batch-rows", default=64, type=_COUNT, show_default=True, help="texts of one call of the graph")
@click.option(
    "--batch-wait",
    default=2.0,
    type=click.FloatRange(0, 1_000),
    metavar="MS",
    show_default=True,
    help="time a request waits for others to share a call with",
)
@click.option(
    "--queue-rows",
    default=2_048,
    type=_COUNT,
    show_default=True,
    help="texts that may wait; more are answered with 429",
)
@click.option(
    "--request-rows",
    default=512,
    type=_COUNT,
    show_default=True,
    help="texts of one request; more are answered with 413",
)
@click.option(
    "--body-bytes",
    default=1 << 20,
    type=_COUNT,
    show_default=True,
    help="size of one request; more is answered with 413",
)
@click.option(
    "--min-confidence",
    default=0.0,
    type=click.FloatRange(0, 1),
    show_default=True,
    help="answers below this probability get no label; a request may ask for its own with ?min_confidence=",
)
@click.option(
    "--log-requests",
    is_flag=True,
    help="keep texts and answers in NEWSDESK_HOME/requests/LINE, a source for `newsdesk monitor`",
)
@click.option("--log-days", default=14, type=_COUNT, show_default=True, help="days of that log that are kept")
@click.option(
    "--log-bytes", default=256 << 20, type=_COUNT, show_default=True, help="size of one day's log; the rest is left out"
)
def command(
    line,
    store,
    cache,
    host,
    port,
    poll,
    batch_rows,
    batch_wait,
    queue_rows,
    request_rows,
    body_bytes,
    min_confidence,
    log_requests,
    log_days,
    log_bytes,
) -> int:
    """Answer over HTTP with the champion, in the request shapes of TensorFlow Serving, and follow it when it changes.

    POST /v1/models/LINE:predict and :classify, GET /v1/models/LINE, /healthz, /metrics. Ends on SIGTERM, after the requests under way.
    """
    if (store and not line) or (cache and not store):
        return fail("serve", f"{'--from needs --line' if store else '--cache needs --from'}", ExitCode.USAGE)
    line = answering_line(line)
    if queue_rows < request_rows:
        return fail(
            "serve",
            f"--queue-rows must hold one whole request ({request_rows}). Received: {queue_rows}",
            ExitCode.USAGE,
        )
    if not _is_loopback(host):
        warning = (
            "is open to other machines, and the server asks nobody for a password: put a proxy with a login before it"
        )
        fail("serve", f"{host} {warning}", ExitCode.DONE)
    from components.core.request_log import LogSettings
    from pipelines.serving import server
    from pipelines.serving.settings import ServeSettings

    settings = ServeSettings(
        line=line,
        store=store,
        cache=cache,
        host=host,
        port=port,
        poll=poll,
        batch_rows=batch_rows,
        batch_wait=batch_wait / 1_000,
        queue_rows=queue_rows,
        request_rows=request_rows,
        body_bytes=body_bytes,
        min_confidence=min_confidence,
        log=LogSettings(log_days, log_bytes) if log_requests else None,
    )
    return server.run(settings)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
