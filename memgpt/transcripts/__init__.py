"""Conversations from elsewhere: exports of assistants and messengers, and message lists of their interfaces."""

from memgpt.transcripts.imports import ImportedTranscript, TranscriptProblem, import_transcript

__all__ = ["ImportedTranscript", "TranscriptProblem", "import_transcript"]
