"""Conversations from elsewhere: exports of assistants and messengers, and message lists of their interfaces."""

from memgpt.integrations.transcripts.run import ImportedTranscript, import_transcript

__all__ = ["ImportedTranscript", "import_transcript"]
