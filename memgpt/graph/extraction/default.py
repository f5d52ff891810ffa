"""The default schema: named things of a few types, and facts of any type."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

Date = Annotated[str, StringConstraints(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")]
"""A year, a month or a day: ``2024``, ``2024-05``, ``2024-05-31``."""


class NamedEntity(BaseModel):
    """A thing with a name of its own."""

    name: str = Field(description="The fullest name the text gives it.")
    type: Literal["person", "organisation", "place", "event", "work", "product", "concept"]
    aliases: list[str] = Field(default=[], description="Other names the text gives it; no pronouns.")
    description: str = Field(default="", description="What the text says it is, in a few words.")


class StatedFact(BaseModel):
    """Fact that the text states: neither what it denies nor what it only supposes."""

    source: str = Field(description="The name of the thing it is said of.")
    type: str = Field(description="A verb phrase in snake_case, such as works_at or born_in.", max_length=60)
    target: str = Field(description="The name of the other thing.")
    fact: str = Field(description="The fact as a sentence that can be understood alone.")
    valid_from: Date | None = Field(default=None, description="Since when it is true, if the text says so.")
    valid_to: Date | None = Field(default=None, description="Until when it was true, if the text says so.")


class Knowledge(BaseModel):
    """Content of one text."""

    entities: list[NamedEntity] = []
    facts: list[StatedFact] = []
