"""The page that tries the API, whose scripts are the wheel's own; and the pictures of the README and the docs."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

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


def test_pictures_are_texts_of_boxes_and_words() -> None:
    root = Path(__file__).parents[2]
    pages = {"docs/": root / "README.md", "": root / "docs/console.md"}
    shown = {root / "docs" / name for before, page in pages.items() for name in re.findall(
        rf"\]\({before}(console/\w+\.svg)\)", page.read_text("utf-8"))}  # fmt: skip
    assert shown == {*(root / "docs/console").iterdir()}
    for picture in shown:
        svg = ElementTree.fromstring(picture.read_text("utf-8"))  # noqa: S314 - ours
        assert {element.tag.partition("}")[2] for element in svg.iter()} == {"svg", "title", "rect", "text"}
        assert not [
            name for element in svg.iter() for name in element.attrib if "href" in name or name.startswith("on")
        ]
