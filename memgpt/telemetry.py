"""Traces and durations of a memory's operations, where OpenTelemetry is installed and set up; nothing otherwise.

Names and numbers only: never a text, a query, a name or a key of somebody's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

try:
    from opentelemetry import metrics, trace
except ImportError:  # comes with the extras server, mcp and telemetry
    _installed = False
else:
    _installed = True

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds."""


@contextmanager
def span(operation: str, **attributes: str | int) -> Iterator[None]:
    """Put a span ``memgpt.<operation>`` around what is inside, and record its duration with the same attributes."""
    if not _installed:
        yield
        return
    started = time.perf_counter()
    named = {f"memgpt.{name}": value for name, value in attributes.items()}
    with _tracer.start_as_current_span(
        f"memgpt.{operation}", attributes=named, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield
        except BaseException as error:  # its words may hold what somebody wrote
            current.set_attribute("error.type", type(error).__name__)
            current.set_status(trace.StatusCode.ERROR)
            raise
        finally:
            _seconds.record(time.perf_counter() - started, {"operation": operation, **attributes})


def durations_to(provider: metrics.MeterProvider) -> None:
    """Have the durations recorded by this provider, not by the process's own."""
    global _seconds
    _seconds = _histogram(provider.get_meter("memgpt"))


def _histogram(meter: metrics.Meter) -> metrics.Histogram:
    return meter.create_histogram(
        "memgpt.operation",
        unit="s",
        description="Time of an operation of the memory.",
        explicit_bucket_boundaries_advisory=BUCKETS,
    )


if _installed:
    _tracer = trace.get_tracer("memgpt")
    _seconds = _histogram(metrics.get_meter("memgpt"))
