"""Run Schemathesis with its default checks over a service of its own, as `make schemathesis` does.

Each seed is a run of all its phases: examples, boundary values, 100 random requests of each operation, sequences.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from memgpt.database.admin import migrate
from tests.conftest import MODEL, free_port, start_server, wait_for_port

PROGRAM = [sys.executable, "-c", "from memgpt.cli import main; main()"]
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="memgpt-schemathesis-") as folder:
        Path(folder).chmod(0o755)  # run as root, the server has an account of its own
        server, port = start_server(Path(folder) / "server"), free_port()
        dsn = server.dsn(server.create())
        migrate.apply(dsn, model=MODEL)
        environment = os.environ | {"DATABASE_URL": dsn}
        command = [*PROGRAM, "serve", "--no-auth", "--port", str(port)]
        with (Path(folder) / "log").open("w") as log:
            service = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            wait_for_port(port, service)
            address = f"http://127.0.0.1:{port}/openapi.json"
            runs = [[str(SCHEMATHESIS), "run", address, "--seed", str(seed), *rest] for seed in options.seeds]
            return max(subprocess.run(run, cwd=folder).returncode for run in runs)
        finally:
            service.terminate()
            service.wait(30)
            server.embedded.close()


if __name__ == "__main__":
    sys.exit(main())
