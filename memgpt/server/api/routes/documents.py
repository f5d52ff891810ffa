"""Documents and their chunks."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from memgpt.models import Chunk, Document
from memgpt.server.api import bodies, pages
from memgpt.server.api.callers import Reading, RowId, Writing
from memgpt.server.api.idempotency import IdempotentRoute

router = APIRouter(prefix="/v1/agents/{agent_id}", tags=["documents"], route_class=IdempotentRoute)


@router.get("/documents")
def list_documents(
    request: Request, response: Response, memory: Reading, limit: pages.Limit = 50, after: pages.After = None
) -> Sequence[Document]:
    """Documents, newest first."""
    rows = memory.documents.list(limit=limit + 1, after=pages.after(after, Document))
    cursor = lambda row: pages.written(id=row.id, created_at=row.created_at)  # noqa: E731
    return pages.page(request, response, rows, limit, cursor)


@router.post("/documents", status_code=201)
def add_document(memory: Writing, body: bodies.DocumentCreate) -> Document:
    """Cut a plain or Markdown text into chunks and keep them."""
    fields = body.sent()
    return memory.documents.add(fields.pop("text"), **fields)


@router.get("/documents/{id:int}")
def get_document(memory: Reading, id: RowId) -> Document:
    """One document."""
    return memory.documents.get(id)


@router.patch("/documents/{id:int}")
def update_document(memory: Writing, id: RowId, body: bodies.DocumentUpdate) -> Document:
    """Change what is given and keep the rest. A new text is a new document."""
    return memory.documents.update(id, **body.sent())


@router.delete("/documents/{id:int}", status_code=204)
def delete_document(memory: Writing, id: RowId) -> None:
    """Remove a document with its chunks; undo brings them back."""
    memory.documents.delete(id)


@router.get("/documents/{id:int}/chunks")
def list_chunks(
    request: Request, response: Response, memory: Reading, id: RowId, limit: pages.Limit = 50, after: pages.After = None
) -> Sequence[Chunk]:
    """List the chunks of a document, in its order."""
    rows = memory.documents.chunks(id, limit=limit + 1, after=pages.after(after, Chunk))
    cursor = lambda row: pages.written(id=row.id, chunk_index=row.chunk_index)  # noqa: E731
    return pages.page(request, response, rows, limit, cursor)


@router.get("/chunks/{id:int}")
def get_chunk(memory: Reading, id: RowId) -> Chunk:
    """One chunk."""
    return memory.documents.chunk(id)
