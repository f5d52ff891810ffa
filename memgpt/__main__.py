"""``python -m memgpt`` is the command line."""

from memgpt.launch import main

main()
