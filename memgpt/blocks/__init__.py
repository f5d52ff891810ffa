"""Core memory: labelled blocks that are always in an agent's context."""
