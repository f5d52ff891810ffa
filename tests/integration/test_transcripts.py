"""Transcripts of other systems in recall memory."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memgpt import Memory
from memgpt.errors import InputError
from memgpt.integrations.transcripts import import_transcript


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


def kept(memory: Memory, session: str | None = None) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in memory.messages.list(session=session)]


def test_openai(memory: Memory) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    found = import_transcript(
        memory,
        [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "Rome?"}, {"type": "image_url", "image_url": {}}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
            {"role": "assistant", "content": ""},
        ],
        session="rome",
    )
    assert (found.sessions, found.messages, found.skipped) == (1, 4, 1)
    assert kept(memory, "rome") == [
        ("system", "Be kind."), ("user", "Rome?\n[image_url]"), ("assistant", ""), ("tool", "sunny"),
    ]  # fmt: skip
    message = memory.messages.list(roles=["assistant"])[0]
    assert message.tool_calls == [{"id": "c1", "name": "weather", "arguments": '{"city": "Rome"}'}]


def test_anthropic(memory: Memory) -> None:
    use = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "rain"}]}
    import_transcript(
        memory,
        {
            "system": "Be brief.",
            "messages": [
                {"role": "user", "content": "Oslo?"},
                {"role": "assistant", "content": [{"type": "text", "text": "One moment."}, use]},
                {"role": "user", "content": [result]},
            ],
        },
    )
    assert kept(memory, "imported") == [
        ("system", "Be brief."), ("user", "Oslo?"), ("assistant", "One moment."), ("tool", "rain"),
    ]  # fmt: skip
    assert memory.messages.list(roles=["tool"])[0].tool_call_id == "t1"


def test_the_text_of_attachments_is_kept(memory: Memory) -> None:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    page = "<html><body><p>The mooring costs 40 a week.</p></body></html>"
    source = {"type": "base64", "media_type": "text/plain", "data": encoded("Low water is at six.")}
    files = {"filename": "fees.html", "file_data": f"data:text/html;base64,{encoded(page)}"}
    parts: list[Any] = [
        {"type": "text", "text": "Please read these"},
        {"type": "document", "title": "tides.txt", "source": source},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "The harbour is closed."}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "Bring oil."}]}},
        {"type": "file", "file": files},
        {"type": "file", "file": {"filename": "broken.pdf", "file_data": encoded("%PDF-1.4 nothing")}},
        {"type": "file", "file": {"file_id": "file-1", "filename": "elsewhere.pdf"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": encoded("png")}},
    ]
    claude = {"file_name": "log.txt", "file_type": "txt", "extracted_content": "We left at dawn."}
    import_transcript(
        memory,
        [{"role": "user", "content": parts}, {"role": "user", "content": "And the log", "attachments": [claude]}],
    )
    first, second = (text for _, text in kept(memory))
    assert first.split("\n") == [
        "Please read these",
        *("[attachment tides.txt]", "Low water is at six."),
        *("[document]", "The harbour is closed."),
        *("[document]", "Bring oil."),
        *("[attachment fees.html]", "The mooring costs 40 a week."),
        "[attachment broken.pdf]",
        "[attachment elsewhere.pdf]",
        "[image]",
    ]
    assert second == "And the log\n[attachment log.txt]\nWe left at dawn."
    assert memory.search("what does the mooring cost?", kinds=["message"])[0].text == first


def chatgpt() -> list[dict[str, Any]]:
    def node(id: str, parent: str | None, role: str, text: str, children: list[str]) -> dict[str, Any]:
        message = {"id": id, "author": {"role": role}, "create_time": 1700000000.5, "content": {"parts": [text]}}
        return {"id": id, "parent": parent, "children": children, "message": message}

    mapping = {
        "root": {"id": "root", "parent": None, "children": ["a"], "message": None},
        "a": node("a", "root", "user", "Name a tree", ["b", "c"]),
        "b": node("b", "a", "assistant", "Oak", []),
        "c": node("c", "a", "assistant", "Elm", []),
    }
    return [{"title": "Trees", "mapping": mapping, "current_node": "c"}]


def test_chatgpt_export_twice(memory: Memory, tmp_path: Path) -> None:
    file = tmp_path / "conversations.json"
    file.write_text(json.dumps(chatgpt()))
    assert import_transcript(memory, file).messages == 2
    again = import_transcript(memory, file)
    assert (again.messages, again.skipped) == (0, 2)
    assert kept(memory, "Trees") == [("user", "Name a tree"), ("assistant", "Elm")]
    assert memory.messages.list()[0].created_at.year == 2023


def test_json_lines(memory: Memory, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    lines = [
        {"role": "human", "text": "hello", "session": "a", "timestamp": "2024-01-02T03:04:05Z"},
        {"role": "ai", "text": "hi", "session": "a"},
        {"role": "user", "content": "other"},
    ]
    file.write_text("\n".join(map(json.dumps, lines)) + "\n")
    assert import_transcript(memory, file).sessions == 2
    assert kept(memory, "a") == [("user", "hello"), ("assistant", "hi")]
    assert memory.messages.list(session="a")[0].created_at.isoformat() == "2024-01-02T03:04:05+00:00"


def test_bad_files_leave_nothing(memory: Memory, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    for text, words in [
        ("{", "line 1"),
        ('[{"role": "user", "content": "a"}, {"role": "x"}]', "role 'x'"),
        ("[1]", "int"),
    ]:
        file.write_text(text)
        with pytest.raises(InputError, match=words):
            import_transcript(memory, file, on_error="fail")
    with pytest.raises(InputError, match="cannot be read"):
        import_transcript(memory, tmp_path / "none.json")
    assert memory.messages.count() == 0
