"""The memory over HTTP."""

from memgpt.server.api.app import create_app

__all__ = ["create_app"]
