"""Two edits of one text with versions, a block or a file: what people are shown, and the text they chose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from memgpt.models import Change
from memgpt.server.console.changes import text_of_version
from memgpt.server.console.merging import Region, chosen, merge, merged
from memgpt.server.console.visits import Visit, plain_lines


@dataclass(frozen=True, slots=True)
class VersionedText:
    """A block or a file as it is now."""

    name: str
    version: int
    text: str
    place: tuple[str, str | int]
    """The section of its pages, and what names it there."""
    changes: Callable[[int], Sequence[Change]]
    """Returns so many of its latest changes, newest first."""
    looked_back: int
    """Changes that are searched for the version an editor began with."""

    def regions(self, base: int, wanted: str) -> Sequence[Region]:
        """Cut what an edit began with, what there is now, and the edit into stretches."""
        return merge(plain_lines(self._text_of(base)), plain_lines(self.text), wanted)

    def chosen(self, base: int, wanted: str, choices: Sequence[str] | None) -> str:
        """Return the text, with what a form says of the stretches that both sides changed."""
        return merged(self.regions(base, wanted), dict(map(chosen, choices or ())))

    def _text_of(self, version: int) -> str:
        """Return the text of a version, as the history has it; nothing where that is too long ago."""
        if version == self.version:
            return self.text
        return text_of_version(self.changes(self.looked_back), version) or ""


def show(visit: Visit, edited: VersionedText, base: int, wanted: str) -> Response:
    """Show what the edit began with, what there is now, and the edit, side by side."""
    changes = edited.changes(1)
    values = {
        "section": edited.place[0],
        "name": edited.name,
        "now": edited.version,
        "base": base,
        "value": wanted,
        "regions": edited.regions(base, wanted),
        "by": changes[0] if changes else None,
        "up": visit.url(*edited.place),
        "merge_at": visit.url(*edited.place, "merge"),
    }
    return visit.page("conflict.html", values, status=409)
