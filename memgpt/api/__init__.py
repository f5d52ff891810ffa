"""The memory over HTTP."""

from memgpt.api.app import create_app

__all__ = ["create_app"]
