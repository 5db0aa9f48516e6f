"""Where a number comes from: the contents of the files it was made of, and the versions of what made it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = (
    "edgeconnect",
    "numpy",
    "scipy",
    "opencv-python-headless",
    "scikit-image",
    "torch",
    "torchvision",
)


def content_hash(files: Iterable[Path], root: Path) -> str:
    """SHA-256 (hex) over the names below `root` and the bytes of the files, whatever order they come in."""
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + file_hash(path).encode())
    return total.hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes.

    path: a file of any size.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """Versions of this package (in a checkout its commit too) and of the libraries that it computes with."""
    commit = _commit()
    return {name: _version(name) for name in _PACKAGES} | ({"commit": commit} if commit else {})


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a checkout
        return "not installed"


def _commit() -> str | None:
    """The commit of the checkout that this package runs from, if it is one."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    try:
        git = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no git here; a checkout of another user
        return None
