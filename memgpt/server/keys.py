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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from memgpt import validation
from memgpt.database import forks
from memgpt.database.connection import Database
from memgpt.errors import AccessError, InputError, MismatchError, NotFoundError
from memgpt.models import PERMISSIONS, Key, Permission
from memgpt.server.keys_store import KeyStore

REMEMBERED: Final = 2.0
"""Seconds for which a key that was found is not looked up again: a revoked key works at most this long."""

NEW_KEYS: Final = 0.2
"""Seconds between two looks for keys that were not there before: who tries many tokens costs the database no more."""

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
        self._known: dict[bytes, tuple[float, Key | None]] = {}
        self._hashes: Mapping[str, bytes] = {}
        self._hashes_until = 0.0
        self._lock = forks.lock()

    def create(
        self,
        name: str = "",
        *,
        permissions: Iterable[Permission] = ("read", "write"),
        agents: Iterable[str] = ("*",),
        requests_per_minute: int | None = None,
        expires_at: datetime | str | None = None,
    ) -> NewKey:
        """Create a key. ``agents`` are exact names, or beginnings that end in ``*``; ``*`` alone is all."""
        expires = validation.moment(expires_at, "expires_at")
        if expires is not None and expires <= datetime.now(UTC):
            raise MismatchError(f"expires_at {expires.isoformat()} is in the past")
        if requests_per_minute is not None:
            validation.limit(requests_per_minute, "requests_per_minute", most=1_000_000)
        return self._insert(
            name=validation.text(name, "name", empty=True),
            permissions=[
                validation.choice(p, PERMISSIONS, "permissions") for p in validation.texts(permissions, "permissions")
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
        """Tell whether a key was ever created."""
        return self._database.read(lambda connection: KeyStore(connection).any())

    def rotate(self, key_id: str, *, grace: timedelta = timedelta(0)) -> NewKey:
        """Create a key like an old one, which works for ``grace`` more.

        Raises:
            NotFoundError: there is no such key.
            InputError: it is revoked or expired.
        """
        old = self._database.read(lambda connection: KeyStore(connection).get(key_id))
        if old is None:
            raise NotFoundError(f"there is no key {key_id!r}")
        if ended := _ended(old):
            raise MismatchError(f"key {key_id} {ended}: make a new one")
        rotated = self._insert(
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
        return rotated

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
        """Return the key of a token that was looked up a moment ago, without asking the database."""
        key = self._remembered(_hash(token))
        return None if key is None or _ended(key) else key

    def authenticate(self, token: str) -> Key:
        """Return the key of a token. Only a token that has the secret of a key is looked up.

        Raises:
            AccessError: no key has this token, or it has ended.
        """
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise AccessError("this is not a key of memgpt: one looks like memgpt_<id>_<secret>")
        key_id, hashed = match["key_id"], _hash(token)
        if not hmac.compare_digest(self._secret_hash(key_id), hashed):
            raise AccessError("the key is not known: make one with `memgpt key create`")
        key = self._remembered(hashed) or self._look_up(key_id, hashed)
        if ended := _ended(key):
            raise AccessError(f"key {key_id} {ended}")
        return key

    def _remembered(self, hashed: bytes) -> Key | None:
        until, key = self._known.get(hashed, (0.0, None))
        return key if time.monotonic() < until else None

    def _look_up(self, key_id: str, hashed: bytes) -> Key:
        key = self._database.read(lambda connection: KeyStore(connection).get(key_id))
        if key is None:
            raise AccessError(f"key {key_id} is gone")
        with self._lock:
            now = time.monotonic()
            self._known = {h: looked_up for h, looked_up in self._known.items() if looked_up[0] > now}
            self._known[hashed] = (now + REMEMBERED, key)
        return key

    def _secret_hash(self, key_id: str) -> bytes:
        """Return the hash of a key's secret, which never changes; for an unknown key, the hash of nothing."""
        with self._lock:
            if key_id not in self._hashes and time.monotonic() >= self._hashes_until:
                self._hashes = self._database.read(lambda connection: KeyStore(connection).secret_hashes())
                self._hashes_until = time.monotonic() + NEW_KEYS
            return self._hashes.get(key_id, _NOBODY)

    def _insert(self, **fields: object) -> NewKey:
        key_id = secrets.token_hex(6)
        token = f"memgpt_{key_id}_{secrets.token_urlsafe(32)}"
        with self._database.transaction() as connection:
            key = KeyStore(connection).insert({**fields, "key_id": key_id, "secret_hash": _hash(token)})
        self._forget()
        return NewKey(key, token)

    def _forget(self) -> None:
        with self._lock:
            self._known = {}
            self._hashes_until = 0.0


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
    patterns = validation.texts(agents, "agents")
    if not patterns:
        raise InputError("agents is empty: name the agents the key may touch; '*' is all of them")
    for pattern in patterns:
        if "*" in pattern[:-1]:
            raise InputError(f"{pattern!r} has a * inside: only a beginning can be given, such as 'acme-*'")
        validation.agent_id(f"{pattern[:-1]}a" if pattern.endswith("*") else pattern, "agents")
    return patterns
