"""What is in `deploy/`, as far as it can be run without a container engine."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from memgpt.config import Settings
from tests.conftest import free_port, wait_for_port

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROGRAM = [sys.executable, "-c", "from memgpt.cli import main; main()"]


def container_file() -> list[tuple[str, str]]:
    """Its instructions, with continued lines joined."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def compose() -> dict[str, Any]:
    text = (DEPLOY / "compose.yaml").read_text()
    return yaml.safe_load(re.sub(r"\$\{POSTGRES_PASSWORD:\?[^}]*\}", "s3cret", text))  # type: ignore[no-any-return]


def serve(command: list[str], environment: dict[str, str], port: int, working: Path) -> subprocess.Popen[bytes]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("MEMGPT_", "PG", "DATABASE_"))}
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        env=known | {"PYTHONPATH": str(ROOT)} | environment,
        cwd=working,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for_port(port, process)
    return process


def test_the_image_holds_what_its_build_needs(tmp_path: Path) -> None:
    """Every COPY of the build stage exists and is enough: what is built of it has the program and the SQL."""
    for word, rest in container_file():
        if word == "COPY" and not rest.startswith("--from"):
            *sources, target = rest.split()
            for source in sources:
                there = ROOT / source
                if there.is_dir():
                    shutil.copytree(there, tmp_path / target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(there, tmp_path / target)
    [install] = [rest for word, rest in container_file() if word == "RUN" and rest.startswith("pip install")]
    assert install.endswith("'.[server]'")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "installed"), "."]
    subprocess.run(pip, check=True, cwd=tmp_path, capture_output=True, timeout=280)
    installed = tmp_path / "installed" / "memgpt"
    assert (installed / "cli" / "serve.py").is_file()
    assert (installed / "database" / "migrations" / "001_initial_schema.sql").is_file()
    assert not (installed / ".." / "tests").exists()


def test_the_entry_point_and_its_health_check(dsn: str, tmp_path: Path) -> None:
    instructions = dict(container_file())
    command = yaml.safe_load(instructions["ENTRYPOINT"])
    assert command[0] == "memgpt"
    port = free_port()
    process = serve([*PROGRAM, *command[1:]], {"DATABASE_URL": dsn}, port, tmp_path)
    try:
        check = yaml.safe_load(instructions["HEALTHCHECK"].partition("CMD")[2])
        probe = [sys.executable, *check[1:-1], check[-1].replace(instructions["EXPOSE"], str(port))]
        subprocess.run(probe, check=True, timeout=60)
        process.terminate()
        printed, _ = process.communicate(timeout=60)
        assert re.search(rb"^memgpt_\S+$", printed, re.MULTILINE), "the first key is printed"
    finally:
        process.kill()
    assert subprocess.run(probe, check=False, capture_output=True).returncode != 0


def test_the_environment_of_compose_serves_through_pgbouncer(pooled_dsn: str, tmp_path: Path) -> None:
    services = compose()["services"]
    environment = services["memgpt"]["environment"]
    assert set(environment) - {"DATABASE_URL"} <= {f"MEMGPT_{name.upper()}" for name in Settings.model_fields}
    address = conninfo_to_dict(environment["DATABASE_URL"])
    bouncer, postgres = services["pgbouncer"]["environment"], services["postgres"]["environment"]
    assert (address["host"], address["dbname"], address["user"]) == (
        "pgbouncer",
        bouncer["DB_NAME"],
        bouncer["DB_USER"],
    )
    assert address["password"] == bouncer["DB_PASSWORD"] == postgres["POSTGRES_PASSWORD"]
    assert postgres["POSTGRES_DB"] == bouncer["DB_NAME"]
    assert bouncer["POOL_MODE"] == "transaction"
    assert int(environment["MEMGPT_POOL_SIZE"]) <= int(bouncer["DEFAULT_POOL_SIZE"])
    assert services["memgpt"]["ports"] == ["127.0.0.1:8283:8283"]
    build = services["memgpt"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    port = free_port()
    given = {name: str(value) for name, value in environment.items()} | {"DATABASE_URL": make_conninfo(pooled_dsn)}
    process = serve([*PROGRAM, "serve", "--no-auth"], given, port, tmp_path)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            assert client.get("/health/ready").status_code == 200
            for n in range(12):  # more than the threshold at which psycopg would prepare
                kept = client.post(f"/v1/agents/ann-{n % 2}/archival-memory", json={"text": f"note {n}"})
                assert kept.status_code == 201
                found = client.post(f"/v1/agents/ann-{n % 2}/search", json={"query": "note"}).json()
                assert {hit["text"] for hit in found} == {f"note {m}" for m in range(n % 2, n + 1, 2)}
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode in (0, -15)


def test_the_unit_of_systemd(tmp_path: Path) -> None:
    unit = (DEPLOY / "memgpt.service").read_text()
    [start] = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    assert shlex.split(start)[1:] == ["serve"]
    for name in re.findall(r"^Environment=(\w+)=", unit, re.MULTILINE):
        assert name.removeprefix("MEMGPT_").lower() in Settings.model_fields
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on PATH")
    program = tmp_path / "memgpt"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    written = tmp_path / "memgpt.service"
    written.write_text(unit.replace(start, f"{program} serve"))
    said = subprocess.run(
        ["systemd-analyze", "verify", written], check=False, capture_output=True, text=True, timeout=60
    )
    ours = [line for line in said.stderr.splitlines() if "memgpt" in line]
    assert ours == []
