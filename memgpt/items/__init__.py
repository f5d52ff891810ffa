"""Store items: values at a namespace and a key, which applications keep and search finds."""
