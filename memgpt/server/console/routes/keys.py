"""Keys of the service, and the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import Form, Query
from pydantic import BeforeValidator
from starlette.responses import Response

from memgpt.errors import InputError
from memgpt.models import PERMISSIONS, Permission
from memgpt.server.console import visits
from memgpt.server.console.texts import say
from memgpt.server.console.visits import Confirmed, Operating, OperatorVisit
from memgpt.server.keys import NewKey
from memgpt.server.keys_store import AuditFilter

router: Final = visits.router("/operations")
PAGE: Final = 50

Chosen = Annotated[str | None, BeforeValidator(lambda text: text or None), Query(max_length=255)]
Whole = Annotated[int | None, BeforeValidator(lambda text: text or None), Form(ge=1, le=1_000_000)]


@dataclass(frozen=True, slots=True)
class TypedKey:
    """What somebody typed for a key."""

    name: str = ""
    agents: str = ""
    permissions: Sequence[Permission] = ("read", "write")
    rate: int | None = None
    days: int | None = None


@router.get("/keys")
def list_keys(visit: Operating) -> Response:
    """Show the keys, the newest first, without their secrets."""
    return _keys(visit)


@router.post("/keys")
def create_key(
    visit: Confirmed,
    agents: Annotated[str, Form(max_length=100_000)] = "",
    permissions: Annotated[list[Permission] | None, Form()] = None,
    name: Annotated[str, Form(max_length=1000)] = "",
    rate: Whole = None,
    days: Whole = None,
) -> Response:
    """Make a key, and show its token in this answer only."""
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=min(days, 36_500))
    try:
        made = visit.operations.create_key(
            name,
            permissions=permissions or (),
            agents=[part.strip() for part in agents.split(",") if part.strip()],
            requests_per_minute=rate,
            expires_at=expires_at,
        )
    except InputError as error:
        typed = TypedKey(name, agents, permissions or (), rate, days)
        return _keys(visit, problem=str(error), typed=typed, status=422)
    return _keys(visit, made=made, status=201)


@router.post("/keys/{key_id}/revoke")
def revoke_key(visit: Confirmed, key_id: str) -> Response:
    """End a key now."""
    key = visit.operations.revoke_key(key_id)
    return visit.back(say("keys.revoked_now", name=key.name or key.key_id), "keys")


def _keys(
    visit: OperatorVisit,
    *,
    made: NewKey | None = None,
    problem: str | None = None,
    typed: TypedKey | None = None,
    status: int = 200,
) -> Response:
    values = {
        "section": "keys",
        "keys": [*reversed(visit.operations.keys())],
        "made": made,
        "problem": problem,
        "typed": typed or TypedKey(),
        "all_permissions": PERMISSIONS,
        "now": datetime.now(UTC),
    }
    return visit.page("keys.html", values, status=status)


@router.get("/audit")
def list_audit(
    visit: Operating,
    key_id: Chosen = None,
    agent_id: Chosen = None,
    outcome: Annotated[str, Query(max_length=10)] = "",
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Response:
    """Show who wrote what, and who was refused, newest first."""
    chosen = AuditFilter(key_id, agent_id, {"refused": True, "allowed": False}.get(outcome))
    lines = visit.operations.audit(chosen, limit=PAGE + 1, before=before)
    values = {
        "section": "audit",
        "lines": lines[:PAGE],
        "following": lines[PAGE - 1].id if len(lines) > PAGE else None,
        "key_id": key_id or "",
        "agent_id": agent_id or "",
        "outcome": outcome,
    }
    return visit.page("audit.html", values, part="results")
