"""Exports in the shapes that people have, after each system's public format: every message once, in order."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memgpt import Memory
from memgpt.errors import InputError
from memgpt.integrations.transcripts import import_transcript, source

Kept = list[tuple[str, str | None, str]]


@pytest.fixture
def memory(dsn: str) -> Iterator[Memory]:
    with Memory("ann", dsn=dsn) as memory:
        yield memory


def kept(memory: Memory, session: str | None = None) -> Kept:
    return [(m.role, m.name, m.content) for m in memory.messages.list(session=session)]


def part(text: str, kind: str = "text") -> dict[str, str]:
    return {"type": kind, "text": text}


def chatgpt(id: str, *messages: tuple[str, Any]) -> dict[str, Any]:
    nodes: dict[str, Any] = {"root": {"id": "root", "children": [], "message": None}}
    before = "root"
    for number, (role, content) in enumerate(messages):
        content = content if isinstance(content, dict) else {"content_type": "text", "parts": [content]}
        recipient = content.pop("recipient", "all")
        message = {
            "id": f"{id}-{number}",
            "author": {"role": role},
            "create_time": 1700000000.5 + number,
            "content": content,
            "recipient": recipient,
        }
        nodes[f"n{number}"] = {"id": f"n{number}", "parent": before, "children": [], "message": message}
        nodes[before]["children"].append(f"n{number}")
        before = f"n{number}"
    return {"title": "New chat", "conversation_id": id, "mapping": nodes, "current_node": before}


TELEGRAM = {
    "name": "Olga",
    "type": "personal_chat",
    "id": 123,
    "messages": [
        {"id": 1, "type": "service", "date": "2024-05-01T10:00:00", "action": "join"},
        {
            "id": 2,
            "type": "message",
            "date_unixtime": "1714557660",
            "from": "Olga",
            "text": ["See ", part("x.example")],
        },
        {"id": 3, "type": "message", "date_unixtime": "1714557720", "from": "Max", "text": "", "photo": "p.jpg"},
    ],
}
CALL = {"name": "save", "args": {"x": 1}, "id": "c1"}
SHAPES: dict[str, tuple[Any, Kept]] = {
    "claude.ai": (
        [
            {
                "uuid": "cv1",
                "name": "Bergen",
                "chat_messages": [
                    {
                        "uuid": "m1",
                        "sender": "human",
                        "text": "When?",
                        "content": [part("When?")],
                        "created_at": "2025-03-01T10:00:00Z",
                        "attachments": [{"file_name": "plan.txt", "extracted_content": "Cabin 412."}],
                        "files": [{"file_name": "map.png"}],
                    },
                    {
                        "uuid": "m2",
                        "sender": "assistant",
                        "content": [
                            {"type": "tool_use", "name": "web", "input": {"q": "x"}},
                            {"type": "tool_result", "name": "web", "content": [part("20:30")]},
                            part("At 20:30."),
                        ],
                    },
                ],
            }
        ],
        [
            ("user", None, "When?\n[attachment plan.txt]\nCabin 412.\n[attachment map.png]"),
            ("tool", None, "20:30"),
            ("assistant", None, "At 20:30."),
        ],
    ),
    "claude code": (
        [
            {"type": "summary", "summary": "Fix", "sessionId": "s1", "uuid": "u0"},
            {"type": "user", "sessionId": "s1", "uuid": "u1", "message": {"role": "user", "content": "Fix it"}},
            {
                "type": "assistant",
                "sessionId": "s1",
                "uuid": "u2",
                "message": {"role": "assistant", "content": [part("Done")]},
            },
            {
                "type": "assistant",
                "sessionId": "s1",
                "uuid": "u3",
                "message": {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm", "signature": "x"}]},
            },
        ],
        [("user", None, "Fix it"), ("assistant", None, "Done")],
    ),
    "one line of claude code": (
        {
            "type": "user",
            "sessionId": "s1",
            "uuid": "u1",
            "message": {"role": "user", "content": [part("<system-reminder>Be.</system-reminder>"), part("Fix it")]},
        },
        [("user", None, "Fix it")],
    ),
    "codex": (
        [
            {"type": "session_meta", "payload": {"id": "cx"}},
            {"type": "event_msg", "payload": {"type": "user_message", "message": "Run"}},
            {
                "type": "response_item",
                "payload": {"type": "message", "role": "user", "content": [part("Run", "input_text")]},
            },
            {
                "type": "response_item",
                "payload": {"type": "function_call", "name": "sh", "arguments": "{}", "call_id": "c"},
            },
            {"type": "response_item", "payload": {"type": "function_call_output", "call_id": "c", "output": "ok"}},
        ],
        [("user", None, "Run"), ("assistant", None, ""), ("tool", None, "ok")],
    ),
    "openai responses": (
        [
            {"type": "message", "role": "user", "content": [part("My cat is Miezi.", "input_text")]},
            {"type": "reasoning", "summary": [part("cat", "summary_text")]},
            {"type": "function_call", "call_id": "c1", "name": "save", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "ok"},
            {"type": "message", "role": "assistant", "content": [part("Noted.", "output_text")]},
        ],
        [
            ("user", None, "My cat is Miezi."),
            ("assistant", None, ""),
            ("tool", None, "ok"),
            ("assistant", None, "Noted."),
        ],
    ),
    "langchain, flat": (
        [{"type": "human", "content": "Hello"}, {"type": "ai", "content": "Hi"}],
        [("user", None, "Hello"), ("assistant", None, "Hi")],
    ),
    "langchain, messages_to_dict": (
        [
            {"type": "human", "data": {"content": "Hello"}},
            {"type": "ai", "data": {"content": "", "tool_calls": [CALL]}},
        ],
        [("user", None, "Hello"), ("assistant", None, "")],
    ),
    "langchain, dumps": (
        [
            {"lc": 1, "type": "constructor", "id": ["langchain", "HumanMessage"], "kwargs": {"content": "Hello"}},
            {"lc": 1, "type": "constructor", "id": ["langchain", "AIMessage"], "kwargs": {"content": [part("Hi")]}},
        ],
        [("user", None, "Hello"), ("assistant", None, "Hi")],
    ),
    "telegram": (TELEGRAM, [("user", "Olga", "See x.example"), ("user", "Max", "[photo]")]),
    "telegram, all chats": (
        {"chats": {"list": [TELEGRAM]}},
        [("user", "Olga", "See x.example"), ("user", "Max", "[photo]")],
    ),
    "slack": (
        [
            {"type": "message", "user": "U1", "ts": "1714557660.1", "text": "See <https://a.example|it> &amp; <@U2>"},
            {"type": "message", "subtype": "channel_join", "user": "U1", "ts": "1714557661.1", "text": "joined"},
        ],
        [("user", "U1", "See it (https://a.example) & @U2")],
    ),
    "discord": (
        {
            "channel": {"id": "9", "name": "boats"},
            "messages": [
                {"id": "1", "timestamp": "2024-05-01T10:00:00Z", "content": "Ahoy", "author": {"name": "ann"}},
                {
                    "id": "2",
                    "content": "",
                    "author": {"name": "b", "isBot": True},
                    "attachments": [{"fileName": "a.png"}],
                },
            ],
        },
        [("user", "ann", "Ahoy"), ("assistant", "b", "[attachment a.png]")],
    ),
    "gemini, interface": (
        {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}, {"role": "model", "parts": [{"text": "Hi"}]}]},
        [("user", None, "Hello"), ("assistant", None, "Hi")],
    ),
    "gemini, takeout": (
        [
            {"header": "Gemini Apps", "title": "Prompted Why?", "time": "2024-05-02T10:00:00Z", "safeHtmlItem": []},
            {
                "header": "Gemini Apps",
                "title": "Prompted What?",
                "time": "2024-05-01T10:00:00Z",
                "safeHtmlItem": [{"html": "<p>That.</p>"}],
            },
        ],
        [("user", None, "What?"), ("assistant", None, "That."), ("user", None, "Why?")],
    ),
    "ai studio": (
        {
            "chunkedPrompt": {
                "chunks": [{"role": "user", "text": "Hello"}, {"role": "model", "text": "hm", "isThought": True}]
            }
        },
        [("user", None, "Hello")],
    ),
    "sharegpt": (
        [{"id": "g1", "conversations": [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hi"}]}],
        [("user", None, "Hello"), ("assistant", None, "Hi")],
    ),
    "letta": (
        {
            "agents": [
                {
                    "id": "a1",
                    "name": "Max",
                    "messages": [
                        {"role": "user", "content": [part('{"type": "user_message", "message": "Hello"}')]},
                        {
                            "role": "assistant",
                            "content": [],
                            "tool_calls": [{"function": {"name": "send_message", "arguments": '{"message": "Hi"}'}}],
                        },
                    ],
                }
            ]
        },
        [("user", None, "Hello"), ("assistant", None, "Hi")],
    ),
    "chatgpt": (
        [
            chatgpt(
                "c1",
                ("user", "Draw"),
                ("assistant", {"content_type": "code", "text": "plot()", "recipient": "python"}),
                ("tool", {"content_type": "execution_output", "text": "done"}),
                ("assistant", {"content_type": "thoughts", "thoughts": [{"summary": "Looking", "content": "long"}]}),
                (
                    "assistant",
                    {"content_type": "multimodal_text", "parts": [{"content_type": "image_asset_pointer"}, "Here"]},
                ),
            )
        ],
        [
            ("user", None, "Draw"),
            ("assistant", None, ""),
            ("tool", None, "done"),
            ("assistant", None, "[thoughts] Looking"),
            ("assistant", None, "[image_asset_pointer]\nHere"),
        ],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_message_is_kept_once_in_order(memory: Memory, tmp_path: Path, shape: str) -> None:
    content, expected = SHAPES[shape]
    file = tmp_path / "export.json"
    file.write_text(json.dumps(content))
    assert import_transcript(memory, file).messages == len(expected)
    assert kept(memory) == expected
    assert import_transcript(memory, file).messages == 0


def test_whatsapp(memory: Memory, tmp_path: Path) -> None:
    file = tmp_path / "WhatsApp Chat with Bo.txt"
    file.write_text(
        "31.12.23, 22:05 - Messages are end-to-end encrypted\n"
        "31.12.23, 22:05 - Ann Lee: See you at nine\nat the pier: the old one\n"
        "01.01.24, 00:10 - Bo: <Media omitted>\n"
    )
    assert import_transcript(memory, file).messages == 2
    assert kept(memory, file.stem) == [
        ("user", "Ann Lee", "See you at nine\nat the pier: the old one"),
        ("user", "Bo", "[Media omitted]"),
    ]
    assert memory.messages.list()[0].created_at.isoformat() == "2023-12-31T22:05:00+00:00"


def test_a_slack_folder_has_a_session_for_each_channel(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "users.json").write_text(json.dumps([{"id": "U1", "real_name": "Ann"}]))
    for channel in ("boats", "tides"):
        (tmp_path / channel).mkdir()
        for day in (1, 2):
            message = {"type": "message", "user": "U1", "ts": f"171455766{day}.0", "text": f"day {day}"}
            (tmp_path / channel / f"2024-05-0{day}.json").write_text(json.dumps([message]))
    assert import_transcript(memory, tmp_path).messages == 4
    assert kept(memory, "boats") == [("user", "Ann", "day 1"), ("user", "Ann", "day 2")]


def test_fine_tuning_lines_are_a_session_each(memory: Memory, tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    lines = [
        {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": "a"}]} for n in (1, 2)
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    assert import_transcript(memory, file).sessions == 2
    assert kept(memory, "line 2") == [("user", None, "q2"), ("assistant", None, "a")]


def test_conversations_of_one_title_stay_apart_and_a_renamed_one_is_known(memory: Memory) -> None:
    export = [chatgpt("a", ("user", "one")), chatgpt("b", ("user", "two"))]
    assert import_transcript(memory, export).sessions == 2
    export[0]["title"] = "Renamed"
    export[1] = chatgpt("b", ("user", "two"), ("assistant", "three"))
    assert import_transcript(memory, export).messages == 1
    assert memory.messages.list(session="a")[0].metadata["title"] == "New chat"


def test_all_branches_on_request(memory: Memory) -> None:
    conversation = chatgpt("a", ("user", "one"), ("assistant", "two"))
    other = {"id": "x", "author": {"role": "assistant"}, "content": {"parts": ["another"]}}
    conversation["mapping"]["n9"] = {"id": "n9", "parent": "n0", "children": [], "message": other}
    assert import_transcript(memory, [conversation], session="shown").messages == 2
    assert import_transcript(memory, [conversation], session="all", branches=True).messages == 3


def test_what_is_unsaid_and_what_is_spoken(memory: Memory) -> None:
    import_transcript(
        memory,
        [
            {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "Blob" * 40}, part("Linz.")]},
            {
                "role": "assistant",
                "content": [{"type": "server_tool_use", "id": "s", "name": "web", "input": {"q": 1}}],
            },
            {"role": "assistant", "audio": {"transcript": "Spoken"}, "content": None},
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        ],
    )
    messages = memory.messages.list()
    assert [m.content for m in messages] == ["Linz.", "", "Spoken", ""]
    assert [[call["name"] for call in m.tool_calls or ()] for m in messages] == [[], ["web"], [], ["f"]]


def test_what_cannot_be_kept_is_replaced_skipped_or_refused(memory: Memory) -> None:
    found = [{"role": "user", "content": "good"}, {"role": "user", "content": "a\0b\ud83d", "timestamp": 1e300}]
    done = import_transcript(memory, found, session="replace")
    assert kept(memory, "replace")[1][2] == "a\ufffdb\ufffd"
    assert [(p.index, p.field, p.outcome) for p in done.problems] == [
        (1, "content", "replaced"),
        (1, "created_at", "replaced"),
    ]
    assert import_transcript(memory, found, session="skip", on_error="skip").messages == 1
    with pytest.raises(InputError, match="message 1 of 'fail': content has a NUL"):
        import_transcript(memory, found, session="fail", on_error="fail")
    assert kept(memory, "fail") == []


def test_an_unknown_shape_names_those_that_are_known(memory: Memory, tmp_path: Path) -> None:
    for text in ('{"what": 1}', "just a text\n"):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(InputError, match=r"known are .*ChatGPT.*WhatsApp"):
            import_transcript(memory, tmp_path / "x.json")


@pytest.mark.parametrize(
    ("stamp", "year"), [(1732500000, 2024), (1732500000000, 2024), (1732500000000000, 2024), ("1732500000", 2024)]
)
def test_times_of_every_unit(memory: Memory, stamp: Any, year: int) -> None:
    import_transcript(memory, [{"role": "user", "content": "x", "timestamp": stamp}])
    assert memory.messages.list()[0].created_at.year == year


@pytest.mark.parametrize("kind", ["array", "lines", "object"])
def test_a_large_file_is_read_while_it_is_imported(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(source, "LARGE", 100)
    monkeypatch.setattr("memgpt.integrations.transcripts.run.LARGE", 100)
    messages = [{"id": n, "type": "message", "from": "Ann", "text": f"text {n}", "date_unixtime": n} for n in range(60)]
    file = tmp_path / "big.json"
    if kind == "object":
        file.write_text(json.dumps({"name": "Olga", "id": 5, "messages": messages}))
    else:
        rows = [{"role": "user", "content": message["text"]} for message in messages]
        file.write_text(json.dumps(rows) if kind == "array" else "\n".join(map(json.dumps, rows)))
    done: list[int] = []
    assert import_transcript(memory, file, progress=done.append).messages == 60
    assert [content for *_, content in kept(memory, "5" if kind == "object" else "imported")][-1] == "text 59"
    assert import_transcript(memory, file).messages == 0
    assert done[-1] == 60


def test_a_hundred_chats_of_every_shape(memory: Memory) -> None:
    chosen = random.Random(3)
    names = [name for name in SHAPES if name not in ("telegram, all chats",)]
    for number in range(100):
        content, expected = SHAPES[chosen.choice(names)]
        session = f"chat {number}"
        assert import_transcript(memory, content, session=session).messages == len(expected)
        assert kept(memory, session) == expected
        assert import_transcript(memory, content, session=session).messages == 0
