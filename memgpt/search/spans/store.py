"""Words of a query in texts of rows, found by PostgreSQL's own parser and stemmers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from memgpt.database import languages, queries
from memgpt.search.store import SQL as SEARCH

SQL = queries.beside(__name__)


class SpansStore:
    """Marks texts of one agent on a connection of the caller."""

    def __init__(self, connection: Connection[Any], agent_id: str) -> None:
        self._connection = connection
        self._agent_id = agent_id

    def marked(
        self, words: str, rows: Sequence[tuple[str, int, str]], *, language: str, marks: tuple[str, str]
    ) -> tuple[Sequence[str], Sequence[str]]:
        """Return the words as they are in the index, and the texts of rows (kind, id, text) with marks around them;
        nothing where the query has no word."""
        parameters = {
            "agent_id": self._agent_id,
            "words": words,
            "language": language,
            "asked_in": languages.detected(words),
            "kinds": [kind for kind, _, _ in rows],
            "ids": [id for _, id, _ in rows],
            "texts": [text for _, _, text in rows],
            "marks": f"HighlightAll=true, StartSel={marks[0]}, StopSel={marks[1]}",
        }
        answer = self._connection.execute(_marked(), parameters).fetchall()
        return (answer[0][0], [marked for _, marked in answer]) if answer else ((), ())


def _marked() -> bytes:
    """Read the query as a search does."""
    return queries.compose(SQL.marked, spoken=SEARCH.spoken, words_by_place=SEARCH.words_by_place)
