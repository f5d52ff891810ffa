"""Sessions of the console: a cookie of 256 random bits, of which the database has the hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from psycopg.rows import dict_row

from memgpt.database import forks, queries
from memgpt.database.connection import Connection, Database
from memgpt.models import Key
from memgpt.server.service import Caller

SQL = queries.beside(__name__)

LASTS: Final = timedelta(days=7)
"""From sign-in to its end, however often it is used."""
IDLE: Final = timedelta(hours=12)
REMEMBERED: Final = 2.0
"""Seconds for which a session is not looked up again: that of a revoked key works at most this long."""
FRESH: Final = timedelta(minutes=15)
"""After sign-in what cannot be undone is done without asking for the key again."""
ONCE: Final = 60.0
"""Seconds for which a one-time token signs somebody in."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """One person at one browser."""

    caller: Caller
    secret: str
    signed_in_at: datetime
    kept: bool = True
    """False where the service asks for no keys: nobody signs in or out."""

    @property
    def token(self) -> str:
        """What every form carries: pages of others cannot know it."""
        return self.sign("form")

    def is_token(self, token: str) -> bool:
        return self.is_signed("form", token)

    def sign(self, text: str) -> str:
        """Return a mark that only this session could have made of a text."""
        return hmac.new(self.secret.encode(), text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def is_signed(self, text: str, mark: str) -> bool:
        return hmac.compare_digest(self.sign(text).encode(), mark.encode("utf-8", "replace"))

    @property
    def fresh(self) -> bool:
        return datetime.now(UTC) - self.signed_in_at < FRESH


class Sessions:
    """The sessions of one database. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[bytes, tuple[float, SignIn | None]] = {}
        self._once: dict[bytes, float] = {}
        self._lock = forks.lock()

    def start(self, key: Key | None) -> str:
        """Sign somebody in by a key, or None: without one. Return the cookie."""
        cookie = secrets.token_urlsafe(32)
        with self._database.transaction() as connection:
            connection.execute(SQL.delete_ended, {"idle": IDLE})
            fields = {"cookie_hash": _hash(cookie), "key_id": key and key.key_id, "lasts": LASTS}
            connection.execute(SQL.insert, fields)
        return cookie

    def known(self, cookie: str) -> SignIn | None:
        """Return a session that was found a moment ago, without a question to the database."""
        until, session = self._known.get(_hash(cookie), (0.0, None))
        return session if time.monotonic() < until else None

    def find(self, cookie: str) -> SignIn | None:
        """Return the session of a cookie, unless it has ended."""
        hashed = _hash(cookie)
        session = self._database.read(lambda connection: self._found(connection, cookie, hashed))
        with self._lock:
            now = time.monotonic()
            self._known = {h: signed_in for h, signed_in in self._known.items() if signed_in[0] > now}
            if session is not None:
                self._known[hashed] = (now + REMEMBERED, session)
        return session

    def end(self, cookie: str) -> None:
        """Sign somebody out."""
        hashed = _hash(cookie)
        with self._database.transaction() as connection:
            connection.execute(SQL.delete, {"cookie_hash": hashed})
        with self._lock:
            self._known.pop(hashed, None)

    def invite(self) -> str:
        """Return a token that signs one person in, once, without a key and to everything."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._once = {_hash(token): time.monotonic() + ONCE}
        return token

    def redeem(self, token: str) -> bool:
        """Use a one-time token up; false where it is none, or too old."""
        with self._lock:
            until = self._once.pop(_hash(token), 0.0)
        return time.monotonic() < until

    def _found(self, connection: Connection, cookie: str, hashed: bytes) -> SignIn | None:
        with connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(SQL.find, {"cookie_hash": hashed, "idle": IDLE}).fetchone()
        if row is None:
            return None
        signed_in_at, to_be_marked = row.pop("signed_in_at"), row.pop("to_be_marked")
        if to_be_marked:
            connection.execute(SQL.mark_used, {"cookie_hash": hashed})
        return SignIn(Caller(Key(**row) if row["key_id"] else None), cookie, signed_in_at)


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).digest()
