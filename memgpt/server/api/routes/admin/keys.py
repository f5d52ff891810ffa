"""Keys of the service, and what was done with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import ConfigDict, Field

from memgpt import validation
from memgpt.models import Key, Permission
from memgpt.server.api import bodies, pages
from memgpt.server.api.json_types import NUMBER, Moment, described
from memgpt.server.api.patterns import AGENT_PATTERN, STORABLE
from memgpt.server.api.routes.admin.operating import Operating
from memgpt.server.keys import NewKey
from memgpt.server.keys_store import AuditFilter, AuditLine

router = APIRouter()

KeyId = Annotated[str, Path(description="The key's id.", examples=["0123456789ab"], pattern="^[0-9a-f]{12}$")]


AgentPattern = Annotated[str, Field(min_length=1, max_length=validation.MAX_AGENT_ID), described(pattern=AGENT_PATTERN)]


class KeyCreate(bodies.Body):
    """A key to be made."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "travel", "agents": ["travel-*"]}]}
    )
    name: Annotated[str, Field(max_length=1000), described(pattern=STORABLE)] = ""
    permissions: Annotated[Sequence[Permission], Field(min_length=1, max_length=4)] = ("read", "write")
    """None that the asking key has not."""
    agents: Annotated[list[AgentPattern], Field(min_length=1, max_length=1000)]
    """Exact names, or beginnings that end in `*`; `*` alone is all."""
    requests_per_minute: Annotated[int | None, Field(ge=1, le=1_000_000), NUMBER] = None
    expires_at: Moment | None = None


class KeyRotation(bodies.Body):
    """How a key is replaced."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"grace_seconds": 86_400}]})
    grace_seconds: Annotated[int, Field(ge=0, le=31_536_000), NUMBER] = 0
    """For which the old key still works."""


@router.get("/keys")
def list_keys(operations: Operating) -> Sequence[Key]:
    """Every key, oldest first, without its secret; the revoked and expired ones included."""
    return operations.keys()


@router.post("/keys", status_code=201)
def create_key(operations: Operating, body: KeyCreate, response: Response) -> NewKey:
    """Make a key. Its token is in this answer only: what is kept is a hash, so a request sent again makes another
    key."""
    response.headers["Cache-Control"] = "no-store"
    return operations.create_key(**body.sent())


@router.post("/keys/{key_id}/rotate", status_code=201)
def rotate_key(operations: Operating, key_id: KeyId, body: KeyRotation, response: Response) -> NewKey:
    """Replace a key by a new one of the same scope; the old one ends now, or after the grace."""
    response.headers["Cache-Control"] = "no-store"
    return operations.rotate_key(key_id, grace=timedelta(seconds=body.grace_seconds))


@router.delete("/keys/{key_id}")
def revoke_key(operations: Operating, key_id: KeyId) -> Key:
    """End a key now; other processes notice within two seconds."""
    return operations.revoke_key(key_id)


@router.get("/audit")
def list_audit(
    request: Request,
    response: Response,
    operations: Operating,
    key_id: Annotated[str | None, Query(description="Only of this key.", pattern="^[0-9a-f]{12}$")] = None,
    agent_id: Annotated[
        str | None, Query(description="Only about this agent.", max_length=255, json_schema_extra={"pattern": STORABLE})
    ] = None,
    refused: Annotated[bool | None, Query(description="Only what was refused, or only what was not.")] = None,
    since: Annotated[Moment | None, Query(description="Only from then on.")] = None,
    until: Annotated[Moment | None, Query(description="Only before then.")] = None,
    limit: pages.Limit = 50,
    after: pages.After = None,
) -> Sequence[AuditLine]:
    """Who wrote what, and who was refused; newest first."""
    last = pages.after(after, pages.Position)
    chosen = AuditFilter(key_id, agent_id, refused, since, until)
    rows = operations.audit(chosen, limit=limit + 1, before=last.id if last else None)
    return pages.page(request, response, rows, limit, lambda row: pages.written(id=row.id))
