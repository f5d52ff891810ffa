"""What is in `deploy/`, as far as it can be run without a container engine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from memgpt.cli.operator.serving import bound
from memgpt.config import Settings
from memgpt.database.admin import backup, migrate
from memgpt.jobs import queue
from memgpt.server.service import Caller
from tests.conftest import MODEL, Server, free_port, start_server, wait_for_port
from tests.conftest import PASSWORD as SERVER_PASSWORD
from tests.service.conftest import service_on

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PASSWORD = "s3cret/of:the@owner"
PROGRAM = [sys.executable, "-c", "from memgpt.cli import main; main()"]


def container_file() -> list[tuple[str, str]]:
    """Its instructions, with continued lines joined."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def compose() -> dict[str, Any]:
    text = (DEPLOY / "compose.yaml").read_text()
    secrets = {"POSTGRES_PASSWORD": "s3cret", "OWNER_PASSWORD": PASSWORD}
    return yaml.safe_load(re.sub(r"\$\{(\w+):\?[^}]*\}", lambda m: secrets[m[1]], text))  # type: ignore[no-any-return]


def own_environment(given: dict[str, str]) -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("MEMGPT_", "PG", "DATABASE_"))}
    return known | {"PYTHONPATH": str(ROOT)} | given


def serve(command: list[str], environment: dict[str, str], port: int, working: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        env=own_environment(environment),
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
    assert install.endswith("--constraint constraints.txt '.[server]'")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "installed"), "."]
    subprocess.run(pip, check=True, cwd=tmp_path, capture_output=True, timeout=280)
    installed = tmp_path / "installed" / "memgpt"
    assert (installed / "cli" / "operator" / "serve.py").is_file()
    assert (installed / "database" / "migrations" / "001_initial_schema.sql").is_file()
    assert not (installed / ".." / "tests").exists()


def test_the_entry_point_and_its_health_check(dsn: str, tmp_path: Path) -> None:
    instructions = dict(container_file())
    command = yaml.safe_load(instructions["ENTRYPOINT"])
    assert command[0] == "memgpt"
    port = free_port()
    state = tmp_path / "state"
    process = serve([*PROGRAM, *command[1:]], {"DATABASE_URL": dsn, "MEMGPT_DATA_DIR": str(state)}, port, tmp_path)
    try:
        check = yaml.safe_load(instructions["HEALTHCHECK"].partition("CMD")[2])
        probe = [sys.executable, *check[1:-1], check[-1].replace(instructions["EXPOSE"], str(port))]
        assert (
            httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=60).status_code == 200
        )  # the first may take long
        subprocess.run(probe, check=True, timeout=60)
        process.terminate()
        printed, logged = process.communicate(timeout=60)
        [key_file] = state.iterdir()
        key = key_file.read_text().strip()
        assert re.fullmatch(r"memgpt_\S+", key)
        assert key_file.stat().st_mode & 0o777 == 0o600
        assert key.encode() not in printed + logged, "what is printed ends in a journal"
        assert str(key_file).encode() in logged
    finally:
        process.kill()
    assert subprocess.run(probe, check=False, capture_output=True).returncode != 0


def test_the_environment_of_compose_serves_through_pgbouncer(pooled_dsn: str, tmp_path: Path) -> None:
    services = compose()["services"]
    environment = services["memgpt"]["environment"]
    assert set(environment) - {"DATABASE_URL", "PGPASSWORD"} <= {
        f"MEMGPT_{name.upper()}" for name in Settings.model_fields
    }
    address = conninfo_to_dict(environment.pop("DATABASE_URL"), password=environment.pop("PGPASSWORD"))
    bouncer, postgres = services["pgbouncer"]["environment"], services["postgres"]["environment"]
    assert (address["host"], address["dbname"], address["user"]) == (
        "pgbouncer",
        bouncer["DB_NAME"],
        bouncer["DB_USER"],
    )
    assert address["password"] == bouncer["DB_PASSWORD"] == postgres["OWNER_PASSWORD"]
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
    verified = analyze("verify", str(written))
    assert [line for line in verified.stderr.splitlines() if "memgpt" in line] == []
    rated = analyze("security", "--offline=true", "--no-pager", str(written))
    exposure = float(re.findall(r"exposure level for memgpt.service: ([\d.]+)", rated.stdout)[0])
    assert exposure <= 2.5, rated.stdout


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], check=False, capture_output=True, text=True, timeout=60)


