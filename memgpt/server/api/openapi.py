"""The document that describes the API, with the header that every write takes."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from memgpt.config import OFFLINE_MODEL
from memgpt.embeddings import EmbeddingModel
from memgpt.embeddings.catalog import find, shortens
from memgpt.server.api import patterns
from memgpt.server.api.idempotency import IdempotentRoute
from memgpt.server.api.patterns import STORABLE, VISIBLE

_IDEMPOTENCY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Any text of the caller's, once for each write: sent again, the write is answered as the first time "
    "and not done again. Kept for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": VISIBLE},
}


_JSON: Final = {
    "anyOf": [
        *({"type": name} for name in ("null", "boolean", "number")),
        {"type": "string", "pattern": STORABLE},
        {"type": "array", "items": {"$ref": "#/components/schemas/JsonValue"}},
        {"$ref": "#/components/schemas/JsonObject"},
    ]
}
_OBJECT: Final = {
    "type": "object",
    "propertyNames": {"pattern": STORABLE},
    "additionalProperties": {"$ref": "#/components/schemas/JsonValue"},
}
_BATCHES: Final = {"ArchivalBatch": ("memories", "ArchivalCreate"), "MessageBatch": ("messages", "MessageCreate")}


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
        schemas = app.openapi_schema["components"]["schemas"]
        _complete(schemas)
        schemas["EmbeddingRequest"]["properties"]["dimensions"] |= _lengths(app.state.service.embedder)
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


def _complete(schemas: dict[str, Any]) -> None:
    """Say of JSON values what PostgreSQL holds, and of batches that they mend items if they are asked to."""
    for name, schema in schemas.items():
        schemas[name] = _with_objects(schema)
    schemas["JsonValue"], schemas["JsonObject"] = _JSON, _OBJECT
    schemas["Body_add_job_with_files"]["oneOf"] = _with_objects(patterns.jobs(files=True))
    for batch, (items, item) in _BATCHES.items():
        schemas[f"{item}OrMended"] = {k: v for k, v in _without_patterns(schemas[item]).items() if k != "anyOf"}
        whole, mended = ({"items": {"$ref": f"#/components/schemas/{name}"}} for name in (item, f"{item}OrMended"))
        schemas[batch]["properties"][items]["items"] = {}
        schemas[batch]["oneOf"] = [
            {"properties": {"on_error": {"const": "fail"}, items: whole}},
            {"properties": {"on_error": {"enum": ["skip", "replace"]}, items: mended}, "required": ["on_error"]},
        ]


def _lengths(model: EmbeddingModel) -> dict[str, Any]:
    """Return what is to be said of the dimensions asked of a model, as far as that is known without asking it."""
    if model.name != OFFLINE_MODEL and find(model.name) is None:
        return {}
    return {"maximum": model.dimensions} if shortens(model.name) else {"enum": [model.dimensions, None]}


def _with_objects(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_with_objects(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "object" and schema.get("additionalProperties") is True and "properties" not in schema:
        return {**schema, **_OBJECT, **({"default": {}} if schema.get("default") == "{}" else {})}
    return {key: _with_objects(value) for key, value in schema.items()}


def _without_patterns(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_patterns(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _without_patterns(value) for key, value in schema.items() if key != "pattern"}
