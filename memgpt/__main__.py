"""``python -m memgpt`` is the command line."""

from memgpt.cli import main

main()
