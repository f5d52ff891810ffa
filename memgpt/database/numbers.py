"""Numbers of single precision from PostgreSQL: 0.1 is 0.1 again."""

from __future__ import annotations

import struct

import numpy as np
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

_SINGLE = struct.Struct("!f")


class SingleLoader(Loader):
    """A float4 in binary, as the shortest number that is stored so: 0.1, not 0.10000000149011612."""

    format = Format.BINARY

    def load(self, data: Buffer) -> float:
        (value,) = _SINGLE.unpack(data)
        return float(str(np.float32(value)))


def register(context: AdaptContext) -> None:
    """Load numbers this way on a connection."""
    context.adapters.register_loader("float4", SingleLoader)
