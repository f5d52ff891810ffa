"""Long statements: split once, with numbers for their parameters."""

from __future__ import annotations

import numpy as np
import pytest

from memgpt.database.queries import numbered
from memgpt.search.ranking.words import _product
from memgpt.search.store import compose


def test_parameters_get_numbers_in_the_order_of_their_first_place() -> None:
    statement = b"SELECT %(b)s::text, %(a)s::text, %(b)s::text WHERE 5 %% 2 = 1"
    assert numbered(statement) == b"SELECT $1::text, $2::text, $1::text WHERE 5 % 2 = 1"
    assert numbered(statement).names == ("b", "a")
    assert numbered(statement).named == statement


def test_a_search_is_split_once() -> None:
    statement = compose("ranked", ("archival", "message", "chunk", "fact"), False, code="bit")
    assert len(statement) > 4096, "psycopg remembers shorter ones itself"
    text = numbered(statement)
    assert b"%(" not in text
    assert len(text.names) == len(set(text.names))
    assert numbered(statement) is text


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (5000, 12), (3, 4000)])
def test_a_product_in_pieces_is_the_product(rows: int, columns: int) -> None:
    random = np.random.default_rng(1)
    left = random.standard_normal((rows, 64)).astype(np.float32)
    right = random.standard_normal((64, columns)).astype(np.float32)
    assert np.allclose(_product(left, right), left @ right, atol=1e-4)
