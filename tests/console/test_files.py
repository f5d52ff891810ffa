"""Templates, texts, style sheets and scripts, read as files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import vendor
from memgpt.database.tables import by_kind, tables
from memgpt.models import KINDS
from memgpt.server.console import assets, pages, texts

CONSOLE = Path(pages.__file__).parent
TEMPLATES = sorted((CONSOLE / "templates").glob("*.html"))
SCRIPTS = sorted((CONSOLE / "static").glob("*.js"))
SOURCES = sorted(CONSOLE.rglob("*.py"))
CSS = (CONSOLE / "static/console.css").read_text("utf-8")

FORBIDDEN = r"\|\s*safe|Markup|autoescape|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*nonce=)|https?://"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_trust_nothing(template: Path) -> None:
    text = template.read_text("utf-8")
    assert re.findall(FORBIDDEN, text) == []
    assert re.findall(r"=\{\{|=[^\"'\s{}=<>]+\{\{", re.sub(r"\{%.*?%\}", "", text)) == [], "an attribute is quoted"
    if template.name != "macros.html":
        assert re.findall(r"\bhx-[a-z]+=", text) == [], "the macro writes them"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_no_sentences(template: Path) -> None:
    macro = r"\{% macro hx\(.*?endmacro %\}"
    markup = rf"{macro}|\{{#.*?#\}}|\{{%.*?%\}}|\{{\{{.*?\}}\}}|<[^>]*>"
    text = re.sub(markup, "\n", template.read_text("utf-8"), flags=re.DOTALL)
    words = [
        word for word in re.findall(r"[A-Za-z]{2,}", text) if word not in ("Ctrl", "Enter", "UTC", "doctype", "html")
    ]
    assert words == [], "texts.toml has them"


def test_every_text_is_there_and_used() -> None:
    everything = "\n".join(path.read_text("utf-8") for path in (*TEMPLATES, *SOURCES))
    known = set(texts.texts())
    asked = set(re.findall(r"""\b(?:t|say)\(\s*"([a-z_.]+)"\s*[,)]""", everything))
    beginnings = set(re.findall(r"""\b(?:t|say|has_text)\(\s*f?"([a-z_.]+\.)(?:"\s*~|\{)""", everything))
    beginnings |= {f"{table}." for table in re.findall(r"""\bword\(\s*"([a-z_]+)",""", everything)}
    assert asked - known == set()
    unused = {name for name in known - asked if not any(name.startswith(beginning) for beginning in beginnings)}
    assert {name for name in unused if not name.startswith("empty.")} == set()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_write_texts_only(script: Path) -> None:
    text = script.read_text("utf-8")
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\.style\.|setAttribute\(\"on"
    assert re.findall(sinks, text) == []
    assert len(text.splitlines()) < 300


def test_no_html_in_python() -> None:
    for source in SOURCES:
        assert re.findall(r"[\"']\s*<[a-z]+[\s>/]", source.read_text("utf-8")) == [], source.name


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--c-([\w-]+):\s*(#[0-9a-f]{3,6})", block))


LIGHT = colours(CSS[: CSS.index("@media")])
DARK = LIGHT | colours(CSS[CSS.index(':root[data-theme="dark"]') :])

TEXTS = [
    *((text, ground) for text in ("text", "muted", "accent") for ground in ("bg", "surface", "sunken")),
    *(("text", ground) for ground in ("mark", "add", "del", "ok-soft", "accent-soft")),
    *((name, f"{name}-soft") for name in ("accent", "danger", "warn", "ok", "info", "past")),
    *((f"on-{name}", name) for name in ("accent", "danger")),
    *((kind, "surface") for kind in ("archival", "message", "chunk", "fact", "block", "summary", "danger")),
    *((kind, "bg") for kind in ("archival", "message", "chunk", "fact", "block", "summary")),
]


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_texts_have_contrast(theme: dict[str, str]) -> None:
    ratios = {(text, ground): contrast(theme[text], theme[ground]) for text, ground in TEXTS}
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}
    assert contrast(theme["line-strong"], theme["surface"]) >= 3, "borders of what can be used"


def test_the_two_ways_to_dark_are_the_same() -> None:
    system = CSS[CSS.index("@media (prefers-color-scheme: dark)") : CSS.index(':root[data-theme="dark"]')]
    assert LIGHT | colours(system) == DARK


def test_what_is_vendored_is_what_is_named() -> None:
    wanted = tomllib.loads((vendor.ROOT / "vendor.toml").read_text("utf-8"))["package"]
    assert all(package["integrity"].startswith("sha512-") and package["license"] for package in wanted)
    if assets.vendored():
        assert [problem for package in wanted for problem in vendor.problems(package)] == []


def test_what_is_not_right_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor, "ROOT", tmp_path)
    package = {"name": "x", "into": "here", "files": {"a.js": "0" * 64}}
    assert vendor.problems(package) == ["here/a.js"]
    with pytest.raises(SystemExit, match="SHA-256"):
        vendor.write(package, "a.js", "0" * 64, b"alert(1)")
    assert not (tmp_path / "here/a.js").exists()


def test_every_kind_and_table_has_a_word() -> None:
    """A name without one is shown as it is."""
    names = {
        "kind": KINDS,
        "part_of": KINDS,
        "row": by_kind(),
        "table": [table.name for table in tables()],
        "forget.stays": by_kind(),
    }
    assert {f"{table}.{name}" for table, all_of in names.items() for name in all_of} - set(texts.texts()) == set()
