"""The embedding columns follow the configured model while nothing is stored in them."""

from __future__ import annotations

import psycopg
import pytest

from memgpt.database.admin import migrate, verify
from memgpt.database.admin.migrate import ModelSpec
from memgpt.database.codes import code_type
from memgpt.database.dimensions import TABLES, column
from memgpt.errors import MigrationError


def columns(dsn: str) -> set[tuple[str, str, str]]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            """
            SELECT format_type(e.atttypid, e.atttypmod), e.attstorage::text, format_type(b.atttypid, b.atttypmod)
            FROM unnest(%s::text[]) AS t
            JOIN pg_attribute e ON e.attrelid = t::regclass AND e.attname = 'embedding'
            JOIN pg_attribute b ON b.attrelid = t::regclass AND b.attname = 'embedding_code'
            """,
            [list(TABLES)],
        ).fetchall()
    return set(rows)


def ivfflat(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%lists=''200''%'").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    ("dimensions", "kind", "storage", "indexes"),
    [(64, "vector", "p", 2), (1024, "vector", "p", 2), (1536, "vector", "p", 2), (2000, "vector", "e", 2),
     (3072, "halfvec", "p", 2), (4000, "halfvec", "e", 2), (4096, "vector", "e", 0)],
)  # fmt: skip
def test_columns_fit_the_model(empty_dsn: str, dimensions: int, kind: str, storage: str, indexes: int) -> None:
    model = ModelSpec("m", dimensions)
    report = migrate.apply(empty_dsn, model=model)
    assert report.sizing is not None
    assert report.sizing.resize == (dimensions != 1536)
    assert columns(empty_dsn) == {(f"{kind}({dimensions})", storage, f"{code_type(dimensions)}({dimensions})")}
    assert ivfflat(empty_dsn) == indexes
    assert migrate.status(empty_dsn).model == model
    assert migrate.apply(empty_dsn, model=model).sizing is None
    assert verify.verify(empty_dsn).drifts == ()


def test_an_empty_memory_may_change_its_mind(empty_dsn: str) -> None:
    for dimensions in (256, 4096, 3072, 1536):
        migrate.apply(empty_dsn, model=ModelSpec("m", dimensions))
        assert columns(empty_dsn) == {
            (
                f"{column(dimensions).type}({dimensions})",
                column(dimensions).storage[0].lower(),
                f"{code_type(dimensions)}({dimensions})",
            )
        }
        assert verify.verify(empty_dsn).drifts == ()


def test_stored_vectors_are_never_resized(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO conversations (agent_id, role, embedding) "
            "VALUES ('a', 'user', array_fill(1, ARRAY[256])::vector)"
        )
    with pytest.raises(MigrationError, match=r"256 dimensions.*wordllama.*memgpt reembed --to other"):
        migrate.apply(dsn, model=ModelSpec("other", 384))
    assert columns(dsn) == {("vector(256)", "p", "halfvec(256)")}
    migrate.apply(dsn, model=ModelSpec("other", 256))
    status = migrate.status(dsn)
    assert status.model is not None
    assert status.model.name == "wordllama-l2-supercat-256"  # its vectors are still those that are stored


def test_a_refusal_comes_before_anything_is_applied(empty_dsn: str) -> None:
    migrate.apply(empty_dsn, target="3")
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO conversations (agent_id, role, embedding) "
            "VALUES ('a', 'user', array_fill(1, ARRAY[1536])::vector)"
        )
    with pytest.raises(MigrationError, match="1536 dimensions"):
        migrate.apply(empty_dsn, model=ModelSpec("other", 256))
    assert migrate.status(empty_dsn).pending == len(migrate.discover()) - 3
