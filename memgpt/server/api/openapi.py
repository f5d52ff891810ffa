"""The document that describes the API, with the header that every write takes."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

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
        for path, methods in app.openapi_schema["paths"].items():
            for method, operation in methods.items():
                if _takes_idempotency_key(path, method):
                    operation.setdefault("parameters", []).append(_IDEMPOTENCY)
    return app.openapi_schema


def _takes_idempotency_key(path: str, method: str) -> bool:
    return path.startswith("/v1/agents") and "/chat" not in path and method in ("post", "put", "patch", "delete")
