"""What a request for embeddings and its answer look like at OpenAI, Voyage, Google, Cohere and Bedrock."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any

Vectors = Sequence[Sequence[float]]
TOKENS = 7
"""What the server says each text has."""

BEDROCK_COUNT = "x-amzn-bedrock-input-token-count"
"""The header in which Bedrock says it."""


def speaks(path: str) -> bool:
    """Whether that is an address for embeddings."""
    return path in ("/v1/embeddings", "/v2/embed") or path.endswith((":batchEmbedContents", "/invoke"))


def asked(path: str, body: dict[str, Any]) -> tuple[list[str], int | None]:
    """The texts of a request, and the dimensions it asks for."""
    if path.endswith(":batchEmbedContents"):
        requests = body["requests"]
        texts = [request["content"]["parts"][0]["text"] for request in requests]
        return texts, requests[0].get("outputDimensionality")
    if path.endswith("/invoke"):
        return [body["inputText"]], body.get("dimensions")
    texts = body["texts"] if path == "/v2/embed" else body["input"]
    return [texts] if isinstance(texts, str) else texts, body.get("dimensions") or body.get("output_dimension")


def answer(path: str, body: dict[str, Any], vectors: Vectors) -> dict[str, Any]:
    """These vectors, as the protocol has them."""
    tokens = TOKENS * len(vectors)
    if path.endswith(":batchEmbedContents"):
        return {"embeddings": [{"values": list(vector)} for vector in vectors]}
    if path.endswith("/invoke"):
        return {"embedding": list(vectors[0]) if vectors else [], "inputTextTokenCount": tokens}
    if path == "/v2/embed":
        return {
            "id": "e",
            "response_type": "embeddings_by_type",
            "texts": body["texts"],
            "embeddings": {"float": [list(vector) for vector in vectors]},
            "meta": {"billed_units": {"input_tokens": tokens}},
        }

    def encoded(values: Sequence[float]) -> object:
        if body.get("encoding_format") == "base64":
            return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
        return list(values)

    return {
        "object": "list",
        "data": [{"object": "embedding", "index": i, "embedding": encoded(v)} for i, v in enumerate(vectors)],
        "model": body["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
