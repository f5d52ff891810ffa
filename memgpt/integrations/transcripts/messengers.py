"""Exports of messengers, in which people talk with each other: everybody is a user with a name."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from memgpt.integrations.transcripts.turns import Conversation, TranscriptTurn, mapping, objects, text_of

Item = Mapping[str, Any]
_OMITTED = re.compile(r"^<(.{1,60}) omitted>$")


def telegram(chat: Item, messages: Iterable[Any]) -> Conversation:
    """Read a chat of Telegram Desktop's export."""
    turns = (turn for message in messages if isinstance(message, Mapping) for turn in _telegram_turns(message))
    return Conversation(text_of(chat.get("id")), turns, text_of(chat.get("name")))


def _telegram_turns(message: Item) -> Iterator[TranscriptTurn]:
    if message.get("type") != "message":
        return  # somebody joined, a call, a pinned message
    pieces = message.get("text")
    text = "".join(
        piece if isinstance(piece, str) else str(mapping(piece).get("text") or "")
        for piece in (pieces if isinstance(pieces, list) else [pieces])
        if piece
    )
    sent = [
        f"[{kind}]" for kind in ("photo", "poll", "location_information", "contact_information") if message.get(kind)
    ]
    if message.get("file"):
        sent.append(f"[{message.get('media_type') or 'file'} {message.get('file_name') or ''}".rstrip() + "]")
    yield TranscriptTurn(
        "user",
        "\n".join(filter(None, [text, *sent])),
        text_of(message.get("from")),
        message.get("date_unixtime") or message.get("date"),
        text_of(message.get("id")),
    )


_SLACK_LINK = re.compile(r"<([^<>|]{1,2000})(?:\|([^<>]{0,2000}))?>")
_SLACK_NOT_SAID: Final = {"channel_join", "channel_leave", "channel_topic", "channel_purpose", "channel_name"}


def slack(messages: Iterable[Any], channel: str | None, people: Mapping[str, str]) -> Conversation:
    """Messages of a channel in Slack's export; ``people`` are names by user id."""
    turns = (
        _slack_turn(message, people)
        for message in messages
        if isinstance(message, Mapping) and message.get("subtype") not in _SLACK_NOT_SAID
    )
    return Conversation(channel, turns)


def _slack_turn(message: Item, people: Mapping[str, str]) -> TranscriptTurn:
    def shown(link: re.Match[str]) -> str:
        target, label = link[1], link[2]
        if target.startswith(("@", "#", "!")):
            return target[0] + (label or people.get(target[1:], target[1:]))
        return f"{label} ({target})" if label else target

    profile = mapping(message.get("user_profile"))
    user = str(message.get("user") or "")
    name = profile.get("real_name") or people.get(user) or message.get("username") or user
    text = html.unescape(_SLACK_LINK.sub(shown, str(message.get("text") or "")))
    files = [f"[attachment {each.get('name') or each.get('title')}]" for each in objects(message.get("files"))]
    ts = text_of(message.get("ts"))
    role = "assistant" if message.get("bot_id") else "user"
    return TranscriptTurn(role, "\n".join(filter(None, [text, *files])), text_of(name), float(ts) if ts else None, ts)


def discord(export: Item, messages: Iterable[Any]) -> Conversation:
    """Read a channel as DiscordChatExporter writes it."""
    channel = mapping(export.get("channel"))
    turns = (_discord_turn(message) for message in messages if isinstance(message, Mapping))
    return Conversation(text_of(channel.get("id")), turns, text_of(channel.get("name")))


def _discord_turn(message: Item) -> TranscriptTurn:
    author = mapping(message.get("author"))
    files = [f"[attachment {each.get('fileName')}]" for each in objects(message.get("attachments"))]
    text = "\n".join(filter(None, [str(message.get("content") or ""), *files]))
    name = author.get("nickname") or author.get("name")
    role = "assistant" if author.get("isBot") else "user"
    return TranscriptTurn(role, text, text_of(name), message.get("timestamp"), text_of(message.get("id")))


def discord_package(messages: Iterable[Item]) -> Conversation:
    """Read a channel of the data that Discord sends on request: one's own messages."""
    turns = (
        TranscriptTurn(
            "user",
            "\n".join(filter(None, [str(each.get("Contents") or ""), str(each.get("Attachments") or "")])),
            when=each.get("Timestamp"),
            id=text_of(each.get("ID")),
        )
        for each in messages
    )
    return Conversation(None, turns)


_WHATSAPP = re.compile(
    r"[\u200e\u200f]?\[?(\d{1,4})[./-](\d{1,2})[./-](\d{1,4}),?\s"
    r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?:\s?([AaPp])\.?\s?[Mm]\.?)?\]?(?:\s-\s|\s|:\s)(.*)"
)


def is_whatsapp(text: str) -> bool:
    """Tell whether a text begins as a chat exported by WhatsApp does."""
    lines = [line for line in text[:4000].splitlines() if line.strip()]
    return bool(lines) and _WHATSAPP.match(lines[0]) is not None


def whatsapp(text: str) -> Conversation:
    """Read a chat exported by WhatsApp. Its times have no zone and are taken as UTC."""
    entries: list[tuple[re.Match[str], list[str]]] = []
    for line in text.splitlines():
        match = _WHATSAPP.match(line)
        if match is not None:
            entries.append((match, [match[8]]))
        elif entries:
            entries[-1][1].append(line)
    day_first = _day_first([entry for entry, _ in entries])
    return Conversation(None, (turn for entry, lines in entries for turn in _whatsapp_turns(entry, lines, day_first)))


def _day_first(entries: list[re.Match[str]]) -> bool:
    """Tell whether dates begin with the day: a number over 12 decides, else a clock of twelve hours means the month."""
    if any(int(entry[1]) > 12 for entry in entries):
        return True
    return not any(int(entry[2]) > 12 or entry[7] for entry in entries)


def _whatsapp_turns(entry: re.Match[str], lines: list[str], day_first: bool) -> Iterator[TranscriptTurn]:
    name, colon, said = lines[0].partition(": ")
    if not colon or len(name) > 100:
        return  # a notice of the program, which nobody said
    text = "\n".join([said, *lines[1:]]).replace("\u200e", "").strip()
    text = _OMITTED.sub(r"[\1 omitted]", text)
    yield TranscriptTurn("user", text, name.strip("\u200e\u200f ~"), _whatsapp_time(entry, day_first))


def _whatsapp_time(entry: re.Match[str], day_first: bool) -> datetime | None:
    first, second, third = int(entry[1]), int(entry[2]), int(entry[3])
    year, month, day = (
        (first, second, third) if first > 31 else (third, second, first) if day_first else (third, first, second)
    )
    hour, half = int(entry[4]), (entry[7] or "").lower()
    hour = hour % 12 + 12 * (half == "p") if half else hour
    try:
        return datetime(year + 2000 * (year < 100), month, day, hour, int(entry[5]), int(entry[6] or 0), tzinfo=UTC)
    except ValueError:
        return None
