"""The history: what was done, by whom, and taking it back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, Field
from starlette.responses import PlainTextResponse, Response

from memgpt.database.tables import by_kind
from memgpt.models import ACTIONS, Action
from memgpt.server.api.bodies import HistoryKind
from memgpt.server.console import visits
from memgpt.server.console.changes import by_day
from memgpt.server.console.visits import Reading, aware

router: Final = visits.router("/agents/{agent}/history")
PAGE: Final = 50

RowNumber = Annotated[int | None, Field(ge=1, le=2**63 - 1), BeforeValidator(lambda text: text or None)]


class HistoryForm(BaseModel):
    """The filters of the timeline, as its address has them."""

    kind: Annotated[HistoryKind | None, BeforeValidator(lambda text: text or None)] = None
    id: RowNumber = None
    actor: Annotated[str, Field(max_length=1000)] = ""
    action: Annotated[Action | None, BeforeValidator(lambda text: text or None)] = None
    since: Annotated[datetime | None, BeforeValidator(lambda text: text or None)] = None
    until: Annotated[datetime | None, BeforeValidator(lambda text: text or None)] = None
    change: UUID | None = None
    before: RowNumber = None

    def wanted(self) -> dict[str, Any]:
        """Return the filters as the library takes them."""
        return {
            "kind": self.kind,
            "id": self.id if self.kind else None,
            "actor": self.actor or None,
            "action": self.action,
            "change_id": self.change,
            "since": aware(self.since),
            "until": aware(self.until),
        }

    def address(self) -> dict[str, Any]:
        """Return them as an address has them, without the place in the list."""
        return {name: value for name, value in self.model_dump(mode="json").items() if name != "before"}


@router.get("")
def timeline(visit: Reading, form: Annotated[HistoryForm, Query()]) -> Response:
    """Show changes by day, newest first; one change alone with all that it did.

    A page that waits for the next change asks for plain text: the id of the newest entry.
    """
    if visit.request.headers.get("accept") == "text/plain":
        return PlainTextResponse(str(next((entry.id for entry in visit.memory.history(**form.wanted(), limit=1)), 0)))
    rows = visit.memory.history(**form.wanted(), limit=PAGE + 1, before=form.before)
    shown = rows[:PAGE]
    filtered = any(form.wanted().values())
    by_row = bool(form.kind or form.action)
    more = len(rows) > PAGE
    values = {
        "section": "history",
        "form": form,
        "filters": form.address(),
        "filtered": filtered,
        "kinds": [*by_kind()],
        "actions": ACTIONS,
        "days": by_day(shown, visit.url, alone=form.change is not None, cut=more, by_row=by_row),
        "following": shown[-1].id if more else None,
        "newest": shown[0].id if shown else 0,
        "live": not (form.before or form.change or form.until),
    }
    return visit.page("history.html", values, part="results")
