"""LlamaIndex: a vector store, a block of its ``Memory`` and an embedding model over a memory."""

from memgpt.errors import MissingExtraError

try:
    from memgpt.integrations.llama_index.memory_block import MemgptMemoryBlock
    from memgpt.integrations.llama_index.node_vectors import MemgptEmbedding, MemgptNodeVectorStore
except ModuleNotFoundError as error:
    raise MissingExtraError(
        error.name or "llama-index-core", "llama-index", "memgpt.integrations.llama_index"
    ) from error

__all__ = ["MemgptEmbedding", "MemgptMemoryBlock", "MemgptNodeVectorStore"]
