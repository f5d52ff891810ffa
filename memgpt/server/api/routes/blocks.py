"""Core memory: blocks by label. The ETag is the version; If-Match edits only what was seen."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Header, Response
from pydantic import WithJsonSchema

from memgpt import validation
from memgpt.errors import ConflictError, InputError, NotFoundError
from memgpt.models import BlameLine, Block
from memgpt.server.api import bodies
from memgpt.server.api.callers import AnyCaller, Reading, Writing
from memgpt.server.api.idempotency import IdempotentRoute
from memgpt.server.api.patterns import LABEL
from memgpt.server.api.problems import PreconditionFailed
from memgpt.server.api.segments import Segment, named_segment

T = TypeVar("T")

router = APIRouter(prefix="/v1/agents/{agent_id}/core-memory/blocks", tags=["core memory"], route_class=IdempotentRoute)

Label = Annotated[Segment, named_segment("The block's label.", "human", most=validation.MAX_NAME, pattern=LABEL)]
_ETAG: Final = re.compile(r'"([0-9]{1,18})\.([0-9]{1,9})\.([0-9a-f]{8})"')
IfMatch = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "anyOf": [{"enum": ["*"]}, {"pattern": f"^{_ETAG.pattern}$"}]}),
    Header(description="The ETag the edit is based on; 404 for one that no block ever had."),
]
IfNoneMatch = Annotated[str | None, Header(description="The ETag the caller has.", max_length=100)]


@router.get("")
def list_blocks(memory: Reading) -> Sequence[Block]:
    """Every block the agent sees, its own and those shared with it."""
    return memory.core.list()


@router.post("", status_code=201)
def create_block(memory: Writing, body: bodies.BlockCreate, response: Response) -> Block:
    """Create a block."""
    fields = body.sent()
    return _tagged(response, memory.core.create(fields.pop("label"), fields.pop("value", ""), **fields))


@router.get("/{label}", responses={304: {"description": "The caller has this version."}})
def get_block(memory: Reading, label: Label, response: Response, if_none_match: IfNoneMatch = None) -> Block:
    """One block."""
    block = memory.core[label].block
    if if_none_match in (_etag(block), "*"):
        # An empty 304, not the block again.
        return Response(status_code=304, headers={"ETag": _etag(block)})  # type: ignore[return-value]
    return _tagged(response, block)


@router.get("/{label}/blame")
def blame_block(memory: Reading, label: Label) -> Sequence[BlameLine]:
    """Each line of a block of the agent's own with the change that wrote it; nulls where its history does not say."""
    return memory.core[label].blame()


@router.patch("/{label}")
def update_block(
    memory: Writing, label: Label, body: bodies.BlockUpdate, response: Response, if_match: IfMatch = None
) -> Block:
    """Change what is given and keep the rest. A block that is not there yet is created by its value."""
    value, about = body.value, {k: v for k, v in body.sent().items() if k != "value" and v is not None}
    if value is None and not about:
        raise InputError("nothing to change: give value, description, limit or read_only")

    def edit(version: int | None) -> Block:
        with memory.transaction():
            block = None
            # A limit is raised before the longer value comes, and a block is closed after it.
            first = {k: v for k, v in about.items() if k != "read_only" or not v}
            if value is None or (first and label in memory.core):
                block = memory.core[label].describe(**(first if value is not None else about), expected_version=version)
            if value is not None:
                expected = version if block is None else block.version
                block = memory.core[label].rethink(value, expected_version=expected)
                if block is not None and (left := {k: v for k, v in about.items() if getattr(block, k) != v}):
                    block = memory.core[label].describe(**left)
            assert block is not None  # noqa: S101 - one of the two was given
            return block

    return _tagged(response, _edited(edit, if_match))


@router.delete("/{label}", status_code=204)
def delete_block(memory: Writing, label: Label, if_match: IfMatch = None) -> None:
    """Remove a block of the agent's own; undo brings it back."""

    def edit(version: int | None) -> None:
        memory.core.delete(label, expected_version=version)

    _edited(edit, if_match)


@router.post("/{label}/append")
def append_to_block(
    memory: Writing, label: Label, body: bodies.BlockAppend, response: Response, if_match: IfMatch = None
) -> Block:
    """Add a text on a new line at the end; creates the block if need be."""
    return _tagged(response, _edited(lambda v: memory.core[label].append(body.text, expected_version=v), if_match))


@router.post("/{label}/replace")
def replace_in_block(
    memory: Writing, label: Label, body: bodies.BlockReplace, response: Response, if_match: IfMatch = None
) -> Block:
    """Put a text in the place of one that occurs exactly once."""
    edited = _edited(lambda v: memory.core[label].replace(body.old, body.new, expected_version=v), if_match)
    return _tagged(response, edited)


@router.post("/{label}/insert")
def insert_into_block(
    memory: Writing, label: Label, body: bodies.BlockInsert, response: Response, if_match: IfMatch = None
) -> Block:
    """Insert a text at a line."""
    edited = _edited(lambda v: memory.core[label].insert(body.text, body.line, expected_version=v), if_match)
    return _tagged(response, edited)


@router.put("/{label}/shared-with")
def share_block(memory: Writing, caller: AnyCaller, label: Label, body: bodies.BlockShare, response: Response) -> Block:
    """Say which other agents see and edit this block; the key must reach each that is added."""
    with memory.transaction():
        block = memory.core[label].block
        for agent in set(body.agents) - set(block.shared_with):
            caller.require("write", agent)
        gone = set(block.shared_with) - set(body.agents)
        if gone:
            block = memory.core[label].unshare(*gone)
        if body.agents:
            block = memory.core[label].share_with(*body.agents)
    return _tagged(response, block)


def _etag(block: Block) -> str:
    return f'"{block.id}.{block.version}.{_check(block.id, block.version)}"'


def _check(id: int, version: int) -> str:
    """Return the part of a tag that tells a version there was from a number somebody made up."""
    return f"{zlib.crc32(f'{id}.{version}'.encode()):08x}"


def _tagged(response: Response, block: Block) -> Block:
    response.headers["ETag"] = _etag(block)
    return block


def _edited(edit: Callable[[int | None], T], if_match: str | None) -> T:
    """Edit the version that the caller has seen."""
    if if_match is None or if_match.strip() == "*":
        return edit(None)
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise InputError("If-Match is not an ETag of a block: send the one its GET answered")
    if match[3] != _check(int(match[1]), int(match[2])):
        raise NotFoundError("no block ever had the ETag in If-Match: send the one its GET answered")
    try:
        return edit(int(match[2]))
    except ConflictError as error:
        raise PreconditionFailed(str(error)) from error
