"""Files: the list by path, one as text, and its editor, which overwrites nothing that somebody else wrote."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Form
from starlette.responses import Response

from memgpt.errors import ConflictError, InputError
from memgpt.files.paths import MAX_BYTES, MAX_PATH
from memgpt.models import File
from memgpt.server.api import pages as cursors
from memgpt.server.api.callers import RowId
from memgpt.server.console import conflicts, visits
from memgpt.server.console.conflicts import VersionedText
from memgpt.server.console.routes import past
from memgpt.server.console.texts import say
from memgpt.server.console.visits import Reading, Visit, Writing, plain_lines

router: Final = visits.router("/agents/{agent}/files")
PAGE: Final = 50
LOOKED_BACK: Final = 20
"""Changes, each with the whole content, that are searched for the version an editor began with."""

Content = Annotated[str, Form(max_length=2 * MAX_BYTES)]
Version = Annotated[int, Form(ge=1, lt=2**31)]


@router.get("")
def list_files(visit: Reading, after: cursors.After = None) -> Response:
    """Show files in the order of their paths."""
    if visit.at is not None:
        return past.show(visit, "file")
    last = cursors.after(after, cursors.Position)
    rows = visit.memory.files.list(limit=PAGE + 1, after=last.name if last else None)
    values = {
        "section": "files",
        "files": rows[:PAGE],
        "after": after,
        "following": cursors.written(name=rows[PAGE - 1].path) if len(rows) > PAGE else None,
    }
    return visit.page("files.html", values)


@router.get("/{id}")
def show_file(visit: Reading, id: RowId) -> Response:
    """Show one file as text."""
    if visit.at is not None:
        return past.show(visit, "file", id=id)
    file = visit.memory.files.get(id)
    return visit.page("file.html", {"section": "files", "file": file, "text": plain_lines(file.content)})


@router.get("/{id}/text")
def show_text(visit: Reading, id: RowId) -> Response:
    """Show the whole text, however long."""
    file = visit.memory.files.get(id)
    return visit.page(
        "whole_text.html", {"section": "files", "text": plain_lines(file.content), "up": visit.url("files", id)}
    )


@router.get("/{id}/edit")
def edit_file(visit: Writing, id: RowId) -> Response:
    """Show the editor."""
    file = visit.memory.files.get(id)
    return visit.page("file_edit.html", _editor(file, file.content))


@router.post("/{id}")
def save_file(visit: Writing, id: RowId, version: Version, content: Content = "") -> Response:
    """Save an edit of the version that was seen; where somebody was faster, show both."""
    file = visit.memory.files.get(id)
    wanted = plain_lines(content)
    try:
        return _saved(visit, _write(visit, file, wanted, version), version)
    except ConflictError:
        return conflicts.show(visit, _versioned(visit, visit.memory.files.get(id)), version, wanted)
    except InputError as error:
        values = _editor(file, wanted) | {"problem": str(error), "version": version}
        return visit.page("file_edit.html", values, status=422)


@router.post("/{id}/merge")
def merge_file(
    visit: Writing,
    id: RowId,
    version: Version,
    base: Version,
    value: Content = "",
    choice: Annotated[list[str] | None, Form(max_length=10_000)] = None,
) -> Response:
    """Save what a person chose where two edits met, against the version they saw."""
    wanted = plain_lines(value)
    file = visit.memory.files.get(id)
    edited = _versioned(visit, file)
    if file.version != version:
        return conflicts.show(visit, edited, base, wanted)
    text = edited.chosen(base, wanted, choice)
    return _saved(visit, _write(visit, file, text, version), version)


@router.post("/{id}/rename")
def rename_file(
    visit: Writing, id: RowId, version: Version, to: Annotated[str, Form(min_length=1, max_length=MAX_PATH)]
) -> Response:
    """Move a file to a path where nothing is."""
    [path] = visit.memory.files.rename(visit.memory.files.get(id).path, to, expected_version=version)
    return visit.back(say("files.renamed", path=path), visit.last_change("file", id), "files", id)


@router.post("/{id}/delete")
def delete_file(visit: Writing, id: RowId, version: Version) -> Response:
    """Remove a file of the version that was seen; undo brings it back."""
    file = visit.memory.files.get(id)
    visit.memory.files.delete(file.path, expected_version=version)
    return visit.back(say("files.deleted", path=file.path), visit.last_change("file", id), "files")


def _write(visit: Visit, file: File, text: str, version: int) -> File:
    """Write a text with the line breaks that the file has."""
    content = text.replace("\n", "\r\n") if "\r\n" in file.content else text
    return visit.memory.files.write(file.path, content, expected_version=version)


def _editor(file: File, value: str) -> dict[str, Any]:
    return {"section": "files", "file": file, "value": value, "version": file.version, "problem": None}


def _saved(visit: Visit, file: File, before: int) -> Response:
    change = visit.last_change("file", file.id) if file.version != before else None
    return visit.back(say("files.saved", path=file.path, n=file.version), change, "files", file.id)


def _versioned(visit: Visit, file: File) -> VersionedText:
    return VersionedText(
        name=file.path,
        version=file.version,
        text=file.content,
        place=("files", file.id),
        changes=lambda most: visit.memory.history("file", file.id, limit=most),
        looked_back=LOOKED_BACK,
    )
