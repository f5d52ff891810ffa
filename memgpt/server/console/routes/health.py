"""The database's health: what the doctor finds, migrations and drift, indexes and sizes, statements that take long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from starlette.responses import RedirectResponse, Response

from memgpt.errors import NotFoundError
from memgpt.server.api.problems import detail_of
from memgpt.server.console import addresses, visits
from memgpt.server.console.visits import Operating

router: Final = visits.router("/operations")

T = TypeVar("T")


@router.get("")
def first_page(visit: Operating) -> Response:  # noqa: ARG001 - only for who may
    """Lead to the doctor."""
    return RedirectResponse(addresses.address("operations", "doctor"), 303)


@router.get("/doctor")
def show_doctor(visit: Operating) -> Response:
    """Show the page, which asks for the examination after its paint."""
    return visit.page("doctor.html", {"section": "doctor", "findings": None})


@router.get("/doctor/findings")
def show_findings(visit: Operating) -> Response:
    """Show what the doctor finds, and the remedies."""
    findings = sorted(visit.operations.findings(), key=lambda one: ("problem", "note", "ok").index(one.level))
    return visit.page("doctor.html", {"section": "doctor", "findings": findings}, part="findings")


@router.get("/migrations")
def show_migrations(visit: Operating) -> Response:
    """Show what is applied; the comparison of the schema comes after the paint."""
    return visit.page(
        "migrations.html", {"section": "migrations", "status": visit.operations.migrations(), "drift": None}
    )


@router.get("/migrations/drift")
def show_drift(visit: Operating) -> Response:
    """Show where the live schema differs from what the migrations define."""
    values = {"section": "migrations", "status": None, "drift": visit.operations.drift()}
    return visit.page("migrations.html", values, part="drift")


@router.get("/indexes")
def show_indexes(visit: Operating) -> Response:
    """Show the page, which measures after its paint."""
    return visit.page("indexes.html", {"section": "indexes", "storage": None})


@router.get("/indexes/sizes")
def show_sizes(visit: Operating) -> Response:
    """Show tables and indexes with their sizes and use."""
    return visit.page("indexes.html", {"section": "indexes", "storage": visit.operations.storage()}, part="sizes")


@router.get("/slow")
def show_slow(visit: Operating) -> Response:
    """Show statements that took long, as the service notes them and as PostgreSQL counts them."""
    noted, why_not = _or_reason(visit.operations.slow)
    counted, why_not_counted = _or_reason(visit.operations.statements)
    values = {"noted": noted, "why_not": why_not, "counted": counted, "why_not_counted": why_not_counted}
    return visit.page("slow.html", {"section": "slow", **values})


def _or_reason(asked: Callable[[], Sequence[T]]) -> tuple[Sequence[T], str | None]:
    """Return what there is, or why there is nothing."""
    try:
        return asked(), None
    except NotFoundError as error:
        return (), detail_of(error)
