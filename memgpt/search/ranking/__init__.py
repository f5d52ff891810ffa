"""Order what a search found by everything that is known about it: words, meaning, conversation, people and time.

One statement brings a few hundred candidates with the raw material (:class:`Candidate`); :func:`rank` turns it into
a small matrix of features and applies one linear model that ships as data (``weights.json``, made by
``benchmarks/learn_ranking.py``). A feature whose material is missing (no session, no names, no dates, no vectors) is
zero for everybody and so has no say: on plain text what remains is BM25, soft word matching and the cosine.
"""

from __future__ import annotations

from memgpt.search.ranking.candidates import Candidate, Statistics
from memgpt.search.ranking.features import FEATURES
from memgpt.search.ranking.model import Model, Ranked, packaged_model, rank
from memgpt.search.ranking.query import Query, analyse
from memgpt.search.ranking.words import SoftMatcher, WordTable

__all__ = [
    "FEATURES",
    "Candidate",
    "Model",
    "Query",
    "Ranked",
    "SoftMatcher",
    "Statistics",
    "WordTable",
    "analyse",
    "packaged_model",
    "rank",
]
