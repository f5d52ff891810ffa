"""The document that describes the API, with the header that every write takes."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from memgpt.server.api.idempotency import IdempotentRoute

_IDEMPOTENCY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Any text of the caller's, once for each write: sent again, the write is answered as the first time "
    "and not done again. Kept for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an application; it is made once."""
    if app.openapi_schema is None:
        app.openapi_schema = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
        )
        keyed = {
            (context.path_format, method.lower())
            for context in iter_route_contexts(app.routes)
            if isinstance(context.original_route, IdempotentRoute)
            for method in context.methods or ()
        }
        for path, methods in app.openapi_schema["paths"].items():
            for method, operation in methods.items():
                if (path, method) in keyed and method != "get":
                    operation.setdefault("parameters", []).append(_IDEMPOTENCY)
                if not app.state.service.keys_required:
                    operation.pop("security", None)  # whoever reaches it may do everything
    return app.openapi_schema
