"""The embedded server: a private PostgreSQL for whoever has named none, from the binaries of a wheel."""

from memgpt.database.embedded.binaries import binaries
from memgpt.database.embedded.server import EmbeddedServer, stop
from memgpt.database.embedded.status import ServerStatus, status

__all__ = ["EmbeddedServer", "ServerStatus", "binaries", "status", "stop"]
