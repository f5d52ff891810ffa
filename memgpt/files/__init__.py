"""Files: texts at paths, with versions and history, found by search."""
