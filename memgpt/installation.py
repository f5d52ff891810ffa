"""This distribution as it is installed. Only the standard library, so that it runs beside files that are not ours.

The import package ``memgpt`` has the name of another project's distribution. Where both are installed, each overwrites
the other's files of the same name, and uninstalling one removes them.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

DISTRIBUTION: Final = "memgpt-postgres"
"""The name to install by; the package is imported as ``memgpt``."""

SOURCE: Final = Path(__file__).resolve().parents[1]

_REPAIR: Final = f"pip install --force-reinstall --no-deps {DISTRIBUTION}"


def version() -> str:
    """Return the installed version, "0" for a bare clone."""
    installed = _installed(DISTRIBUTION)
    return installed.version if installed else "0"


def problems() -> list[str]:
    """Return what is wrong with the installation, each with what to do; empty if it is whole."""
    broken = overwritten()
    files = f"{len(broken)} files of {DISTRIBUTION} are not its own or are missing, {', '.join(broken[:3])}: {_REPAIR}"
    return [*filter(None, [stranger()]), *([files] if broken else [])]


def stranger() -> str | None:
    """Name another project's distribution ``memgpt`` in this environment, with what to do about it."""
    other = _installed("memgpt")
    if other is None or _is_of_this_source(other):
        return None
    return (
        f"the distribution 'memgpt' {other.version}, which is installed in this environment too, is another project's "
        f"and overwrites files of {DISTRIBUTION}: pip uninstall memgpt, then {_REPAIR}"
    )


def overwritten() -> list[str]:
    """Return the files of the installed package that are not those of this distribution any more, or are gone."""
    installed = _installed(DISTRIBUTION)
    files = (installed.files or []) if installed else []
    return sorted(
        str(file)
        for file in files
        if file.parts[0] == "memgpt" and file.hash and file.hash.value != _sha256(Path(str(file.locate())))
    )


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _is_of_this_source(other: Distribution) -> bool:
    """Tell whether this is an editable install of this very checkout, made before the distribution had a name of its
    own."""
    origin = json.loads(other.read_text("direct_url.json") or "{}")
    return "editable" in origin.get("dir_info", {}) and origin.get("url") == SOURCE.as_uri()


def _sha256(path: Path) -> str:
    """Return the digest as the list of installed files has it; empty for a file that cannot be read."""
    try:
        digest = hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return ""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
