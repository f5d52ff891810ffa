"""Waiting for a database that is not there yet, as when both are started at once."""

from __future__ import annotations

import logging
import time
from typing import Final

import psycopg

from memgpt.config import Settings
from memgpt.database.connection import connect
from memgpt.errors import DatabaseError

LONGEST: Final = 15.0
"""Seconds between two attempts, at most."""

REFUSALS: Final = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied")
"""Words of a server that is there and says no: waiting does not change its mind."""

log = logging.getLogger("memgpt.start")


def wait_for_database(options: Settings) -> None:
    """Return when the database answers, however long that takes; each attempt that fails is logged.

    Raises:
        DatabaseError: the server answers and refuses, or is none that memgpt can use.
    """
    pause = 0.5
    while not options.uses_embedded_server:
        try:
            connect(options=options, vectors=False).close()
            return
        except DatabaseError as error:
            refused = any(words in str(error) for words in REFUSALS)
            if refused or not isinstance(error.__cause__, psycopg.OperationalError):
                raise
            log.warning("%s; waiting, the next attempt is in %g s", " ".join(str(error).split()), pause)
        time.sleep(pause)
        pause = min(pause * 2, LONGEST)
