"""Which characters of a text match a query."""
