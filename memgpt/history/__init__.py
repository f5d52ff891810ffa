"""The history of changes: what was done, undo, a memory as it was at a time."""
