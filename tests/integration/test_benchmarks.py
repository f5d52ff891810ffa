"""Every benchmark can be loaded, and those that are quick run at their smallest size and end with their ratios."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import benchmarks

MODULES = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
QUICK = ("claims", "graph", "search", "writes")


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_can_be_loaded(name: str) -> None:
    if name == "report":
        pytest.importorskip("matplotlib")
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
