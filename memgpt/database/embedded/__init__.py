"""The embedded server: a private PostgreSQL for whoever has named none, from the binaries of a wheel."""

from memgpt.database.embedded.binaries import binaries
from memgpt.database.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer", "binaries"]
