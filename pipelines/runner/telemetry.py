"""A closed run for OpenTelemetry: one trace with a span for each attempt at a node, and metrics, by OTLP over HTTP.

Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector, or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `…_METRICS_ENDPOINT` one of the
two; OpenTelemetry's other variables (`…_HEADERS`, `…_TIMEOUT`, `OTEL_SERVICE_NAME`) hold as well. All is read from the run's
record after the fact, so that a node costs nothing more and one that was killed is in the trace too. What cannot be sent is a line in
the log and changes nothing.

A trace's id is OpenLineage's id of the run, and a run that is closed again sends the same ids. Counters and histograms are sent as
differences (delta temporality): each run is a process of its own, and a collector adds up.

Source: OpenTelemetry specification, OTLP 1.5, JSON encoding.
"""

import logging
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone

from components.core import paths, run_record
from components.core.records import RunRecord
from components.core.states import is_bad
from pipelines.runner import openlineage_events, run_measurements

SERVICE = "newsdesk"
_ALL, _TRACES, _METRICS = (f"OTEL_EXPORTER_OTLP_{part}ENDPOINT" for part in ("", "TRACES_", "METRICS_"))
_SECONDS = 3.0  # for one message, retries included, unless OTEL_EXPORTER_OTLP_TIMEOUT asks for another time


def wanted() -> bool:
    return any(os.environ.get(name) for name in (_ALL, _TRACES, _METRICS))


def closed(run_id: str, outcome: Mapping) -> None:
    """Sends a run that has just been closed; one that was closed before and did nothing since is not sent again.

    outcome: as `runs.close_run` gives it.
    """
    if not wanted():
        return
    try:
        record, events = RunRecord.read(paths.run_dir(run_id) / "run.json"), run_record.events(run_id)
        if record is None or not events or events[-1]["node"] == run_measurements.CLOSE:
            return
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # each retry would be a line
        now = run_measurements.nanoseconds(datetime.now(timezone.utc).isoformat())
        if os.environ.get(_ALL) or os.environ.get(_TRACES):
            _send("trace", run_id, _send_trace, record, outcome, list(run_measurements.attempts(events, now)), now)
        if os.environ.get(_ALL) or os.environ.get(_METRICS):
            last = max((at for at, event in enumerate(events) if event["node"] == run_measurements.CLOSE), default=-1)
            _send(
                "metrics",
                run_id,
                _send_metrics,
                record,
                outcome,
                list(run_measurements.attempts(events[last + 1 :], now)),
            )
    except Exception as error:  # of a damaged record or a library: none of them undoes a run
        print(f"OpenTelemetry: run {run_id} was not sent: {error}", file=sys.stderr)


def _send(what: str, run_id: str, send: Callable[..., bool], *arguments) -> None:
    why = ""
    try:
        if send(*arguments):
            return
    except Exception as error:  # of a configuration: an address that is none, a certificate that is not there
        why = f": {error}"
    print(f"OpenTelemetry: the {what} of run {run_id} could not be sent{why}", file=sys.stderr)


def _send_trace(record: RunRecord, outcome: Mapping, done: list[run_measurements.Attempt], now: int) -> bool:
    from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

    kept = InMemorySpanExporter()  # so that all spans go in one message
    provider = TracerProvider(resource=_resource(), id_generator=_ids(record.run), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer(SERVICE)
    start = min(
        [run_measurements.nanoseconds(record.created) if record.created else now, *(attempt.start for attempt in done)]
    )
    root = tracer.start_span(
        f"retrain {record.line}",
        kind=SpanKind.INTERNAL,
        attributes=run_measurements.run_attributes(record, outcome, done),
        start_time=start,
    )
    if is_bad(outcome["state"]):
        reasons = "; ".join(str(reason) for reason in outcome.get("reasons") or [])
        root.set_status(Status(StatusCode.ERROR, reasons or str(outcome["state"])))
    for attempt in done:
        span = tracer.start_span(
            attempt.node,
            context=set_span_in_context(root),
            attributes=run_measurements.node_attributes(record, attempt, done),
            start_time=attempt.start,
        )
        if attempt.trouble:
            span.set_status(Status(StatusCode.ERROR, attempt.trouble))
        span.end(attempt.end)
    root.end(now)
    spans = kept.get_finished_spans()
    if not spans:  # OTEL_SDK_DISABLED, or a sampler that left the run out
        return True
    with _exporter(OTLPSpanExporter) as exporter:
        return exporter.export(spans) is SpanExportResult.SUCCESS


def _send_metrics(record: RunRecord, outcome: Mapping, done: list[run_measurements.Attempt]) -> bool:
    from opentelemetry.exporter.otlp.json.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
    from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader, MetricExportResult

    delta = dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)
    reader = InMemoryMetricReader(preferred_temporality=delta)
    provider = MeterProvider([reader], _resource(), shutdown_on_exit=False)
    meter = provider.get_meter(SERVICE)
    make = {"counter": meter.create_counter, "histogram": meter.create_histogram, "gauge": meter.create_gauge}
    take = {"counter": "add", "histogram": "record", "gauge": "set"}
    instruments = {
        m.name: getattr(make[m.kind](m.name, m.unit, m.description), take[m.kind]) for m in run_measurements.METRICS
    }
    for metric, value, attributes in run_measurements.measurements(record, outcome, done):
        instruments[metric.name](value, {"line": record.line, **attributes})
    data = reader.get_metrics_data()
    if data is None:
        return True
    with _exporter(OTLPMetricExporter) as exporter:
        return exporter.export(data) is MetricExportResult.SUCCESS


@contextmanager
def _exporter(kind: Callable) -> Iterator:
    """An exporter of this kind, shut down at the end."""
    exporter = kind(timeout=_timeout())
    try:
        yield exporter
    finally:
        exporter.shutdown()


def _resource():
    from opentelemetry.sdk.resources import Resource

    return Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME") or SERVICE})


def _timeout() -> float | None:
    return None if os.environ.get("OTEL_EXPORTER_OTLP_TIMEOUT") else _SECONDS


def _ids(run_id: str):
    """Ids of one run's trace, the same each time: an `opentelemetry.sdk.trace.IdGenerator`."""
    from opentelemetry.sdk.trace import IdGenerator

    class Ids(IdGenerator):
        count = 0

        def generate_trace_id(self) -> int:
            return uuid.UUID(openlineage_events.run_uuid(run_id)).int

        def generate_span_id(self) -> int:
            self.count += 1
            return uuid.uuid5(uuid.NAMESPACE_URL, f"{SERVICE}/{run_id}/{self.count}").int >> 64

    return Ids()
