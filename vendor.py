"""``make vendor``: bring the libraries of others that vendor.toml names, by npm, and check every hash. Who installs a
wheel or an sdist needs none of this. ``--check`` only compares what is there.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent


def packages() -> list[dict[str, Any]]:
    """Return what vendor.toml names."""
    wanted: list[dict[str, Any]] = tomllib.loads((ROOT / "vendor.toml").read_text("utf-8"))["package"]
    return wanted


def place(package: dict[str, Any], name: str) -> Path:
    """Return where a file of a package lies."""
    return ROOT / package["into"] / Path(name).name


def problems(package: dict[str, Any]) -> list[str]:
    """Return the files that are missing, or are not those of vendor.toml."""
    return [
        str(place(package, name).relative_to(ROOT))
        for name, sha256 in package["files"].items()
        if not place(package, name).is_file() or hashlib.sha256(place(package, name).read_bytes()).hexdigest() != sha256
    ]


def bring(package: dict[str, Any]) -> None:
    """Download one package, check it, and write its files and its licence."""
    with tempfile.TemporaryDirectory() as directory:
        command = ["npm", "pack", "--ignore-scripts", "--silent", f"{package['name']}@{package['version']}"]
        subprocess.run(command, check=True, cwd=directory, stdout=subprocess.DEVNULL)
        [packed] = Path(directory).glob("*.tgz")
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        if integrity != package["integrity"]:
            sys.exit(f"{package['name']} {package['version']} has the integrity {integrity}, not that of vendor.toml")
        with tarfile.open(packed) as archive:
            for name, sha256 in package["files"].items():
                write(package, name, sha256, content(archive, name))
            licence = place(package, f"LICENSE-{package['name']}.txt")
            licence.write_bytes(content(archive, "LICENSE"))


def content(archive: tarfile.TarFile, name: str) -> bytes:
    """Return a file of a package."""
    file = archive.extractfile(f"package/{name}")
    assert file is not None  # noqa: S101 - a directory has no hash in vendor.toml
    return file.read()


def write(package: dict[str, Any], name: str, sha256: str, body: bytes) -> None:
    """Keep a file whose hash is the one of vendor.toml."""
    if hashlib.sha256(body).hexdigest() != sha256:
        sys.exit(
            f"{name} of {package['name']} has the SHA-256 {hashlib.sha256(body).hexdigest()}, not that of vendor.toml"
        )
    path = place(package, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def main() -> None:
    """Bring what is missing or differs; with ``--check`` fail where something does."""
    different = [package for package in packages() if problems(package)]
    if "--check" in sys.argv[1:]:
        if different:
            sys.exit("run `make vendor`: " + ", ".join(name for package in different for name in problems(package)))
        return
    for package in different:
        bring(package)
        print(f"{package['name']} {package['version']} ({package['license']}) into {package['into']}")


if __name__ == "__main__":
    main()
