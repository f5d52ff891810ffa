"""The knowledge graph of one agent: a facade over its parts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from memgpt.graph.entities import Entities
from memgpt.graph.extraction.extraction import Extraction
from memgpt.graph.facts import Facts
from memgpt.graph.mentions import Mentions
from memgpt.graph.merging import Merging
from memgpt.graph.traversal import Traversal
from memgpt.scope.scope import AgentScope

P = ParamSpec("P")
R = TypeVar("R")


def _delegate(part: str, method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Graph, P], R]:
    """Return a method of the facade that calls one of a part, with its signature and its documentation."""

    @wraps(method)
    def delegated(graph: Graph, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return method(getattr(graph, part), *args, **kwargs)

    return delegated


class Graph:
    """The entities and facts of one agent, and walks over them."""

    def __init__(self, scope: AgentScope) -> None:
        self._scope = scope
        self._entities = Entities(scope)
        self._facts = Facts(scope, self._entities)
        self._mentions = Mentions(scope)
        self._merging = Merging(scope, self._entities)
        self._extraction = Extraction(scope, self._entities, self._facts, self._mentions)
        self._traversal = Traversal(scope, self._entities)

    def transaction(self) -> AbstractContextManager[Any]:
        """Commit everything this thread writes inside together, or not at all."""
        return self._scope.transaction()

    add_entity = _delegate("_entities", Entities.add_entity)
    get = _delegate("_entities", Entities.get)
    find = _delegate("_entities", Entities.find)
    names = _delegate("_entities", Entities.names)
    list = _delegate("_entities", Entities.list)
    update = _delegate("_entities", Entities.update)
    delete = _delegate("_entities", Entities.delete)

    add_fact = _delegate("_facts", Facts.add_fact)
    fact = _delegate("_facts", Facts.fact)
    facts = _delegate("_facts", Facts.facts)
    retract_fact = _delegate("_facts", Facts.retract_fact)
    end = _delegate("_facts", Facts.end)
    delete_fact = _delegate("_facts", Facts.delete_fact)
    declare_functional = _delegate("_facts", Facts.declare_functional)
    functional_types = _delegate("_facts", Facts.functional_types)

    neighbours = _delegate("_traversal", Traversal.neighbours)
    within = _delegate("_traversal", Traversal.within)
    around = _delegate("_traversal", Traversal.around)
    about = _delegate("_traversal", Traversal.about)
    path = _delegate("_traversal", Traversal.path)
    rank = _delegate("_traversal", Traversal.rank)
    overview = _delegate("_traversal", Traversal.overview)

    link = _delegate("_mentions", Mentions.link)
    named_with = _delegate("_mentions", Mentions.named_with)
    texts_naming = _delegate("_mentions", Mentions.texts_naming)
    texts_behind = _delegate("_mentions", Mentions.texts_behind)

    propose_merges = _delegate("_merging", Merging.propose_merges)
    merge = _delegate("_merging", Merging.merge)

    extract = _delegate("_extraction", Extraction.extract)
    plan_extraction = _delegate("_extraction", Extraction.plan_extraction)
    extraction_spent = _delegate("_extraction", Extraction.extraction_spent)
    extraction_failures = _delegate("_extraction", Extraction.extraction_failures)
