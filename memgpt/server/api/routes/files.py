"""Files: texts at paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from memgpt.files.paths import MAX_PATH
from memgpt.models import File, FileEntry
from memgpt.server.api import bodies, pages
from memgpt.server.api.callers import Reading, RowId, Writing
from memgpt.server.api.idempotency import IdempotentRoute
from memgpt.server.api.json_types import FilePath
from memgpt.server.api.patterns import DIRECTORY

router = APIRouter(prefix="/v1/agents/{agent_id}/files", tags=["files"], route_class=IdempotentRoute)

Path = Annotated[FilePath, Query(description="The file's path.", examples=["/memories/notes.md"])]
Directory = Annotated[
    str,
    Query(description="The files below it.", min_length=1, max_length=MAX_PATH, json_schema_extra=DIRECTORY),
]
Version = Annotated[int | None, Query(description="The version that was read.", ge=1, le=2**31 - 1)]


@router.get("")
def list_files(
    request: Request,
    response: Response,
    memory: Reading,
    directory: Directory = "/",
    limit: pages.Limit = 50,
    after: pages.After = None,
) -> Sequence[FileEntry]:
    """Files below a directory, by path, without their contents."""
    last = pages.after(after, pages.Position)
    rows = memory.files.list(directory, limit=limit + 1, after=last.name if last else None)
    return pages.page(request, response, rows, limit, lambda row: pages.written(name=row.path))


@router.post("", status_code=201)
def create_file(memory: Writing, body: bodies.FileCreate) -> File:
    """Keep a new file."""
    return memory.files.create(**body.sent())


@router.get("/content")
def read_file(memory: Reading, path: Path) -> File:
    """Read the file at a path, with its content."""
    return memory.files.read(path)


@router.put("/content")
def write_file(memory: Writing, body: bodies.FileWrite) -> File:
    """Give a file a new content, and make it if it is not there."""
    return memory.files.write(**body.sent())


@router.post("/edit")
def edit_file(memory: Writing, body: bodies.FileEdit) -> File:
    """Put a text in the place of one that occurs once."""
    return memory.files.edit(**body.sent())


@router.post("/rename")
def rename_file(memory: Writing, body: bodies.FileRename) -> Sequence[str]:
    """Move a file, or a directory with everything below it; the answer is the new paths."""
    return memory.files.rename(**body.sent())


@router.delete("")
def delete_file(memory: Writing, path: Path, expected_version: Version = None) -> Sequence[str]:
    """Remove a file, or a directory with everything below it; undo brings it back. The answer is the paths."""
    return memory.files.delete(path, expected_version=expected_version)


@router.get("/{id:int}")
def get_file(memory: Reading, id: RowId) -> File:
    """Read the file of an id, such as that of a hit."""
    return memory.files.get(id)
