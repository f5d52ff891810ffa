"""LangChain: a vector store, a retriever, chat history and a key-value store over a memory."""

from memgpt.errors import MissingExtraError

try:
    from memgpt.integrations.langchain.chat_history import MemgptChatMessageHistory
    from memgpt.integrations.langchain.key_values import MemgptKeyValueStore
    from memgpt.integrations.langchain.retriever import MemgptRetriever
    from memgpt.integrations.langchain.vectors import MemgptVectorStore
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "langchain-core", "langchain", "memgpt.integrations.langchain") from error

__all__ = ["MemgptChatMessageHistory", "MemgptKeyValueStore", "MemgptRetriever", "MemgptVectorStore"]
