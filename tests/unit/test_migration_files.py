"""The rules for migration files."""

from __future__ import annotations

from pathlib import Path

import pytest

from memgpt.database.admin.migration import discover, find
from memgpt.errors import MigrationError


def put(directory: Path, name: str, *, up: bool = True, down: bool = True, records: bool = True) -> None:
    text = f"BEGIN; SELECT '{name}'; COMMIT;\n" if records else "SELECT 1;\n"
    if up:
        (directory / f"{name}.sql").write_text(text)
    if down:
        (directory / f"{name}.down.sql").write_text(text)


def test_files_come_in_order(tmp_path: Path) -> None:
    for name in ("002_b", "001_a", "003_c"):
        put(tmp_path, name)
    (tmp_path / "README.md").write_text("")
    assert [m.name for m in discover(tmp_path)] == ["001_a", "002_b", "003_c"]


def test_the_line_ending_is_not_an_edit(tmp_path: Path) -> None:
    put(tmp_path, "001_a")
    checksum = discover(tmp_path)[0].checksum
    file = tmp_path / "001_a.sql"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert discover(tmp_path)[0].checksum == checksum
    file.write_text(file.read_text() + "-- more\n")
    assert discover(tmp_path)[0].checksum != checksum


def test_a_gap_is_named(tmp_path: Path) -> None:
    put(tmp_path, "001_a")
    put(tmp_path, "003_c")
    with pytest.raises(MigrationError, match=r"migration 002 is missing.*003_c"):
        discover(tmp_path)


def test_two_files_of_one_number_are_named(tmp_path: Path) -> None:
    for name in ("001_a", "002_b", "002_c"):
        put(tmp_path, name)
    with pytest.raises(MigrationError, match=r"002_b\.sql and 002_c\.sql have one number"):
        discover(tmp_path)


def test_incomplete_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="no migration files"):
        discover(tmp_path)
    put(tmp_path, "001_a", down=False)
    with pytest.raises(MigrationError, match=r"001_a\.down\.sql is missing"):
        discover(tmp_path)
    put(tmp_path, "001_a")
    put(tmp_path, "002_b", up=False)
    with pytest.raises(MigrationError, match=r"002_b\.sql is missing"):
        discover(tmp_path)
    put(tmp_path, "002_b", records=False)
    with pytest.raises(MigrationError, match=r"002_b.*schema_migrations"):
        discover(tmp_path)


@pytest.mark.parametrize("word", ["2", "002", "002_optimize_indexes"])
def test_a_target_may_be_a_number_or_a_name(word: str) -> None:
    assert find(discover(), word).name == "002_optimize_indexes"


def test_an_unknown_target_is_named() -> None:
    with pytest.raises(MigrationError, match="no migration '99'"):
        find(discover(), "99")
