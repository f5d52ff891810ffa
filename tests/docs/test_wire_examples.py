"""The examples of the pages about clients of model providers run, against a service before a scripted model."""

from __future__ import annotations

import ast
import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from memgpt.server.service import Caller
from tests.chat_dialects import Json
from tests.chat_server import ChatServer, Say
from tests.docs.test_examples import BLOCK, ROOT, statements
from tests.service.conftest import app_of, served, service_on

PAGES = ["docs/openai.md", "docs/anthropic.md"]


def answer(request: Json) -> Say:
    """The reply of a model that knows what its prompt says."""
    return Say("Your night train leaves at 22:08." if "leaves at 22:08" in str(request) else "I do not know.")


@pytest.mark.parametrize("page", PAGES)
def test_examples_do_what_they_say(page: str, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path(ROOT / page).read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    with ChatServer().running() as model:
        model.script(otherwise=answer)
        service = service_on(dsn, chat_base_url=model.url, chat_api_key=SecretStr("k"))
        service.memory(Caller(None), "ann", "write").remember("Ann's night train leaves at 22:08")
        with served(app_of(service)) as address:
            key = service.keys.create(agents=["ann"]).token
            for name, value in (("OPENAI", f"{address}/v1"), ("ANTHROPIC", address)):
                monkeypatch.setenv(f"{name}_BASE_URL", value)
                monkeypatch.setenv(f"{name}_API_KEY", key)
            for block in BLOCK.finditer(text):
                for statement, printed in statements(block["code"]):
                    output = io.StringIO()
                    with contextlib.redirect_stdout(output):
                        exec(compile(ast.Module(body=[statement], type_ignores=[]), page, "exec"), names)  # noqa: S102 - our own page
                    assert not printed or output.getvalue().splitlines() == printed
            names["client"].close()
