"""``make wheel``: sdist, wheel from the sdist, installed elsewhere, migrates an empty database and remembers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        run(sys.executable, "-m", "build", "--sdist", "--outdir", place, ".", cwd=ROOT)
        sdist = next(place.glob("memgpt_postgres-*.tar.gz"))
        shutil.unpack_archive(sdist, place / "source")
        source = next((place / "source").iterdir())
        run(sys.executable, "-m", "build", "--wheel", "--outdir", place, ".", cwd=source)
        wheel = next(place.glob("memgpt_postgres-*.whl"))
        check_contents(wheel)
        elsewhere = place / "elsewhere"
        venv.create(elsewhere, with_pip=True)
        python = elsewhere / "bin" / "python"
        run(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel, cwd=place)
        env = {"MEMGPT_DATA_DIR": str(place / "data")}
        for setting in ("DATABASE_URL", "PGHOST", "PGSERVICE", "PYTHONPATH"):
            os.environ.pop(setting, None)
        run(elsewhere / "bin" / "memgpt", "db", "migrate", cwd=place, env=env)
        run(elsewhere / "bin" / "memgpt", "db", "verify", cwd=place, env=env)
        found = run(python, "-c", REMEMBER, cwd=place, env=env)
        if "Oslo" not in found:
            sys.exit(f"the installed wheel did not find what it remembered: {found!r}")
        print(f"{wheel.name}: built from the sdist, installed elsewhere, migrated an empty database, remembered")


REMEMBER = """
from memgpt import Memory
with Memory("wheel") as memory:
    memory.remember("The flight to Oslo leaves on 3 May.")
    print(memory.search("when does the flight leave?")[0].text)
"""


def check_contents(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    if packages != {"memgpt"}:
        sys.exit(f"the wheel holds {sorted(packages)}, expected memgpt only")
    console = ROOT / "memgpt" / "server" / "console"
    pages = [path for room in ("templates", "static") for path in (console / room).iterdir()]
    vendored = [path for path in ROOT.glob("memgpt/server/*/vendor/*") if path.is_file()]
    if os.environ.get("CI") == "true" and not vendored:
        sys.exit("the libraries of vendor.toml are not here: run `make vendor`")
    documentation = [path for path in (ROOT / "memgpt/server/api/documentation").iterdir() if path.is_file()]
    for path in (*pages, *documentation, *vendored, console / "texts.toml"):
        if path.relative_to(ROOT).as_posix() not in names:
            sys.exit(f"the wheel lacks {path.relative_to(ROOT)}")
    licences = {Path(name).name for name in names if ".dist-info/licenses/" in name}
    if missing := {path.name for path in vendored if path.name.startswith("LICENSE")} - licences:
        sys.exit(f"the wheel lacks the licences {sorted(missing)}")
    for path in sorted((ROOT / "database" / "migrations").glob("*.sql")):
        if f"memgpt/database/migrations/{path.name}" not in names:
            sys.exit(f"the wheel lacks {path.name}")


if __name__ == "__main__":
    main()
