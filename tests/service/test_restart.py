"""The database goes away in the middle of writes and comes back: the service recovers, and no write is lost."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from starlette.testclient import TestClient

from memgpt.database.admin import migrate
from tests.conftest import MODEL, Server
from tests.service.conftest import app_of, service_on

A = "/v1/agents/acme-1"


def test_no_acknowledged_write_is_lost(own_server: Server) -> None:
    dsn = own_server.dsn(own_server.create())
    migrate.apply(dsn, model=MODEL)
    service = service_on(dsn, keys_required=False)
    acknowledged: list[str] = []
    statuses: set[int] = set()
    stop, progress = threading.Event(), threading.Condition()

    def wait_until(reached: Callable[[], bool]) -> None:
        with progress:
            assert progress.wait_for(reached, timeout=120)

    def write(client: TestClient, writer: int) -> None:
        n = 0
        while not stop.is_set():
            text = f"writer {writer} note {n}"
            answer = client.post(f"{A}/archival-memory", json={"text": text})
            statuses.add(answer.status_code)
            if answer.status_code == 201:
                acknowledged.append(text)
                with progress:
                    progress.notify()
            n += 1

    with TestClient(app_of(service), raise_server_exceptions=False) as client:
        writers = [threading.Thread(target=write, args=(client, n)) for n in range(4)]
        for writer in writers:
            writer.start()
        wait_until(lambda: len(acknowledged) >= 50)
        os.kill(own_server.embedded.pid, signal.SIGKILL)  # its supervisor starts it again
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) >= before + 50)
        stop.set()
        for writer in writers:
            writer.join()
        assert client.get("/health/ready").status_code == 200
        assert statuses <= {201, 503}
        url = f"{A}/archival-memory?limit=1000"
        kept = set()
        while url:
            answer = client.get(url)
            kept |= {m["text"] for m in answer.json()}
            url = answer.links.get("next", {}).get("url", "")
    assert set(acknowledged) <= kept
