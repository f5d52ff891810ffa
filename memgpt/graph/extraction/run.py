"""One run of an extraction: which texts are open, what they would cost, what was answered, and taking it over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Final
from uuid import UUID

from memgpt.database.connection import Connection
from memgpt.errors import ChatError, InputError
from memgpt.graph.entities import Entities
from memgpt.graph.extraction import Reader, Reading, apply
from memgpt.graph.extraction.reader import KEPT, PROMPT, PROMPT_VERSION, request_text
from memgpt.graph.extraction.store import ExtractionStore, Pending
from memgpt.graph.facts import Facts
from memgpt.llm import fences
from memgpt.models import ExtractionFailure, Source
from memgpt.scope.scope import AgentScope

PLANNED: Final = 500
"""Texts counted at a time."""

GUESSED_ANSWER: Final = 200
"""Tokens of an answer, as long as none was measured."""

SHOWN_FAILURES: Final = 20


@dataclass(frozen=True, slots=True)
class Extracted:
    """Progress, or result, of an extraction."""

    texts: int = 0
    """Whose facts are in the graph now."""
    cached: int = 0
    """Of them, those whose answers had been paid for before."""
    failed: int = 0
    entities: int = 0
    """Named in the answers, whether they were new or not."""
    facts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    """US dollars; None when the model's price is unknown."""
    stopped: str | None = None
    """The limit that ended it early."""
    names: int = 0
    """Found by rule, where no model was asked."""
    failures: Sequence[ExtractionFailure] = ()
    """The first of them."""


@dataclass(frozen=True, slots=True)
class ExtractionPlan:
    """Requests of an extraction, before anything is sent."""

    texts: int
    cached: int
    """Of them, those whose answers were paid for already."""
    input_tokens: int
    """Estimated by the embedding model's tokenizer."""
    output_tokens: int
    """From the mean of earlier answers to the same schema; a guess of 200 a text where there are none."""
    cost: float | None
    """US dollars; None when the model's price is unknown."""


