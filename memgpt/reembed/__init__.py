"""Changing the embedding model of a live memory.

::

    from memgpt import reembed
    reembed.reembed(to="text-embedding-3-small")

The new vectors are made beside the live ones, which are searched until all is there and compared; then the new ones
take over in one short transaction. The old ones are kept for :func:`rollback` until :func:`finish` drops them. Killed
at any point, the same call goes on from there. ``docs/embedding-models.md`` tells what readers and writers notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from memgpt import embeddings
from memgpt.config import NO_MODEL, Settings, settings
from memgpt.database.connection import Connection
from memgpt.embeddings import EmbeddingModel
from memgpt.errors import ConfigurationError, ConflictError, InputError
from memgpt.reembed import planning, tables
from memgpt.reembed.checks import VectorComparison, read_queries
from memgpt.reembed.planning import ReembedPlan
from memgpt.reembed.record import SQL as RECORD_SQL
from memgpt.reembed.record import Guard, Switch, active, at_work, current, guard, last
from memgpt.reembed.session import ReembedSession
from memgpt.reembed.work import ReembedProgress, ReembedRun

__all__ = [
    "ReembedPlan",
    "ReembedProgress",
    "ReembedReport",
    "ReembedStatus",
    "Switch",
    "VectorComparison",
    "finish",
    "plan",
    "reembed",
    "rollback",
    "status",
]

BATCH: Final = 500
"""Rows embedded and stored at a time."""

OnProgress = Callable[[ReembedProgress], None] | None


@dataclass(frozen=True, slots=True)
class ReembedReport:
    """Outcome of a run."""

    switched: bool
    """False where the memory had that model already and only gaps were filled."""
    model: str
    dimensions: int
    embedded: int
    """Rows embedded by this run."""
    verification: VectorComparison | None


@dataclass(frozen=True, slots=True)
class ReembedStatus:
    """The last switch, and whether a process works on it at this moment."""

    model: str
    dimensions: int
    switch: Switch | None
    at_work: bool


def reembed(
    to: str | EmbeddingModel,
    *,
    dsn: str | None = None,
    options: Settings | None = None,
    batch: int = BATCH,
    rate: float | None = None,
    queries: Path | None = None,
    min_recall: float | None = None,
    on_progress: OnProgress = None,
) -> ReembedReport:
    """Switch the memory to another embedding model, or go on with a switch that was interrupted.

    For the model the memory has already, fill gaps: rows without a vector, or with another model's.

    Args:
        to: the model's name, found with the same provider settings as always, or a model.
        rate: most rows a second.
        queries: a file of JSON lines, ``{"agent": "a", "query": "…", "expected": [12]}``; without ``kind`` (archival,
            message, chunk, fact) the ids are of archival memories. Their recall is compared before the switch.
        min_recall: switch only if the recall of ``queries`` is at least this; else, if it falls by at most 0.05.

    Raises:
        ConflictError: another process is at it, or another switch is not finished.
        EmbeddingError: the model failed, or the recall is too low; what was embedded so far is kept.
    """
    options = options or settings()
    saved = read_queries(queries) if queries else []
    model = _model(to, options)
    with _guarded(dsn, options) as (session, held):
        work = ReembedRun(session, held, model, batch=batch, rate=rate, on_progress=on_progress)
        with session.database.connection() as connection:
            under_way, now = current(connection), active(connection)
        target = (model.name, model.dimensions)
        if now == target and (under_way is None or under_way.state == "switched"):
            return ReembedReport(False, *now, work.mend(), None)
        _check_current(under_way, target)
        old = _model_if_any(now, options)
        work.prepare()
        work.embed()
        work.index()
        work.embed("catching up")
        verification = work.verify(old, saved, min_recall)
        work.switch()
        return ReembedReport(True, *target, work.embedded, verification)


def rollback(
    *, dsn: str | None = None, options: Settings | None = None, on_progress: OnProgress = None
) -> ReembedReport:
    """Take a switch back: before it, the new vectors are removed; after it, the old ones take over again.

    What was written since the switch is embedded by the old model first.

    Raises:
        ConflictError: another process is at it.
        InputError: there is nothing to take back.
    """
    options = options or settings()
    with _guarded(dsn, options) as (session, held):
        with session.database.connection() as connection:
            under_way, now = current(connection), active(connection)
        if under_way is None:
            raise InputError(f"there is no switch to take back: the memory has {now[0]}, and no other vectors are kept")
        if under_way.state == "running" and not under_way.backward:
            session.locked(lambda connection: _drop(session, connection, "next", "cancelled"))
            return ReembedReport(False, *now, 0, None)
        name, dimensions = _previous(under_way)
        model = _loaded(name, dimensions, options)
        work = ReembedRun(session, held, model, batch=BATCH, rate=None, on_progress=on_progress)
        if under_way.state == "switched":
            session.locked(lambda connection: _turn(session, connection))
        work.prepare()
        work.embed()
        work.index()
        work.embed("catching up")
        work.switch()
        return ReembedReport(True, name, dimensions, work.embedded, None)


def finish(*, dsn: str | None = None, options: Settings | None = None) -> Switch:
    """Drop the vectors of the model that is no longer used.

    Raises:
        ConflictError: another process is at it.
        InputError: no switch waits to be finished.
    """
    options = options or settings()
    with _guarded(dsn, options) as (session, _):
        with session.database.connection() as connection:
            under_way = current(connection)
        if under_way is None or under_way.state != "switched":
            raise InputError(
                "nothing to finish: no vectors of an earlier model are kept"
                if under_way is None
                else f"the switch to {under_way.to_model} is not done: run `memgpt reembed --to {under_way.to_model}`"
            )
        state = "rolled back" if under_way.backward else "finished"
        session.locked(lambda connection: _drop(session, connection, "previous", state))
        with session.database.transaction() as connection:
            connection.execute(RECORD_SQL.forget_cached, {"model": under_way.from_model})
            ended = last(connection)
    assert ended is not None  # noqa: S101 - it has just been ended
    return ended


def plan(to: str | EmbeddingModel, *, dsn: str | None = None, options: Settings | None = None) -> ReembedPlan:
    """Estimate what a switch will take; embeds a small sample and changes nothing."""
    options = options or settings()
    model = _model(to, options)
    with ReembedSession(dsn, options) as session, session.alone() as connection:
        return planning.plan(connection, tables.tables(options.db_schema), active(connection), model)


def status(*, dsn: str | None = None, options: Settings | None = None) -> ReembedStatus:
    """Return the memory's model, the last switch and its progress; from any process."""
    options = options or settings()
    with ReembedSession(dsn, options) as session, session.alone() as connection:
        return ReembedStatus(*active(connection), last(connection), at_work(connection, options.db_schema))


