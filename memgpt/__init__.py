"""Long-term memory for LLM agents, in the PostgreSQL you already run."""