class Run:
    """Reads texts with one reader and adds the facts of the answers, or does with them what ``take_over`` does."""

    def __init__(
        self,
        scope: AgentScope,
        entities: Entities,
        facts: Facts,
        reader: Reader,
        take_over: apply.TakeOver | None = None,
    ) -> None:
        self._done_with = take_over or partial(apply.take_over, entities, facts)
        self._scope = scope
        self._reader = reader
        recipe = f"{reader.name}\0{reader.schema.digest}\0{PROMPT_VERSION}"
        self._recipe = UUID(bytes=hashlib.sha256(recipe.encode()).digest()[:16])

    def pages(self, kinds: Sequence[Source], batch: int, failed: bool) -> Iterator[tuple[Source, Sequence[Pending]]]:
        """Yield the texts to be read, in batches of one kind, each as it is when its turn comes."""
        for kind in kinds:
            after = 0
            while texts := self._scope.read(partial(self._pending, kind, after, batch, failed)):
                after = texts[-1].id
                yield kind, texts

    def _pending(self, kind: Source, after: int, batch: int, failed: bool, connection: Connection) -> Sequence[Pending]:
        return self._store(connection).pending(kind, after=after, batch=batch, failed=failed)

    def plan(self, kinds: Sequence[Source], failed: bool) -> ExtractionPlan:
        """Equal texts are sent once."""
        texts = cached = tokens = 0
        asked: set[UUID] = set()
        for _, page in self.pages(kinds, PLANNED, failed):
            missing = {text.hash: text.body for text in page if text.answer is None and text.hash not in asked}
            texts, cached = texts + len(page), cached + len(page) - len(missing)
            tokens += self._input_tokens([*missing.values()])
            asked |= missing.keys()
        answered = (texts - cached) * self._answer_tokens
        return ExtractionPlan(texts, cached, tokens, answered, self._reader.price(tokens, answered))

    def estimate(self, texts: Sequence[Pending]) -> float:
        """US dollars that reading these would cost."""
        missing = {text.hash: text.body for text in texts if text.answer is None}
        tokens = self._input_tokens([*missing.values()])
        return self._reader.price(tokens, len(missing) * self._answer_tokens) or 0.0

    def read(self, kind: Source, texts: Sequence[Pending], concurrency: int, done: Extracted) -> Extracted:
        """Ask for what is not known, keep it, and take over what fits.

        Raises:
            ChatError: the model cannot be used, or answered none of several texts; what came before is kept.
        """
        answers = {text.hash: text.answer for text in texts if text.answer is not None}
        readings = self._asked(kind, texts, answers, concurrency)
        used = readings.values()
        done = replace(
            done,
            input_tokens=done.input_tokens + sum(r.input_tokens for r in used),
            output_tokens=done.output_tokens + sum(r.output_tokens for r in used),
            cost=_sum([done.cost, *(r.cost for r in used)]),
        )
        if used and not answers and all(r.passing for r in used):
            reason = next(iter(used)).reason
            raise ChatError(f"{self._reader.name}: {reason}. {KEPT}")
        return self._take_over(kind, texts, answers, readings, done)

    def _asked(
        self, kind: Source, texts: Sequence[Pending], answers: Mapping[UUID, object], concurrency: int
    ) -> dict[UUID, Reading]:
        """Answers by hash, each kept when it comes, for every text that says the same."""
        missing: dict[UUID, list[Pending]] = {}
        for text in texts:
            if text.hash not in answers:
                missing.setdefault(text.hash, []).append(text)
        groups = [*missing.values()]
        texts_to_send = [_sent(group[0].body) for group in groups]
        readings = {}
        with closing(self._reader.read(texts_to_send, concurrency=concurrency)) as answered:
            for place, reading in answered:
                readings[groups[place][0].hash] = reading
                with self._scope.transaction() as connection:
                    for n, text in enumerate(groups[place]):
                        paid = reading if n == 0 else replace(reading, input_tokens=0, output_tokens=0, cost=0.0)
                        self._store(connection).keep(kind, text, self._reader.name, paid)
        return readings

    def _take_over(
        self,
        kind: Source,
        texts: Sequence[Pending],
        answers: Mapping[UUID, object],
        readings: Mapping[UUID, Reading],
        done: Extracted,
    ) -> Extracted:
        """Add the facts of a batch of answers and mark its texts, in one transaction."""
        failures = []
        usable = []
        for text in texts:
            reading = readings.get(text.hash) or Reading(text.answer, None, 0, 0, 0.0)
            if reading.answer is None:
                failures.append(ExtractionFailure(self._reader.name, kind, text.id, reading.reason or "", 1))
            else:
                usable.append((text, reading))
        self._scope.warm_embedding_cache(apply.texts(self._reader.schema, [r.answer for _, r in usable if r.answer]))
        with self._scope.transaction() as connection:
            store = self._store(connection)
            for text, reading in usable:
                if text.hash in answers:
                    store.keep(kind, text, self._reader.name, reading)
                try:
                    with connection.transaction():
                        if not store.apply(kind, text):
                            continue
                        entities, facts = self._done_with(self._reader.schema, reading.answer or {}, (kind, text.id))
                except InputError as error:
                    store.refuse(kind, text, str(error))
                    failures.append(ExtractionFailure(self._reader.name, kind, text.id, str(error), 1))
                    continue
                done = replace(
                    done,
                    texts=done.texts + 1,
                    cached=done.cached + (text.hash in answers),
                    entities=done.entities + entities,
                    facts=done.facts + facts,
                )
        shown = [*done.failures, *failures][:SHOWN_FAILURES]
        return replace(done, failed=done.failed + len(failures), failures=shown)

    def _input_tokens(self, bodies: Sequence[str]) -> int:
        return sum(self._scope.count_tokens(bodies)) + len(bodies) * self._overhead if bodies else 0

    @cached_property
    def _overhead(self) -> int:
        """Tokens of the prompt and the schema, sent with every text."""
        return sum(self._scope.count_tokens([PROMPT, request_text(self._reader.schema)]))

    @cached_property
    def _answer_tokens(self) -> int:
        spent = self._scope.read(lambda connection: self._store(connection).spent())
        texts, tokens = sum(s.texts for s in spent), sum(s.output_tokens for s in spent)
        return round(tokens / texts) if texts and tokens else GUESSED_ANSWER

    def _store(self, connection: Connection) -> ExtractionStore:
        return ExtractionStore(connection, self._scope.agent_id, self._recipe)


def _sum(costs: Sequence[float | None]) -> float | None:
    priced = [cost for cost in costs if cost is not None]
    return sum(priced) if len(priced) == len(costs) else None


def _sent(body: str) -> str:
    """Format a text for the model: the line that says where it is from, and the text between tags that it cannot
    close."""
    origin, _, text = body.partition("\n")
    return f"{origin}\n<text_to_read>\n{fences.escaped(text)}\n</text_to_read>"
