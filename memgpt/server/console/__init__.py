"""The console: pages on which a person sees, searches, corrects and takes back what an agent remembers."""

from memgpt.server.console.console import Console

__all__ = ["Console"]
