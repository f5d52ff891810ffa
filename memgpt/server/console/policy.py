"""The policy for browsers: the headers of every answer of the console."""

from __future__ import annotations

from typing import Final

Headers = list[tuple[bytes, bytes]]

_POLICY: Final = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; font-src 'none'; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; frame-src 'none'; object-src 'none'; require-trusted-types-for 'script'; "
    "trusted-types htmx memgpt"
)
_FILES: Final = "default-src 'none'; script-src 'self'; frame-ancestors 'none'"
"""Of a worker, which is a document of its own; for other files it means nothing."""

_EVERYWHERE: Final[Headers] = [
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()"),
]


def of_page(nonce: str) -> Headers:
    """Return the headers of a page whose scripts carry this nonce; nobody may keep a copy of it."""
    policy = _POLICY.format(nonce=nonce).encode()
    return [(b"content-security-policy", policy), (b"cache-control", b"no-store"), *_EVERYWHERE]


def of_file() -> Headers:
    """Return the headers of a file that its address names by its content."""
    cached = (b"cache-control", b"public, max-age=31536000, immutable")
    return [(b"content-security-policy", _FILES.encode()), cached, *_EVERYWHERE]
