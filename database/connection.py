"""``get_db_connection``, where the specification looks for it; the code is in :mod:`memgpt.database.connection`."""

from memgpt.database.connection import get_db_connection

__all__ = ["get_db_connection"]
