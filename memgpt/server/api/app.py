"""The application: routes, limits, errors, and the document that describes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final, Protocol

import httpx
from fastapi import APIRouter, FastAPI
from opentelemetry.sdk.trace import TracerProvider
from starlette.types import ASGIApp

from memgpt import installation
from memgpt.llm.bounded_http import bound
from memgpt.server.api import documentation, problems
from memgpt.server.api.edge import EdgeMiddleware, ServerLimits
from memgpt.server.api.journal import Journal
from memgpt.server.api.metrics import Metrics, trace_requests
from memgpt.server.api.openapi import document as openapi_document
from memgpt.server.api.origins import Origins, cross_origin
from memgpt.server.api.problems import ProblemDetails
from memgpt.server.api.routes import (
    admin,
    agents,
    anthropic,
    archival,
    blocks,
    chat,
    documents,
    files,
    graph,
    health,
    jobs,
    messages,
    models,
    openai,
    proposals,
    search,
)
from memgpt.server.api.segments import Segments
from memgpt.server.readiness import Readiness
from memgpt.server.service import Service

_PROBLEM: Final[dict[str, Any]] = {
    "model": ProblemDetails,
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
}
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {**_PROBLEM, "description": "The request cannot be served as it is; `detail` says why."},
    "5XX": {**_PROBLEM, "description": "The service cannot serve it now."},
}

_ROUTES: Final = (
    admin,
    agents,
    blocks,
    archival,
    messages,
    documents,
    files,
    graph,
    proposals,
    search,
    jobs,
    chat,
    openai,
    anthropic,
    models,
    health,
)
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
    app = FastAPI(
        title="memgpt",
        version=installation.version(),
        summary="Long-term memory for LLM agents.",
        description="Lists answer one page; the header `Link` (and `Next-Cursor`) leads to the next. Writes take an "
        "`Idempotency-Key`. Errors are `application/problem+json`.",
        lifespan=partial(_running, traces=traces, inner=lifespan),
        responses=_ERRORS,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    app.state.metrics = Metrics(service)
    app.state.readiness = Readiness(service)
    app.state.turns = {}
    app.state.stopping = lambda: False
    for module in _ROUTES:
        app.include_router(module.router)
    app.include_router(documentation.router)
    for router in console.routers if console is not None else ():
        app.include_router(router)
    problems.handle(app)
    _add_layers(app, limits or ServerLimits(), hosts, traces, console)
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _running(app: FastAPI, *, traces: TracerProvider | None, inner: Lifespan | None) -> AsyncIterator[None]:
    """Close the service with the application; ``inner`` is entered while it runs."""
    async with AsyncExitStack() as stack:
        stack.callback(app.state.service.close)
        stack.callback(app.state.metrics.close)
        if traces is not None:
            stack.callback(traces.shutdown)
        app.state.upstream = await stack.enter_async_context(bound(httpx.AsyncClient()))
        if inner is not None:
            await stack.enter_async_context(inner())
        yield


def _add_layers(
    app: FastAPI,
    limits: ServerLimits,
    hosts: Iterable[str],
    traces: TracerProvider | None,
    console: ConsoleFace | None,
) -> None:
    """Put the layers around the routes; each one goes around those that were added before it."""
    service, metrics = app.state.service, app.state.metrics
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
