"""Keys of the service: made, found by their secret, rotated, revoked.

A secret is 256 random bits, so nobody can try them all, and one round of SHA-256 hides it as well as a slow password
hash would: those are for secrets that people choose. What is compared is compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from memgpt import forks, inputs
from memgpt.database.connection import Database
from memgpt.errors import AccessError, InputError, NotFoundError
from memgpt.models import PERMISSIONS, Key, Permission
from memgpt.stores.keys import KeyStore

REMEMBERED: Final = 2.0
"""Seconds for which a key that was found is not looked up again: a revoked key works at most this long."""

_TOKEN: Final = re.compile(r"memgpt_(?P<key_id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
_NOBODY: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made, and the token its holder sends, which cannot be had again."""

    key: Key
    token: str


class Keys:
    """The keys of one database. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: dict[bytes, tuple[float, Key]] = {}
        self._lock = forks.Lock()

    def create(
        self,
        name: str = "",
        *,
        permissions: Iterable[Permission] = ("read", "write"),
        agents: Iterable[str] = ("*",),
        requests_per_minute: int | None = None,
        expires_at: datetime | str | None = None,
    ) -> NewKey:
        """A new key. ``agents`` are exact names, or beginnings that end in ``*``; ``*`` alone is all."""
        expires = inputs.moment(expires_at, "expires_at")
        if expires is not None and expires <= datetime.now(UTC):
            raise InputError(f"expires_at {expires.isoformat()} is in the past")
        if requests_per_minute is not None:
            inputs.limit(requests_per_minute, "requests_per_minute", most=1_000_000)
        return self._insert(
            name=inputs.text(name, "name", empty=True),
            permissions=[
                inputs.choice(p, PERMISSIONS, "permissions") for p in inputs.texts(permissions, "permissions")
            ],
            agents=_patterns(agents),
            requests_per_minute=requests_per_minute,
            expires_at=expires,
            replaces=None,
        )

    def list(self) -> Sequence[Key]:
        """Every key, oldest first, the revoked and expired ones included."""
        return self._database.read(lambda connection: KeyStore(connection).list())

    def any(self) -> bool:
        """True when a key was ever made."""
        return self._database.read(lambda connection: KeyStore(connection).any())

    def rotate(self, key_id: str, *, grace: timedelta = timedelta(0)) -> NewKey:
        """A new key like an old one, which works for ``grace`` more.

        Raises:
            NotFoundError: there is no such key.
            InputError: it is revoked or expired.
        """
        old = self._database.read(lambda connection: KeyStore(connection).get(key_id))
        if old is None:
            raise NotFoundError(f"there is no key {key_id!r}")
        if ended := _ended(old):
            raise InputError(f"key {key_id} {ended}: make a new one")
        made = self._insert(
            name=old.name,
            permissions=old.permissions,
            agents=old.agents,
            requests_per_minute=old.requests_per_minute,
            expires_at=old.expires_at,
            replaces=old.key_id,
        )
        with self._database.transaction() as connection:
            if grace > timedelta(0):
                KeyStore(connection).expire(key_id, datetime.now(UTC) + grace)
            else:
                KeyStore(connection).revoke(key_id)
        self._forget()
        return made

    def revoke(self, key_id: str) -> Key:
        """End a key now.

        Raises:
            NotFoundError: there is no such key.
        """
        with self._database.transaction() as connection:
            revoked = KeyStore(connection).revoke(key_id)
        if revoked is None:
            raise NotFoundError(f"there is no key {key_id!r}")
        self._forget()
        return revoked

    def known(self, token: str) -> Key | None:
        """The key of a token that was found a moment ago; no question to the database."""
        found = self._found.get(_hash(token))
        if found is None or found[0] < time.monotonic() or _ended(found[1]):
            return None
        return found[1]

    def authenticate(self, token: str) -> Key:
        """The key of a token.

        Raises:
            AccessError: no key has this token, or it has ended.
        """
        if (key := self.known(token)) is not None:
            return key
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise AccessError("this is not a key of memgpt: one looks like memgpt_<id>_<secret>")
        key_id, hashed = match["key_id"], _hash(token)
        stored = self._database.read(lambda connection: KeyStore(connection).secret_hash(key_id))
        if not hmac.compare_digest(stored or _NOBODY, hashed) or stored is None:
            raise AccessError("the key is not known: make one with `memgpt key create`")
        key = self._database.read(lambda connection: KeyStore(connection).get(key_id))
        if key is None or (ended := _ended(key)):
            raise AccessError(f"key {key_id} {ended if key else 'is gone'}")
        with self._lock:
            now = time.monotonic()
            self._found = {h: found for h, found in self._found.items() if found[0] > now}
            self._found[hashed] = (now + REMEMBERED, key)
        return key

    def _insert(self, **fields: object) -> NewKey:
        key_id = secrets.token_hex(6)
        token = f"memgpt_{key_id}_{secrets.token_urlsafe(32)}"
        with self._database.transaction() as connection:
            key = KeyStore(connection).insert({**fields, "key_id": key_id, "secret_hash": _hash(token)})
        return NewKey(key, token)

    def _forget(self) -> None:
        with self._lock:
            self._found.clear()


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _ended(key: Key) -> str | None:
    """Why a key works no more."""
    if key.revoked_at is not None:
        return f"was revoked at {key.revoked_at.isoformat(timespec='seconds')}"
    if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
        return f"expired at {key.expires_at.isoformat(timespec='seconds')}"
    return None


def _patterns(agents: Iterable[str]) -> Sequence[str]:
    patterns = inputs.texts(agents, "agents")
    if not patterns:
        raise InputError("agents is empty: name the agents the key may touch; '*' is all of them")
    for pattern in patterns:
        if "*" in pattern[:-1]:
            raise InputError(f"{pattern!r} has a * inside: only a beginning can be given, such as 'acme-*'")
        inputs.agent_id(f"{pattern[:-1]}a" if pattern.endswith("*") else pattern, "agents")
    return patterns
