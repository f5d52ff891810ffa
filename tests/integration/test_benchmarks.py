"""Every benchmark can be loaded, and those that are quick run at their smallest size and end with their ratios."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

import benchmarks

MODULES = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
QUICK = ("agent", "agents", "claims", "graph", "isolation", "search", "writes")


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_can_be_loaded(name: str) -> None:
    importlib.import_module(f"benchmarks.{name}")


@pytest.mark.parametrize("name", QUICK)
def test_a_benchmark_runs_at_its_smallest_size(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr("sys.argv", [name, "--tiny"])
    module.main()
    printed = capsys.readouterr().out
    assert "| --- |" in printed
    assert printed.splitlines()[-1].endswith(".")


def test_the_floor_of_the_peers_stores_and_finds_over_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import peers

    monkeypatch.setattr("sys.argv", ["peers", "--tiny", "--only", "psycopg"])
    peers.main()
    printed = capsys.readouterr().out
    assert "has not got through" not in printed
    assert "| bare psycopg | 1.000 | 1.000 | 0 | 0 / 0 |" in printed


def test_a_peer_that_cannot_be_installed_is_reported_as_that(tmp_path: Path) -> None:
    from benchmarks.running import Failed, Peer, environment

    with pytest.raises(Failed, match="could not be installed"):
        environment(Peer("nobody", ("no such requirement",)), tmp_path)
