"""The dependency of these routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from memgpt.server.api.callers import AnyCaller, TheService
from memgpt.server.operations import Operations


def _operations(service: TheService, caller: AnyCaller) -> Operations:
    return Operations(service, caller)


Operating = Annotated[Operations, Depends(_operations)]
"""For keys with `admin` for every agent (`*`)."""
