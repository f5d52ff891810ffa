"""Rates: how many requests a key may make in a minute."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final

from memgpt.database import forks
from memgpt.models import Key


class Rates:
    """Token buckets, one a key: a full bucket holds a minute's requests, at most 60 of them at once."""

    MOST_KEPT: Final = 10_000
    """Buckets; the one used longest ago goes first, and is full again."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = forks.lock()

    def wait(self, key: Key | None) -> float:
        """Take one request from the bucket: 0, or the seconds until there is one."""
        if key is None or key.requests_per_minute is None:
            return 0.0
        return self.take(key.key_id, key.requests_per_minute)

    def take(self, name: str, per_minute: int) -> float:
        """Take one from a bucket that fills so fast: 0, or the seconds until there is one."""
        rate, most = per_minute / 60, float(min(per_minute, 60))
        with self._lock:
            now = time.monotonic()
            left, at = self._buckets.get(name, (most, now))
            left = min(most, left + (now - at) * rate)
            enough = left >= 1
            self._buckets[name] = (left - 1 if enough else left, now)
            self._buckets.move_to_end(name)
            if len(self._buckets) > self.MOST_KEPT:
                self._buckets.popitem(last=False)
        return 0.0 if enough else (1 - left) / rate