def test_images_are_pinned_restarted_and_waited_for() -> None:
    [python] = [rest for word, rest in container_file() if word == "ARG"]
    services = compose()["services"]
    images = [service["image"] for service in services.values() if "image" in service]
    for image in (python.partition("=")[2], *images):
        assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image), image
    bases = [rest for word, rest in container_file() if word == "FROM"]
    assert {base.split()[0] for base in bases} == {"${PYTHON}"}
    for name, service in services.items():
        assert service["restart"] == "unless-stopped", name
        for needed, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}, name
            assert "healthcheck" in services[needed], needed
    assert "superuser" not in str(services["memgpt"]["environment"])
    assert "s3cret'" not in str(services["memgpt"]["environment"]), "the service does not know the superuser's password"


@pytest.fixture
def prepared(own_server: Server) -> str:
    """The database that init.sql makes on a new server, as the service reaches it."""
    own_server.drop("memgpt")
    psql = [own_server.program("psql"), "-v", "ON_ERROR_STOP=1", "-X", "-q", "-d", own_server.dsn()]
    subprocess.run(
        [*psql, "-f", str(DEPLOY / "init.sql")], check=True, env=os.environ | {"OWNER_PASSWORD": PASSWORD}, timeout=60
    )
    return own_server.dsn("memgpt", user="memgpt", password=PASSWORD)


def test_the_service_owns_its_database_and_is_no_superuser(prepared: str, tmp_path: Path) -> None:
    migrate.apply(prepared, model=MODEL)
    service = service_on(prepared, keys_required=False)
    try:
        service.check()
        memory = service.memory(Caller(None), "ann", "write")
        memory.remember("The flight to Oslo leaves on 3 May.")
        assert [hit.id for hit in memory.search("when does the flight leave?")] == [1]
        queue.install(service.database)
    finally:
        service.close()
    with psycopg.connect(prepared, autocommit=True) as owner:
        assert owner.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = user"
        ).fetchone() == (False, False, False)
        owner.execute("SET ROLE memgpt_agent")
        for statement in ("CREATE TEMPORARY TABLE t (n int)", "SELECT lo_creat(-1)", "SELECT lo_from_bytea(0, 'x')"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                owner.execute(statement)
    dump = tmp_path / "dump"
    backup.backup(dump, prepared)
    backup.restore(dump, prepared, replace=True)


def test_serve_waits_for_a_database_that_comes_later(server_directory: Path, tmp_path: Path) -> None:
    port, database_port, directory = free_port(), str(free_port()), server_directory / f"late-{tmp_path.name}"
    start_server(directory, port=database_port).embedded.close()
    address = make_conninfo(
        host="127.0.0.1", port=database_port, user="postgres", password=SERVER_PASSWORD, dbname="memgpt"
    )
    process = subprocess.Popen(
        [*PROGRAM, "serve", "--no-auth", "--port", str(port)],
        env=own_environment({"DATABASE_URL": address, "MEMGPT_DATA_DIR": str(tmp_path)}),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        first = json.loads(process.stderr.readline())
        assert "cannot connect to PostgreSQL" in first["message"]
        assert "waiting, the next attempt is in 0.5 s" in first["message"]
        late = start_server(directory, port=database_port)
        try:
            wait_for_port(port, process)  # type: ignore[arg-type]
            assert httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=60).status_code == 200
            process.terminate()
            process.communicate(timeout=60)
        finally:
            late.embedded.close()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_who_waits_for_a_database_can_be_interrupted(command: str, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": f"postgresql://127.0.0.1:{free_port()}/x", "MEMGPT_DATA_DIR": str(tmp_path)}
    process = subprocess.Popen([*PROGRAM, command], env=own_environment(environment), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "waiting" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (1, 130)
    assert "Traceback" not in said


def test_a_server_that_refuses_is_not_waited_for(dsn: str, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": make_conninfo(dsn, password="wrong"), "MEMGPT_DATA_DIR": str(tmp_path)}
    for options in (environment, environment | {"DATABASE_URL": make_conninfo(dsn, dbname="nowhere")}):
        done = subprocess.run(
            [*PROGRAM, "serve"], env=own_environment(options), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 1
        assert done.stderr.startswith("error: cannot connect to PostgreSQL")


def test_answers_are_sent_at_once() -> None:
    """On a connection that is kept, the body of an answer does not wait for the acknowledgement of its head."""

    async def accepted(listening: socket.socket) -> bool:
        sent: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            sent.set_result(bool(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
            writer.close()

        async with await asyncio.start_server(answer, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            writer.close()
            return await sent

    with bound("127.0.0.1", 0) as listening:
        assert asyncio.run(accepted(listening))
