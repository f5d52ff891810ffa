"""Apply pending migrations from a bare clone; takes the options of `memgpt db migrate`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
try:
    from memgpt.cli import main
except ModuleNotFoundError as error:
    sys.exit(
        f"error: the Python package {error.name!r} is missing: run `pip install .` in the repository, then this again"
    )

sys.argv[1:1] = ["db", "migrate"]
main()
