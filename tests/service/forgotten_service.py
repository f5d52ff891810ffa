"""A service in a process of its own that looks into itself: each line with two halves of a text is answered with the
objects of the process that still hold it."""

from __future__ import annotations

import json
import sys

from pydantic import SecretStr

from tests.service.conftest import app_of, served, service_on
from tests.traces import in_process


def main(dsn: str, model: str) -> None:
    named = {"chat_model": "openai:scripted", "chat_base_url": model, "chat_api_key": SecretStr("k")}
    with served(app_of(service_on(dsn, keys_required=False, **named), worker=True)) as address:
        print(address, flush=True)
        for line in sys.stdin:
            print(json.dumps(in_process(*line.split())), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
