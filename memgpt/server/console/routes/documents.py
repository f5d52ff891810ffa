"""Documents: the list, upload, and the text in reading order with its chunks in place."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import File, Form, Query, UploadFile
from starlette.responses import Response

from memgpt.memory import scope_of
from memgpt.models import Chunk, Document
from memgpt.search.query_syntax import parsed
from memgpt.search.spans.spans import Row, spans_of
from memgpt.server.api import pages as cursors
from memgpt.server.api.callers import RowId, TheService
from memgpt.server.api.routes.jobs import MOST_FILES, read_files
from memgpt.server.console import visits
from memgpt.server.console.routes import past
from memgpt.server.console.texts import say
from memgpt.server.console.visits import Reading, Writing, plain_lines
from memgpt.validation import MAX_TEXT

router: Final = visits.router("/agents/{agent}/documents")
PAGE: Final = 50
BEFORE: Final = 5
"""Chunks shown before the one an address names."""


@router.get("")
def list_documents(
    visit: Reading,
    service: TheService,
    after: cursors.After = None,
    job: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Response:
    """Show documents, newest first."""
    if visit.at is not None:
        return past.show(visit, "document")
    rows = visit.memory.documents.list(limit=PAGE + 1, after=cursors.after(after, Document))
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    values = {
        "section": "documents",
        "documents": rows[:PAGE],
        "after": after,
        "following": last and cursors.written(id=last.id, created_at=last.created_at),
        "job": job and service.jobs(visit.caller, visit.agent.agent_id, "read").get(job),
    }
    return visit.page("documents.html", values, part="results")


@router.post("/files")
def upload(
    visit: Writing,
    service: TheService,
    files: Annotated[list[UploadFile], File(min_length=1, max_length=MOST_FILES)],
) -> Response:
    """Have files read by a worker, as the API does."""
    job = service.jobs(visit.caller, visit.agent.agent_id, "write").add("ingest", {}, read_files(files))
    return visit.back(say("documents.uploaded", n=len(files), id=job.id), None, "documents", job=job.id)


@router.post("/text")
def add_text(
    visit: Writing,
    text: Annotated[str, Form(max_length=MAX_TEXT)],
    title: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Keep a text as a document."""
    document = visit.memory.documents.add(plain_lines(text), title=title or None)
    said = say("documents.added", id=document.id)
    return visit.back(said, visit.last_change("document", document.id), "documents")


@router.get("/{id}")
def show_document(
    visit: Reading,
    id: RowId,
    chunk: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    after: cursors.After = None,
    q: Annotated[str, Query(max_length=20_000)] = "",
) -> Response:
    """Show the text in its order, a page of chunks; one that is cited is marked, or the words of a query are."""
    if visit.at is not None:
        return past.show(visit, "chunk", parent=id)
    document = visit.memory.documents.get(id)
    last = cursors.after(after, Chunk)
    if chunk is not None and last is None:
        index = visit.memory.documents.chunk(chunk).chunk_index
        last = cursors.after(cursors.written(chunk_index=max(0, index - BEFORE)), Chunk)
    chunks = visit.memory.documents.chunks(id, limit=PAGE + 1, after=last)
    end = chunks[PAGE - 1] if len(chunks) > PAGE else None
    rows: list[Row] = [("chunk", one.id, one.chunk_text) for one in chunks[:PAGE]]
    spans = spans_of(scope_of(visit.memory), parsed(q, operators=True), rows)
    values = {
        "section": "documents",
        "q": q,
        "spans": spans,
        "document": document,
        "chunks": chunks[:PAGE],
        "cited": chunk,
        "following": end and cursors.written(id=end.id, chunk_index=end.chunk_index),
    }
    return visit.page("document.html", values)


@router.post("/{id}/delete")
def delete_document(visit: Writing, id: RowId) -> Response:
    """Remove a document with its chunks; undo brings them back."""
    visit.memory.documents.delete(id)
    return visit.back(say("documents.deleted", id=id), visit.last_change("document", id), "documents")
