"""Batches of which an item may be bad: refused as a whole, or kept without it, or with its characters replaced."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from memgpt import validation
from memgpt.errors import InputError

OnError = Literal["fail", "skip", "replace"]
Outcome = Literal["skipped", "replaced"]

ON_ERROR: Final[Sequence[OnError]] = ("fail", "skip", "replace")
"""Refuse the batch; leave the bad item out; replace what PostgreSQL cannot hold by U+FFFD, and leave out what is bad
in another way."""

T = TypeVar("T")

_FIELD = re.compile("[a-z_]*")


@dataclass(frozen=True, slots=True)
class Problem:
    """An item that could not be kept as it was."""

    index: int
    """Its place in the batch, or in its conversation, from 0."""
    field: str
    reason: str
    outcome: Outcome


class Batch(list[T]):
    """The answers for the items that were kept, in their order, and the ``problems`` of others."""

    def __init__(self, answers: Iterable[T] = (), problems: Sequence[Problem] = ()) -> None:
        super().__init__(answers)
        self.problems = problems


def checked(
    items: Iterable[Any], check: Callable[[Any, str], T], on_error: str = "fail"
) -> tuple[list[T], list[Problem]]:
    """Check every item of a batch.

    Args:
        check: takes an item and the words that stand before the name of a field in an error.

    Raises:
        InputError: names the item and its field, with ``on_error="fail"``.
    """
    validation.choice(on_error, ON_ERROR, "on_error")
    good: list[T] = []
    problems: list[Problem] = []
    for n, item in enumerate(items):
        where = f"item {n}: "
        try:
            good.append(check(item, where))
            continue
        except InputError as error:
            if on_error == "fail":
                raise
            reason = error
        if on_error == "replace":
            try:
                good.append(check(validation.mended(item), where))
                problems.append(problem(n, where, reason, "replaced"))
                continue
            except InputError as error:
                reason = error
        problems.append(problem(n, where, reason, "skipped"))
    return good, problems


def problem(index: int, where: str, error: InputError, outcome: Outcome) -> Problem:
    """Return what was wrong with an item: an error that begins with ``where`` and the name of a field."""
    reason = validation.replaced(str(error).removeprefix(where))
    field = _FIELD.match(reason)
    return Problem(index, field[0] if field else "", reason, outcome)
