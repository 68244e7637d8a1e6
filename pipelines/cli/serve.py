"""`newsdesk serve`: the champion over HTTP."""

import argparse
import sys
from ipaddress import ip_address


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Names and defaults of TensorFlow Serving where it has them."""
    command.add_argument("--line", default="", help="default: news where it has a champion, else the demo's")
    command.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine alone")
    command.add_argument("--port", type=int, default=8501, help="0: any free one, named in the log (default: 8501)")
    command.add_argument(
        "--poll", type=float, default=2.0, metavar="SECONDS", help="how often the champion pointer is read"
    )
    command.add_argument("--batch-rows", type=int, default=64, help="texts of one call of the graph (default: 64)")
    command.add_argument(
        "--batch-wait", type=float, default=2.0, metavar="MS", help="a request waits for others (default: 2)"
    )
    command.add_argument(
        "--queue-rows", type=int, default=2_048, help="texts that may wait; more get 429 (default: 2048)"
    )
    command.add_argument(
        "--body-bytes", type=int, default=1 << 20, help="of one request; more get 413 (default: 1 MiB)"
    )
    command.add_argument(
        "--request-rows", type=int, default=512, help="texts of one request; more get 413 (default: 512)"
    )
    command.add_argument(
        "--log-requests", action="store_true", help="keep texts and answers in NEWSDESK_HOME/requests/LINE"
    )
    command.add_argument("--log-days", type=int, default=14, help="days of the request log that are kept (default: 14)")
    command.add_argument("--log-bytes", type=int, default=256 << 20, help="of one day's log; the rest is left out (default: 256 MiB)")  # fmt: skip


def run(args: argparse.Namespace, line: str) -> int:
    """Serves until SIGTERM or SIGINT."""
    from pipelines.config.run_config import check
    from pipelines.serving.settings import LogSettings, ServeSettings

    for name in ("poll", "batch_rows", "queue_rows", "body_bytes", "request_rows", "log_days", "log_bytes"):
        value = getattr(args, name)
        check(value > 0, f"--{name.replace('_', '-')} must be above 0. Received: {value}")
    check(0 <= args.port < 1 << 16, f"--port must be 0 to 65535. Received: {args.port}")
    check(0 <= args.batch_wait <= 1_000, f"--batch-wait must be 0 to 1000 milliseconds. Received: {args.batch_wait}")
    check(
        args.queue_rows >= args.request_rows,
        f"--queue-rows must hold one whole request, --request-rows. Received: {args.queue_rows} below {args.request_rows}",
    )
    if not _is_loopback(args.host):
        print(
            f"newsdesk: {args.host} is open to other machines, and the server asks nobody for a password. "
            "Put a proxy with TLS and a login before it.",
            file=sys.stderr,
        )
    from pipelines.serving import server

    log = LogSettings(args.log_days, args.log_bytes) if args.log_requests else None
    return server.run(
        ServeSettings(
            line,
            args.host,
            args.port,
            args.poll,
            args.batch_rows,
            args.batch_wait / 1_000,
            args.queue_rows,
            args.body_bytes,
            args.request_rows,
            log=log,
        )
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
