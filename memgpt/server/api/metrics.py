"""Metrics, once, for Prometheus and OpenTelemetry alike, and traces where the standard ``OTEL_*`` variables ask.

What leaves the process holds names, numbers and addresses without their queries: no texts, no parameters of
statements, no messages of errors, which may repeat what somebody sent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, NoOpMeterProvider, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

from memgpt import config, telemetry
from memgpt.errors import MissingExtraError
from memgpt.server.service import Service

log = logging.getLogger("memgpt.server.api")


class Metrics:
    """Metrics for ``/metrics``, and for OTLP where that is asked for."""

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        self.running = 0
        """Requests at work."""
        prometheus = PrometheusMetricReader(True, scope_info_enabled=False, registry=self.registry)
        self._provider = MeterProvider([prometheus, *_pushing()], shutdown_on_exit=False)
        telemetry.durations_to(self._provider)
        meter = self._provider.get_meter("memgpt")
        self._requests = meter.create_counter("memgpt.http.requests", description="Requests answered.")
        self._seconds = meter.create_histogram(
            "memgpt.http.request",
            unit="s",
            description="Time to answer.",
            explicit_bucket_boundaries_advisory=telemetry.BUCKETS,
        )

        def gauge(name: str, description: str, read: Any) -> None:
            def observe(_: CallbackOptions) -> Iterable[Observation]:
                reading = read()
                return (
                    [Observation(value, {"state": state}) for state, value in reading.items()]
                    if isinstance(reading, Mapping)
                    else [Observation(reading)]
                )

            meter.create_observable_gauge(name, [observe], description=description)

        gauge("memgpt.http.requests.running", "Requests at work.", lambda: self.running)
        use = service.database.pool_use
        gauge("memgpt.pool.connections", "Connections to the database.", lambda: use().connections)
        gauge("memgpt.pool.waiting", "Calls that wait for a connection.", lambda: use().waiting)
        gauge("memgpt.jobs", "Jobs that wait or run, of all agents.", service.jobs_by_status)
        gauge("memgpt.audit.waiting", "Audit lines to be written.", lambda: service.audit.waiting)
        gauge("memgpt.audit.lines.lost", "Audit lines given up.", lambda: service.audit.lost)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._requests.add(1, {"method": method, "route": route, "status": str(status)})
        self._seconds.record(seconds, {"method": method, "route": route})

    def close(self) -> None:
        """Send what was not sent."""
        self._provider.shutdown()


def _pushing() -> Sequence[MetricReader]:
    if not config.exports_telemetry("metrics"):
        return []
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    except ImportError:
        log.warning("metrics are not exported: %s", _missing())
        return []
    return [PeriodicExportingMetricReader(OTLPMetricExporter())]


def start_traces() -> TracerProvider | None:
    """Trace what the database is asked, where ``OTEL_*`` names an endpoint. Before the first connection is opened."""
    if not config.exports_telemetry("traces"):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    except ImportError:
        log.warning("traces are not exported: %s", _missing())
        return None
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Discreet(OTLPSpanExporter())))
    trace.set_tracer_provider(provider)
    PsycopgInstrumentor().instrument(tracer_provider=provider, skip_dep_check=True)
    return provider


def trace_requests(app: FastAPI, provider: TracerProvider) -> None:
    """Trace the requests; their metrics are ours."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        meter_provider=NoOpMeterProvider(),
        excluded_urls="/health/,/metrics",
        exclude_spans=["receive", "send"],
    )


class Discreet(SpanExporter):
    """Leaves out of spans what may hold somebody's words: queries of addresses, and what errors say."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_told(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


_ADDRESSES = frozenset({"http.url", "http.target", "url.full"})
_WORDS = frozenset({"url.query", "db.statement.parameters"})


def _told(span: ReadableSpan) -> ReadableSpan:
    attributes = {
        name: str(value).partition("?")[0] if name in _ADDRESSES else value
        for name, value in (span.attributes or {}).items()
        if name not in _WORDS
    }
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        links=span.links,
        kind=span.kind,
        status=trace.Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _missing() -> MissingExtraError:
    return MissingExtraError("opentelemetry", "telemetry", "OTEL_EXPORTER_OTLP_ENDPOINT")
