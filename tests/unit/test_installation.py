"""The distribution `memgpt-postgres`, beside another project's `memgpt`."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from memgpt.errors import MissingExtraError

ROOT = Path(__file__).parents[2]
OLD_FORM = re.compile(
    r"memgpt\[[\w{,-]"  # an extra of the wrong distribution
    r"|\b(?:pip3?|pipx|uv|conda|poetry|pdm)\b[^\n|`]*\b(?:install|add|run|inject)\b[^\n|`]*[\s'\"]memgpt(?![\w./-])"
    r"|\b(?:uvx|--with|--from)\s+memgpt(?![\w./-])"
    r"|(?:version|distribution|requires|metadata)\(['\"]memgpt['\"]\)"
)
BESIDE_NOTHING = {"autogen", "crewai"}
"""Extras whose kits need other versions of what other extras need, so that ``all`` is without them."""
OF_THE_STRANGER = ("memgpt/installation.py", "tests/unit/test_installation.py")


@pytest.mark.parametrize(
    "line",
    [
        "pip install memgpt",
        "pip install -U 'memgpt[graph]'",
        "python -m pip install --quiet memgpt",
        "uvx memgpt search",
        "uv add memgpt",
        "pipx run memgpt",
        "`memgpt[openai]`",
        'version("memgpt")',
    ],
)
def test_the_old_form_is_recognised(line: str) -> None:
    assert OLD_FORM.search(line)
    assert not OLD_FORM.search(line.replace("memgpt", "memgpt-postgres"))


def test_no_file_tells_to_install_the_strangers_distribution() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    files = [path for path in tracked if (ROOT / path).is_file() and path not in OF_THE_STRANGER]
    if not files:
        pytest.skip("not a clone of the repository")
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate((ROOT / path).read_text(errors="replace").splitlines(), 1)
        if OLD_FORM.search(line)
    ]
    assert found == []


def test_the_names_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == "memgpt-postgres"
    assert project["scripts"] == {"memgpt": "memgpt.__main__:main", "memgpt-postgres": "memgpt.__main__:main"}
    [everything] = project["optional-dependencies"]["all"]
    extras = set(project["optional-dependencies"]) - {"all"} - BESIDE_NOTHING
    assert everything.startswith("memgpt-postgres[")
    assert set(everything[len("memgpt-postgres[") : -1].split(",")) == extras


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(place), str(ROOT)]
    subprocess.run(pip, check=True, capture_output=True, timeout=250)
    return next(place.glob("memgpt_postgres-*.whl"))


@pytest.fixture
def site(wheel: Path, tmp_path: Path) -> Path:
    """A directory with ours installed in it."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    return tmp_path / "site"


def install_stranger(site: Path, files: dict[str, str]) -> None:
    """Install another project's distribution `memgpt` as pip does: what has the same name is overwritten."""
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    about = site / "memgpt-9.9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: memgpt\nVersion: 9.9\n")


def launch(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command of the installed distribution as its script does."""
    path = f"[{str(site)!r}, *(entry for entry in sys.path if entry not in ('', {str(ROOT)!r}))]"
    program = f"import sys; sys.path = {path}; from memgpt.__main__ import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=site, capture_output=True, text=True, timeout=60, check=False
    )


def test_alone_nothing_is_said(site: Path) -> None:
    done = launch(site, "--version")
    assert (done.stdout.split()[0], done.stderr, done.returncode) == ("memgpt-postgres", "", 0)


def test_a_stranger_beside_it_is_named_by_every_command(site: Path) -> None:
    install_stranger(site, {})
    done = launch(site, "--help")
    assert done.returncode == 0
    assert re.match(r"warning: the distribution 'memgpt' 9\.9, .* pip uninstall memgpt, then pip install", done.stderr)
    assert "'memgpt' 9.9" in launch(site, "--version").stderr


def test_files_that_a_stranger_overwrote_are_refused_and_named(site: Path) -> None:
    install_stranger(site, {"memgpt/__init__.py": "", "memgpt/cli/__init__.py": "def main():\n    print('not ours')\n"})
    done = launch(site, "stats")
    assert (done.returncode, done.stdout) == (1, "")
    assert "'memgpt' 9.9" in done.stderr
    assert "2 files of memgpt-postgres are not its own or are missing, memgpt/__init__.py, memgpt/cli/__init__.py" in (
        done.stderr
    )


def test_files_that_went_with_a_stranger_are_missed(site: Path) -> None:
    for name in ("memgpt/__init__.py", "memgpt/cli/__init__.py"):
        (site / name).unlink()
    done = launch(site, "stats")
    assert done.returncode == 1
    assert "pip install --force-reinstall --no-deps memgpt-postgres" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_extra_names_ours_and_the_stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = str(MissingExtraError("networkx", "graph", "exporting"))
    assert alone == "exporting needs the package 'networkx': pip install 'memgpt-postgres[graph]'"
    install_stranger(tmp_path, {})
    monkeypatch.syspath_prepend(tmp_path)
    beside = str(MissingExtraError("networkx", "graph", "exporting"))
    assert beside.startswith(alone)
    assert "the distribution 'memgpt' 9.9" in beside


def test_doctor_finds_the_stranger(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from memgpt.reembed import doctor

    def findings() -> list[doctor.Finding]:
        return [finding for finding in doctor.examine(dsn) if finding.check == "installation"]

    assert [finding.level for finding in findings()] == ["ok"]
    install_stranger(tmp_path, {})
    monkeypatch.syspath_prepend(tmp_path)
    [finding] = findings()
    assert finding.level == "problem"
    assert "'memgpt' 9.9" in finding.message
    assert finding.action.startswith("pip uninstall memgpt")
