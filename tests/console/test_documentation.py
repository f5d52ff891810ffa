"""The page that tries the API: its scripts are the wheel's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from memgpt.server.api import documentation
from tests.console.conftest import Tab


def test_the_page_of_the_api_asks_no_other_host(tab: Tab) -> None:
    page = tab.open("/docs")
    page.get_by_text("Long-term memory for LLM agents").first.wait_for()
    page.locator(".opblock").first.wait_for()
    tab.shot("docs")


def test_without_swagger_it_leads_to_the_document(
    anonymous: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documentation, "VENDOR", tmp_path)
    answer = anonymous.get("/docs")
    assert (answer.status_code, "make vendor" in answer.text, "<script" in answer.text) == (200, True, False)
    assert anonymous.get("/docs/start.js").status_code == 200
    assert anonymous.get("/docs/secret.txt").status_code == 401
    assert anonymous.get("/redoc").status_code == 401


def test_it_names_no_address_but_its_own() -> None:
    for page in documentation.HERE.glob("*.html"):
        text = page.read_text("utf-8")
        assert all(link.startswith(("/", "data:,")) for link in re.findall(r'(?:src|href)="([^"]*)"', text))
