"""Traces and metrics over OTLP from a running `memgpt serve`, received over a real socket; and what /metrics tells."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.testclient import TestClient

from tests.conftest import free_port, wait_for_port

A = "/v1/agents/ann"
SECRET = "the vault opens at midnight"
PROGRAM = [sys.executable, "-c", "from memgpt.cli import main; main()", "serve"]


@dataclass
class Collector:
    """What an OTLP/HTTP endpoint was sent."""

    url: str = ""
    traces: list[bytes] = field(default_factory=list)
    metrics: list[bytes] = field(default_factory=list)

    def spans(self) -> Sequence[Span]:
        return [
            span
            for body in self.traces
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def metric_names(self) -> set[str]:
        return {
            metric.name
            for body in self.metrics
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            {"/v1/traces": collector.traces, "/v1/metrics": collector.metrics}[self.path].append(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield collector
        server.shutdown()


def run_and_ask(dsn: str, **environment: str) -> str:
    """A service with requests that succeed and fail, ended by SIGTERM, so that everything is sent; its log."""
    port = free_port()
    known = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    process = subprocess.Popen(
        [*PROGRAM, "--port", str(port), "--no-auth", "--dsn", dsn],
        env=known | environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for_port(port, process)  # type: ignore[arg-type]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            assert client.post(f"{A}/archival-memory", json={"text": SECRET}).status_code == 201
            assert client.post(f"{A}/search", json={"query": SECRET}).status_code == 200
            assert client.post(f"{A}/context", json={"query": SECRET}).status_code == 200
            assert client.post(f"{A}/documents", json={"text": SECRET}).status_code == 201
            assert client.get(f"{A}/archival-memory", params={"tag": SECRET}).status_code == 200
            assert client.post(f"{A}/core-memory/blocks/human/append", json={"text": SECRET}).status_code == 200
            assert client.post(f"{A}/core-memory/blocks/human/append", json={"tex": SECRET}).status_code == 422
    finally:
        process.terminate()
        _, said = process.communicate(timeout=60)
    return said


def test_traces_and_metrics_are_sent_without_a_word_of_the_memory(dsn: str, collector: Collector) -> None:
    said = run_and_ask(dsn, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="memory")
    spans = collector.spans()
    names = {span.name for span in spans}
    assert {
        "POST /v1/agents/{agent_id}/search",
        "memgpt.search",
        "memgpt.search.collect",
        "memgpt.search.rank",
        "memgpt.embed",
        "memgpt.remember",
        "memgpt.context",
        "memgpt.context.compose",
    } <= names, names
    by_id = {span.span_id: span for span in spans}
    [ranked, *_] = [span for span in spans if span.name == "memgpt.search.rank"]
    assert by_id[ranked.parent_span_id].name == "memgpt.search"
    statements = [span for span in spans if any(a.key.startswith("db.") for a in span.attributes)]
    assert any(by_id[span.parent_span_id].name == "memgpt.search.collect" for span in statements if span.parent_span_id)
    assert {"memgpt.http.requests", "memgpt.http.request", "memgpt.operation", "memgpt.pool.connections"} <= (
        collector.metric_names()
    )
    for body in (*collector.traces, *collector.metrics, said.encode()):
        assert b"vault" not in body
        assert b"midnight" not in body


def test_nothing_is_sent_unless_asked(dsn: str, collector: Collector) -> None:
    run_and_ask(dsn, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SDK_DISABLED="true")
    run_and_ask(dsn, OTEL_SERVICE_NAME="memory")
    assert (collector.traces, collector.metrics) == ([], [])


def test_prometheus_is_told_the_same(client: TestClient) -> None:
    client.post(f"{A}/archival-memory", json={"text": SECRET})
    client.post(f"{A}/search", json={"query": SECRET, "kinds": ["archival"]})
    told = client.get("/metrics").text
    assert 'memgpt_operation_seconds_count{by="query",kinds="archival",operation="search",purpose=""} 1.0' in told
    assert 'memgpt_http_request_seconds_bucket{le="0.005",method="POST"' in told
    assert 'memgpt_pool_connections{state="idle"}' in told
    assert "memgpt_http_requests_running 1.0" in told
    assert "memgpt_audit_waiting " in told
    assert 'memgpt_jobs{state="queued"} 0.0' in told
    assert "vault" not in told
