"""Core memory: blocks with their editor, versions, and what to do when two people edit one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any, Final

from fastapi import Form, Query
from starlette.responses import Response

from memgpt.blocks.blocks import DEFAULT_LIMIT, MOST_CHARACTERS
from memgpt.errors import ConflictError, InputError, NotFoundError
from memgpt.models import Block, Change
from memgpt.server.console import conflicts, visits
from memgpt.server.console.addresses import Name
from memgpt.server.console.conflicts import VersionedText
from memgpt.server.console.diff import difference
from memgpt.server.console.routes import past
from memgpt.server.console.texts import say
from memgpt.server.console.visits import Reading, Visit, Writing, plain_lines

router: Final = visits.router("/agents/{agent}/blocks")
PAGE: Final = 50
LOOKED_BACK: Final = 200
"""Changes that are searched for the version an editor began with."""
MOST_LINES: Final = 2000
"""Lines that are shown with who wrote them."""

Text = Annotated[str, Form(max_length=MOST_CHARACTERS)]
Version = Annotated[int, Form(ge=0, le=2**31)]


@router.get("")
def list_blocks(visit: Reading) -> Response:
    """Show every block that the agent sees."""
    if visit.at is not None:
        return past.show(visit, "block")
    values = {"section": "blocks", "blocks": visit.memory.core.list(), "limit": DEFAULT_LIMIT}
    return visit.page("blocks.html", values)


@router.post("")
def create_block(
    visit: Writing,
    label: Annotated[str, Form(max_length=1000)],
    value: Text = "",
    description: Annotated[str, Form(max_length=10_000)] = "",
) -> Response:
    """Create a block of the agent's own."""
    block = visit.memory.core.create(label, plain_lines(value), description=description or None)
    return visit.back(
        say("blocks.created", label=block.label), visit.last_change("block", block.id), "blocks", block.label
    )


@router.get("/{label}")
def show_block(visit: Reading, label: Name) -> Response:
    """Show one block."""
    if visit.at is not None:
        return past.show(visit, "block", id=visit.memory.as_of(visit.at).block(label).id)
    return visit.page("block.html", {"section": "blocks", "block": visit.memory.core[label].block})


@router.get("/{label}/edit")
def edit_block(visit: Writing, label: Name) -> Response:
    """Show the editor."""
    block = visit.memory.core[label].block
    return visit.page("block_edit.html", _editor(visit, block, block.value))


@router.post("/{label}")
def save_block(visit: Writing, label: Name, version: Version, value: Text = "") -> Response:
    """Save an edit of the version that was seen; where somebody was faster, show both."""
    wanted = plain_lines(value)
    try:
        block = visit.memory.core[label].rethink(wanted, expected_version=version)
    except ConflictError:
        return conflicts.show(visit, _versioned(visit, visit.memory.core[label].block), version, wanted)
    except InputError as error:
        block = visit.memory.core[label].block
        values = _editor(visit, block, wanted) | {"problem": str(error), "version": version}
        return visit.page("block_edit.html", values, status=422)
    return _saved(visit, block)


@router.post("/{label}/merge")
def merge_block(
    visit: Writing,
    label: Name,
    version: Version,
    base: Version,
    value: Text = "",
    choice: Annotated[list[str] | None, Form(max_length=10_000)] = None,
) -> Response:
    """Save what a person chose where two edits met, against the version they saw."""
    wanted = plain_lines(value)
    edited = _versioned(visit, visit.memory.core[label].block)
    if edited.version != version:
        return conflicts.show(visit, edited, base, wanted)
    text = edited.chosen(base, wanted, choice)
    return _saved(visit, visit.memory.core[label].rethink(text, expected_version=version))


@router.post("/{label}/describe")
def describe_block(
    visit: Writing,
    label: Name,
    version: Version,
    limit: Annotated[int, Form(ge=1, le=MOST_CHARACTERS)],
    description: Annotated[str, Form(max_length=10_000)] = "",
    read_only: Annotated[bool, Form()] = False,
) -> Response:
    """Change what a block is for, how long it may get, and whether it may be edited."""
    block = visit.memory.core[label].describe(description, limit=limit, read_only=read_only, expected_version=version)
    return _saved(visit, block)


@router.post("/{label}/delete")
def delete_block(visit: Writing, label: Name, version: Version) -> Response:
    """Remove a block; undo brings it back."""
    block = visit.memory.core[label].block
    visit.memory.core.delete(label, expected_version=version)
    return visit.back(say("blocks.deleted", label=label), visit.last_change("block", block.id), "blocks")


@dataclass(frozen=True, slots=True)
class BlockVersion:
    """One change of a block, and how its value differs from the one before."""

    change: Change
    version: int | None
    lines: Sequence[Any]


@router.get("/{label}/versions")
def show_versions(visit: Reading, label: Name, before: Annotated[int | None, Query(ge=1)] = None) -> Response:
    """Show what was changed in a block, by whom, newest first."""
    changes = visit.memory.history(label=label, limit=PAGE + 1, before=before)
    if not changes and before is None:
        raise NotFoundError(say("blocks.no_versions", label=label))
    versions = [
        BlockVersion(change, (change.new or {}).get("version"), difference(_value(change.old), _value(change.new)))
        for change in changes[:PAGE]
    ]
    following = changes[PAGE - 1].id if len(changes) > PAGE else None
    values = {"section": "blocks", "label": label, "versions": versions, "following": following}
    return visit.page("block_versions.html", values)


@router.get("/{label}/blame")
def show_blame(visit: Reading, label: Name) -> Response:
    """Show which change wrote each line, those of one change together."""
    lines = visit.memory.core[label].blame()
    shown = [list(together) for _, together in groupby(lines[:MOST_LINES], lambda line: line.change_id)]
    values = {"section": "blocks", "label": label, "stretches": shown, "left_out": max(0, len(lines) - MOST_LINES)}
    return visit.page("block_blame.html", values)


def _value(row: Any) -> str:
    return str(row["value"]) if row else ""


def _editor(visit: Visit, block: Block, value: str) -> dict[str, Any]:
    own = block.agent_id == visit.agent.agent_id
    return {
        "section": "blocks",
        "block": block,
        "value": value,
        "version": block.version,
        "own": own,
        "problem": None,
        "most": MOST_CHARACTERS,
    }


def _saved(visit: Visit, block: Block) -> Response:
    change = visit.last_change("block", block.id) if block.agent_id == visit.agent.agent_id else None
    return visit.back(say("blocks.saved", label=block.label, n=block.version), change, "blocks", block.label)


def _versioned(visit: Visit, block: Block) -> VersionedText:
    return VersionedText(
        name=block.label,
        version=block.version,
        text=block.value,
        place=("blocks", block.label),
        changes=lambda most: visit.memory.history(label=block.label, limit=most),
        looked_back=LOOKED_BACK,
    )
