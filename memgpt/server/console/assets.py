"""Style sheets, scripts and icons: ours, and those that `make vendor` brings. Addresses name their content."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served."""

    body: bytes
    media_type: str

    @property
    def integrity(self) -> str:
        """As a script element's ``integrity`` has it."""
        return "sha384-" + base64.b64encode(hashlib.sha384(self.body).digest()).decode()


@cache
def assets() -> Mapping[str, Asset]:
    """Return the files by name; those of others are ``vendor/…``, and absent before `make vendor`."""
    files = {path.name: path for path in (HERE / "static").iterdir()}
    files |= {f"vendor/{path.name}": path for path in (HERE / "vendor").glob("*.js")}
    return {name: Asset(path.read_bytes(), TYPES[path.suffix]) for name, path in sorted(files.items())}


@cache
def version() -> str:
    """Return a hash over all files: modules import each other by relative addresses, so they share it."""
    together = hashlib.sha256()
    for name, asset in assets().items():
        together.update(f"{name} {len(asset.body)} ".encode())
        together.update(asset.body)
    return together.hexdigest()[:16]


def address(name: str) -> str:
    """Return where a file is served."""
    return f"/static/{version()}/{name}"


def integrity(name: str) -> str:
    return assets()[name].integrity


def vendored() -> bool:
    """Whether the libraries of others are here; without them the console is plain pages."""
    return "vendor/htmx.min.js" in assets()
