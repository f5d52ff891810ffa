"""What the targets of the Makefile install, and what they show of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pexpect
import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not on PATH")


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment whose Python says how it is called, and does nothing."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho "quiet=$PIP_QUIET: $*"\n')
    for name in ("python", "ruff", "vulture"):
        (python.parent / name).write_text(python.read_text())
        (python.parent / name).chmod(0o755)
    return tmp_path


def calls(environment: Path, target: str) -> list[str]:
    make = ["make", "-s", "-C", str(ROOT), target, f"VENV={environment}"]
    done = subprocess.run(make, check=True, capture_output=True, text=True, timeout=60)
    return [line for line in done.stdout.splitlines() if line.startswith("quiet=")]


def test_the_demo_installs_the_package_and_nothing_else(environment: Path) -> None:
    install, demo = calls(environment, "demo")
    assert install == "quiet=1: -m pip install --constraint constraints.txt --editable ."
    assert demo.endswith("examples/demo.py")
    assert len(calls(environment, "demo")) == 1, "it is installed once"


def test_tests_add_to_what_the_demo_installed(environment: Path) -> None:
    calls(environment, "demo")
    upgrade, install, *_ = calls(environment, "lint")
    assert upgrade.endswith("--upgrade pip")
    assert "--group dev" in install
    assert "--editable .[documents," in install
    assert len(calls(environment, "demo")) == 1, "the demo needs nothing more then"


def test_a_terminal_sees_pips_progress(environment: Path) -> None:
    output = pexpect.run(f"make -s -C {ROOT} demo VENV={environment}", timeout=60).decode()
    assert "quiet=: -m pip install" in output
