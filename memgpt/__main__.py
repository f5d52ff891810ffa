"""The commands ``memgpt`` and ``memgpt-postgres``, and ``python -m memgpt``.

The installation is checked before any module is imported that another project may have overwritten.
"""

from __future__ import annotations

import sys

from memgpt import installation


def main() -> None:
    """Run the command line; refuse where files of the package are not its own, and name whose they are."""
    if warning := installation.stranger():
        if installation.overwritten():
            _refuse()
        sys.stderr.write(f"warning: {warning}\n")
    try:
        from memgpt.cli import main as run
    except ImportError:
        if installation.overwritten():
            _refuse()
        raise
    run()


def _refuse() -> None:
    sys.exit("\n".join(f"error: {problem}" for problem in installation.problems()))


if __name__ == "__main__":
    main()
