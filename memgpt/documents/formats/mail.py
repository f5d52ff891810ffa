"""E-mail (EML, mailboxes), read by the standard library: heads, the body, and the text of every attachment."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable, Iterator
from email.message import MIMEPart
from typing import Final

from memgpt.documents.formats import encodings, media_types
from memgpt.documents.formats.reading import FormatText, blocks, heading, one_line
from memgpt.errors import InputError

MOST_MESSAGES: Final = 20_000
"""Messages of one mailbox."""

_DEEPEST: Final = 5
"""Messages attached to each other that are read."""

_HEADS: Final = ("Subject", "From", "To", "Cc", "Date")

Extract = Callable[[bytes, str], FormatText]
"""Reads an attached file by its content and name."""


def read(data: bytes, extract: Extract) -> FormatText:
    """Read an e-mail: its heads, its body (the plain one where there are two) and its attachments.

    An attachment without text that can be read is named in the note.
    """
    if b"\0" in data[:200]:  # saved as UTF-16
        data = encodings.decode(data).text.encode()
    unread: list[str] = []
    message = email.message_from_bytes(data, policy=email.policy.default)
    parts = list(_message(message, extract, unread, 1))
    metadata = {
        key: one_line(str(message[head]))
        for key, head in (("from_email", "From"), ("to_emails", "To"), ("created_at", "Date"), ("subject", "Subject"))
        if message[head]
    }
    note = f"attachments without text that can be read: {', '.join(unread)[:500]}" if unread else None
    return FormatText(blocks(parts), metadata.get("subject", ""), metadata=dict(metadata), note=note)


def read_mailbox(data: bytes, extract: Extract) -> FormatText:
    """Read a mailbox: each message below its subject.

    Raises:
        InputError: there are too many messages.
    """
    readings = [read(message, extract) for message in _messages(data)]
    parts = [part for reading in readings for part in (heading(1, reading.title or "(no subject)"), reading.text)]
    notes = [reading.note for reading in readings if reading.note]
    return FormatText(blocks(parts), note="; ".join(notes[:5]) or None)


def _messages(data: bytes) -> Iterator[bytes]:
    for number, message in enumerate((b"\n" + data.replace(b"\r\n", b"\n")).split(b"\nFrom ")[1:], 1):
        if number > MOST_MESSAGES:
            raise InputError(f"too large: more than {MOST_MESSAGES:,} messages: split the mailbox")
        yield message.partition(b"\n")[2].replace(b"\n>From ", b"\nFrom ")


def _message(message: MIMEPart, extract: Extract, unread: list[str], depth: int) -> Iterator[str]:
    yield "\n\n".join(f"{head}: {one_line(str(message[head]))}" for head in _HEADS if message[head])
    body = message.get_body(("plain", "html"))
    if body is not None:
        yield _body(body, extract)
    for part in message.walk():
        name = part.get_filename() or ""
        if part is body or (part.is_multipart() and part.get_content_type() != "message/rfc822"):
            continue
        if part.get_content_type() == "message/rfc822" and depth < _DEEPEST:
            for inner in part.iter_parts() if isinstance(part, MIMEPart) else ():
                yield heading(1, f"Attachment: {name or inner.get('Subject', 'message')}")
                yield from _message(inner, extract, unread, depth + 1)
        elif part.get_content_disposition() == "attachment" or name:
            yield from _attachment(part, name or part.get_content_type(), extract, unread)


def _body(body: MIMEPart, extract: Extract) -> str:
    content = body.get_payload(decode=True)
    content = content if isinstance(content, bytes) else b""
    if body.get_content_type() == media_types.HTML:
        return extract(content, "body.html").text
    charset = body.get_content_charset()
    try:
        return encodings.decode(content, encoding=charset).text
    except InputError:  # it says a charset that does not fit
        return encodings.decode(content).text


def _attachment(part: MIMEPart, name: str, extract: Extract, unread: list[str]) -> Iterator[str]:
    content = part.get_payload(decode=True)
    try:
        text = extract(content, name).text if isinstance(content, bytes) and content.strip() else ""
    except InputError:
        text = ""
    if text.strip():
        yield heading(1, f"Attachment: {name}")
        yield text
    else:
        unread.append(one_line(name))
