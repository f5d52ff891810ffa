"""Examples for the OpenAPI document: every schema and every answer gets one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_TIME: Final = "2026-11-23T09:30:00Z"

OF_SCHEMAS: Final[Mapping[str, Any]] = {
    "AgentRow": {
        "agent_id": "assistant",
        "description": "Helps Ann plan her travels",
        "metadata": {"team": "travel"},
        "created_at": _TIME,
        "updated_at": _TIME,
    },
    "SlowStatement": {
        "at": _TIME,
        "ms": 312.4,
        "agent_id": "assistant",
        "statement": "SELECT text FROM archival_memories WHERE agent_id = %(agent_id)s::text",
        "analyzed": True,
        "plan": ["Index Scan using archival_memories_agent_id_idx on archival_memories (actual time=0.1..311.9 …)"],
    },
    "Block": {
        "agent_id": "assistant",
        "id": 1,
        "label": "human",
        "value": "Name: Ann",
        "description": "What is known about the person this agent talks to",
        "limit": 5000,
        "read_only": False,
        "shared_with": [],
        "version": 1,
        "metadata": {},
        "created_at": _TIME,
        "updated_at": _TIME,
    },
    "ArchivalMemory": {
        "id": 1,
        "text": "Ann prefers night trains",
        "tags": ["travel"],
        "importance": 0.8,
        "source": None,
        "metadata": {},
        "language": "english",
        "created_at": _TIME,
        "expires_at": None,
        "superseded_at": None,
        "superseded_by": None,
        "accessed_at": _TIME,
        "access_count": 0,
    },
    "RememberedText": {"id": 1, "text": "Ann prefers night trains", "duplicate": False, "similar": []},
    "Message": {
        "id": 1,
        "session": "2026-11-23",
        "role": "user",
        "name": None,
        "content": "I am off to Graz tomorrow",
        "intent": None,
        "intent_confidence": None,
        "tokens": 6,
        "tool_calls": None,
        "tool_call_id": None,
        "metadata": {},
        "created_at": _TIME,
    },
    "Session": {"session": "2026-11-23", "messages": 2, "first": _TIME, "last": _TIME},
    "Document": {
        "id": 1,
        "title": "Timetable",
        "source": "timetable.md",
        "media_type": "text/markdown",
        "content_hash": "5d41402abc4b2a76b9719d911017c592",
        "tokens": 12,
        "metadata": {},
        "created_at": _TIME,
        "updated_at": _TIME,
    },
    "Chunk": {
        "id": 1,
        "document_id": 1,
        "chunk_index": 0,
        "chunk_text": "The night train leaves at 22:08.",
        "heading_path": ["Timetable"],
        "page": None,
        "char_start": 13,
        "char_end": 45,
        "tokens": 9,
        "metadata": {},
        "created_at": _TIME,
    },
    "Entity": {
        "id": 1,
        "name": "Ann",
        "type": "person",
        "aliases": ["Anna"],
        "description": "",
        "properties": {},
        "created_at": _TIME,
        "updated_at": _TIME,
        "merged_into": None,
        "merged_at": None,
    },
    "Proposal": {
        "id": 1,
        "kind": "merge",
        "status": "proposed",
        "reason": "'A. Lee' is 'Ann Lee': 'A. Lee' abbreviates 'Ann Lee'",
        "score": 0.7,
        "about": ["entity:1", "entity:4"],
        "evidence": {"similarity": 0.61},
        "change": {
            "survivor": {"id": 1, "name": "Ann Lee", "type": "person"},
            "merged": {"id": 4, "name": "A. Lee", "type": "person"},
        },
        "change_id": None,
        "actor": "key:0123456789ab",
        "created_at": _TIME,
        "decided_at": None,
    },
    "Fact": {
        "id": 1,
        "source_id": 1,
        "target_id": 2,
        "type": "works_at",
        "fact": "Ann works at Acme",
        "weight": 1.0,
        "properties": {},
        "valid_from": "2024-05-01T00:00:00Z",
        "valid_to": None,
        "recorded_at": _TIME,
        "superseded_at": None,
        "provenance_kind": None,
        "provenance_id": None,
    },
    "Hit": {
        "kind": "archival",
        "id": 1,
        "score": 2.7,
        "text": "Ann prefers night trains",
        "metadata": {},
        "created_at": _TIME,
        "source": {"tags": ["travel"], "source": None, "importance": 0.8},
        "explain": None,
    },
    "Change": {
        "id": 1,
        "change_id": "0b0e5b1c-0000-4000-8000-000000000001",
        "changed_at": _TIME,
        "actor": "key:0123456789ab",
        "kind": "archival",
        "row_id": 1,
        "action": "insert",
        "old": None,
        "new": {"text": "Ann prefers night trains"},
        "undoes": None,
    },
    "Job": {
        "agent_id": "assistant",
        "id": 1,
        "kind": "ingest",
        "arguments": {"metadata": {}},
        "status": "running",
        "done": 1,
        "total": 2,
        "message": "timetable.md",
        "result": None,
        "error": None,
        "requested_by": "key:0123456789ab",
        "attempts": 1,
        "cancel_requested_at": None,
        "created_at": _TIME,
        "started_at": _TIME,
        "finished_at": None,
    },
    "ChatAnswer": {
        "turn": {
            "id": 1,
            "text": "Your train leaves at 22:08.",
            "status": "done",
            "reason": None,
            "steps": 2,
            "input_tokens": 1800,
            "output_tokens": 40,
            "cost": None,
            "seconds": 2.4,
        },
        "tools": [{"name": "archival_memory_search", "arguments": {"query": "train"}, "result": "…", "failed": False}],
        "changes": [],
    },
    "Cancelled": {"cancelled": True},
    "Body_add_document_files_v1_agents__agent_id__documents_files_post": {
        "files": ["# Timetable"],
        "metadata": '{"from": "mail"}',
    },
    "Body_add_job_with_files_v1_agents__agent_id__jobs_files_post": {
        "files": ['[{"role": "user", "content": "I am off to Graz"}]'],
        "kind": "import",
        "arguments": '{"session": "monday"}',
    },
    "Health": {"status": "ok"},
    "ProblemDetails": {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "agent 'assistant' has no archival memory 7",
        "request_id": "3f0e8c1d2b9a4c7e8f6a5b4c3d2e1f00",
    },
}

_IDEMPOTENCY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Any text of the caller's, once for each write: sent again, the write is answered as the first time "
    "and not done again. Kept for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def added(document: dict[str, Any]) -> dict[str, Any]:
    """Add examples to every schema and response of the document, and the header that every write takes."""
    schemas = document.get("components", {}).get("schemas", {})
    for name, schema in schemas.items():
        if name in OF_SCHEMAS:
            schema["examples"] = [OF_SCHEMAS[name]]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/v1/agents") and "/chat" not in path and method in ("post", "put", "patch", "delete"):
                operation.setdefault("parameters", []).append(_IDEMPOTENCY)
            for status, answer in operation["responses"].items():
                content = answer.get("content", {}).get("application/json")
                if status.startswith("2") and content is not None:
                    content["example"] = _example(content.get("schema", {}), schemas)
    return document


def _example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        of = schemas[schema["$ref"].rpartition("/")[2]]
        return of["examples"][0] if of.get("examples") else _example(of, schemas)
    if schema.get("type") == "array":
        return [_example(schema.get("items", {}), schemas)]
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping) and values.get("type") == "integer":
        return {"archival_memories": 1, "memory_history": 2}
    if "properties" in schema:
        return {name: _example(of, schemas) for name, of in schema["properties"].items()}
    return {"string": "text", "integer": 1, "number": 1.0, "boolean": True}.get(schema.get("type", ""), {})