@contextmanager
def _guarded(dsn: str | None, options: Settings) -> Iterator[tuple[ReembedSession, Guard]]:
    with ReembedSession(dsn, options) as session, guard(session.dsn, options) as held:
        yield session, held


def _model(to: str | EmbeddingModel, options: Settings) -> EmbeddingModel:
    if not isinstance(to, str):
        return to
    if to == NO_MODEL:
        raise InputError("'none' embeds nothing: name the model that the memory is to be embedded with")
    same = to == options.embedding_model
    changes = {"embedding_model": to} if same else {"embedding_model": to, "embedding_dimensions": None}
    return embeddings.from_settings(options.model_copy(update=changes))


def _loaded(name: str, dimensions: int, options: Settings) -> EmbeddingModel:
    return embeddings.from_settings(
        options.model_copy(update={"embedding_model": name, "embedding_dimensions": dimensions})
    )


def _model_if_any(now: tuple[str, int], options: Settings) -> EmbeddingModel | None:
    """Load the old model, to compare with; None if it is no longer available."""
    if now[0] == NO_MODEL:
        return None
    try:
        return _loaded(*now, options)
    except ConfigurationError:
        return None


def _check_current(under_way: Switch | None, target: tuple[str, int]) -> None:
    if under_way is None:
        return
    if under_way.state == "switched":
        raise ConflictError(
            f"the vectors of {under_way.from_model} are still kept: `memgpt reembed --finish` drops them, "
            "`memgpt reembed --rollback` goes back to them; then another switch can begin"
        )
    if under_way.backward:
        raise ConflictError("a switch is being taken back: `memgpt reembed --rollback` goes on with that")
    if (under_way.to_model, under_way.to_dimensions) != target:
        raise ConflictError(
            f"a switch to {under_way.to_model} ({under_way.to_dimensions} dimensions) is under way: "
            f"`memgpt reembed --to {under_way.to_model}` goes on with it, `memgpt reembed --rollback` cancels it"
        )


def _previous(under_way: Switch) -> tuple[str, int]:
    if under_way.state == "running":  # it is being taken back already
        return under_way.to_model, under_way.to_dimensions
    return under_way.from_model, under_way.from_dimensions


def _turn(session: ReembedSession, connection: Connection) -> None:
    for table in tables.tables(session.options.db_schema):
        tables.bring_back(connection, table)
    connection.execute(RECORD_SQL.turn)


def _drop(session: ReembedSession, connection: Connection, side: str, state: str) -> None:
    for table in tables.tables(session.options.db_schema):
        tables.drop_columns(connection, table, side)
    connection.execute(RECORD_SQL.ended, {"state": state})
