"""Measurements anyone can repeat: one question a file, everything compared within one run."""
