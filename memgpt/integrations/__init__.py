"""Memories and conversations from elsewhere, and other projects' interfaces over this one."""
