"""Names that the providers of chat and of embedding models share."""

from typing import Final

SELF_HOSTED_ADDRESSES: Final = {"ollama": "http://127.0.0.1:11434/v1", "vllm": "http://127.0.0.1:8000/v1"}
"""Where a server on this machine listens unless it is told otherwise."""
