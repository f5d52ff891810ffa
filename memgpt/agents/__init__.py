"""Agents: list, create, rename, fork, delete; whole memories as files."""
