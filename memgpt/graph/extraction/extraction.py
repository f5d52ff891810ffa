"""Facts taken from texts by a model, with a schema of the user's: batched, cached, resumable, and accounted for.

What the model answers is kept the moment it comes, so it is paid for once; what a batch of answers says is added,
and its texts marked, in one transaction. A text without a usable answer is kept with the reason, to be tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from pydantic import BaseModel

from memgpt import validation
from memgpt.errors import InputError
from memgpt.graph.entities import Entities
from memgpt.graph.extraction import Knowledge, Reader, Schema
from memgpt.graph.extraction.apply import TakeOver
from memgpt.graph.extraction.run import Extracted, ExtractionPlan, Run
from memgpt.graph.extraction.store import ExtractionStore
from memgpt.graph.facts import Facts
from memgpt.graph.mentions import Mentions
from memgpt.models import SOURCES, ExtractionFailure, ExtractionSpent, Source
from memgpt.scope.scope import AgentScope

BATCH: Final = 20
CONCURRENCY: Final = 4


class Extraction:
    """Facts from one agent's texts."""

    def __init__(self, scope: AgentScope, entities: Entities, facts: Facts, mentions: Mentions) -> None:
        self._scope = scope
        self._entities = entities
        self._facts = facts
        self._mentions = mentions

    def extract(
        self,
        model: str | None = None,
        schema: type[BaseModel] = Knowledge,
        *,
        kinds: Sequence[Source] = SOURCES,
        batch: int = BATCH,
        concurrency: int = CONCURRENCY,
        max_items: int | None = None,
        max_cost: float | None = None,
        failed: bool = True,
        take_over: TakeOver | None = None,
        on_progress: Callable[[Extracted], None] | None = None,
    ) -> Extracted:
        """Take facts from the texts that this model and schema have not read as they are now.

        Without a ``model`` no fact is added: the names in the texts are taken by rule (``link``), and what is named
        together can be asked for (``named_with``). With one, such as ``openai:gpt-5-mini``, each text is one request,
        and the facts of the answer are added with the text as their provenance. Facts of a text that changed stay
        until they are contradicted or retracted.

        Args:
            schema: a Pydantic class of lists of entities and facts; see :mod:`memgpt.graph.extraction.schema`.
            kinds: which texts: archival memories, messages of people and of the agent, chunks.
            batch: texts whose facts are committed together.
            concurrency: requests under way at once.
            max_items: most texts to take.
            max_cost: US dollars; nothing more is sent once what comes next would exceed them by its estimate.
            failed: try texts again that have failed before.
            take_over: what is done with an answer instead of adding its facts, in the transaction that marks its text
                as read; :mod:`memgpt.sleep` proposes it.

        Raises:
            ChatError: the model cannot be used; what was done is kept, and the same call goes on from there.
            InputError: the schema is none, or ``max_cost`` was given for a model without a known price.
        """
        if model is None:
            linked = self._mentions.link()
            return Extracted(texts=linked.texts, names=linked.mentions)
        wanted = _kinds(kinds)
        validation.limit(batch, "batch")
        validation.limit(concurrency, "concurrency")
        left = None if max_items is None else validation.limit(max_items, "max_items")
        with self._reader(model, schema) as reader:
            if max_cost is not None and reader.price(1, 1) is None:
                raise InputError(f"the price of {model} is not known, so max_cost cannot be kept: give max_items")
            run, done = Run(self._scope, self._entities, self._facts, reader, take_over), Extracted()
            for kind, page in run.pages(wanted, batch, failed):
                texts = page[:left]
                if not texts:
                    return replace(done, stopped="max_items")
                if max_cost is not None and (done.cost or 0.0) + run.estimate(texts) > max_cost:
                    return replace(done, stopped="max_cost")
                done = run.read(kind, texts, concurrency, done)
                left = None if left is None else left - len(texts)
                if on_progress is not None:
                    on_progress(done)
        return done

    def plan_extraction(
        self,
        model: str,
        schema: type[BaseModel] = Knowledge,
        *,
        kinds: Sequence[Source] = SOURCES,
        failed: bool = True,
    ) -> ExtractionPlan:
        """Return how many texts :meth:`extract` would send, and about what that would cost. Nothing is sent."""
        with self._reader(model, schema) as reader:
            return Run(self._scope, self._entities, self._facts, reader).plan(_kinds(kinds), failed)

    def extraction_spent(self) -> Sequence[ExtractionSpent]:
        """Return what each model was paid for reading this agent's texts, and what became of its answers."""
        return self._scope.read(lambda c: ExtractionStore(c, self._scope.agent_id, None).spent())

    def extraction_failures(self, *, limit: int = 50) -> Sequence[ExtractionFailure]:
        """List texts without a usable answer, and why; the latest first."""
        limit = validation.limit(limit)
        return self._scope.read(lambda c: ExtractionStore(c, self._scope.agent_id, None).failed(limit=limit))

    def _reader(self, model: str, schema: type[BaseModel]) -> Reader:
        options = self._scope.options
        key = options.chat_api_key
        wanted = Schema(schema)
        return Reader(model, wanted, base_url=options.chat_base_url, api_key=key.get_secret_value() if key else None)


def _kinds(kinds: Sequence[str]) -> Sequence[Source]:
    chosen = [validation.choice(kind, SOURCES, "kinds") for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return [kind for kind in SOURCES if kind in chosen]
