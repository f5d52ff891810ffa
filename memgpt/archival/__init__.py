"""Archival memories: free texts that an agent keeps for good."""
