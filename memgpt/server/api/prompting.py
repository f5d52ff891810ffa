"""What requests with a model say of the memory they want, and the upstream they go to."""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import Header, Request
from pydantic import BeforeValidator, WithJsonSchema

from memgpt.server.protocols.upstream import Upstream
from memgpt.server.service import Service

_NUMERAL: Final = re.compile(r"^(0|[1-9][0-9]{0,5}|1000000)$")


def _numeral(value: str | int) -> int:
    if not _NUMERAL.fullmatch(str(value)):
        raise ValueError("must be a whole number from 0 to 1000000")
    return int(value)


AgentHeader = Annotated[
    str | None,
    Header(description="Whose memory; else the request's `user`, else the key's only agent.", max_length=255),
]
SessionHeader = Annotated[str | None, Header(description="The conversation the turn belongs to.", max_length=1000)]
BudgetHeader = Annotated[
    int,
    BeforeValidator(_numeral),
    WithJsonSchema({"type": "string", "pattern": _NUMERAL.pattern}),  # as any header is
    Header(description="Most tokens of memory in the prompt: a number, at most 1,000,000.", ge=0, le=1_000_000),
]


def upstream_of(request: Request, service: Service) -> Upstream:
    return Upstream(request.app.state.upstream, service.options)
