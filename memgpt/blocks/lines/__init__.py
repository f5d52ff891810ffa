"""Lines of texts: which two of them share, and who wrote which. No database."""
