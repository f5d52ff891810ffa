"""Proposed changes: listed, applied, rejected, reverted."""
