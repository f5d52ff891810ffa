"""What every part of a memory works with: one agent, its database, its embedding model, the open transaction."""
