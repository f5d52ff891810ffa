"""Documents and their chunks: reading files, cutting texts, keeping both."""
