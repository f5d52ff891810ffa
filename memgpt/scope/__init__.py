"""The scope of a memory: one agent, its database, its embedding model, the open transaction."""
