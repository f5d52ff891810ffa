"""The application: routes, limits, errors, and the document that describes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Final, Protocol

import httpx
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from opentelemetry.sdk.trace import TracerProvider
from starlette.types import ASGIApp

from memgpt import installation
from memgpt.llm.bounded_http import bound
from memgpt.server.api import examples, problems
from memgpt.server.api.edge import EdgeMiddleware, ServerLimits
from memgpt.server.api.journal import Journal
from memgpt.server.api.origins import Origins, cross_origin
from memgpt.server.api.problems import ProblemDetails
from memgpt.server.api.readiness import Readiness
from memgpt.server.api.routes import (
    admin,
    agents,
    archival,
    blocks,
    chat,
    documents,
    graph,
    health,
    jobs,
    messages,
    openai,
    proposals,
    search,
)
from memgpt.server.api.segments import Segments
from memgpt.server.api.telemetry import Metrics, trace_requests
from memgpt.server.service import Service

_PROBLEM: Final[dict[str, Any]] = {
    "model": ProblemDetails,
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
}
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {**_PROBLEM, "description": "The request cannot be served as it is; `detail` says why."},
    "5XX": {**_PROBLEM, "description": "The service cannot serve it now."},
}

Lifespan = Callable[[], AbstractAsyncContextManager[None]]


class ConsoleFace(Protocol):
    """Pages for people, on the same limits as the API."""

    @property
    def routers(self) -> Sequence[APIRouter]: ...

    def gate(self, app: ASGIApp) -> ASGIApp:
        """Return a layer that knows who is signed in, and passes on what is not the console's."""
        ...


def create_app(
    service: Service,
    *,
    limits: ServerLimits | None = None,
    hosts: Iterable[str] = (),
    lifespan: Lifespan | None = None,
    traces: TracerProvider | None = None,
    console: ConsoleFace | None = None,
) -> FastAPI:
    """Create the HTTP application of a service, which is closed with it.

    Args:
        hosts: names under which clients reach it, beside those of the loopback address.
        lifespan: entered while it runs.
        console: pages for people beside the API.
    """
    metrics = Metrics(service)
    limits = limits or ServerLimits()

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(service.close)
            stack.callback(metrics.close)
            if traces is not None:
                stack.callback(traces.shutdown)
            app.state.upstream = await stack.enter_async_context(bound(httpx.AsyncClient()))
            if lifespan is not None:
                await stack.enter_async_context(lifespan())
            yield

    app = FastAPI(
        title="memgpt",
        version=installation.version(),
        summary="Long-term memory for LLM agents.",
        description="Lists answer one page; the header `Link` (and `Next-Cursor`) leads to the next. Writes take an "
        "`Idempotency-Key`. Errors are `application/problem+json`.",
        lifespan=running,
        responses=_ERRORS,
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.metrics = metrics
    app.state.readiness = Readiness(service)
    app.state.turns = {}
    app.state.stopping = lambda: False
    for module in (
        admin,
        agents,
        blocks,
        archival,
        messages,
        documents,
        graph,
        proposals,
        search,
        jobs,
        chat,
        openai,
        health,
    ):
        app.include_router(module.router)
    for router in console.routers if console is not None else ():
        app.include_router(router)
    problems.handle(app)
    pages = service.options.cors_origins or ()
    app.add_middleware(EdgeMiddleware, service=service, limits=limits, metrics=metrics)
    if console is not None:
        app.add_middleware(console.gate)
    app.add_middleware(Origins, service=service, hosts=hosts, pages=pages)
    if pages:
        app.add_middleware(cross_origin, pages=pages)
    app.add_middleware(Journal, service=service, metrics=metrics, head_bytes=limits.head_bytes)
    if traces is not None:
        trace_requests(app, traces)
    app.add_middleware(Segments)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
        )
        app.openapi_schema = examples.added(schema)
    return app.openapi_schema
