"""Files that are whole or not there."""

from __future__ import annotations

import os
import re
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


def check_target(path: Path) -> None:
    """Raise InputError where a file at `path` would replace a folder, a device or a pipe."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:  # a name with NUL is a ValueError
        said = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: expected a place to write to, got: {said}") from None
    if not stat.S_ISREG(mode):
        what = "folder" if stat.S_ISDIR(mode) else "device or pipe"
        raise InputError(f"{path}: expected a place to write to, a new name or a file, got a {what}")


def real_path(path: Path) -> Path:
    """The path without links; a circle of links ends somewhere in it. InputError with NUL in it."""
    try:
        return Path(os.path.realpath(path))
    except ValueError as error:  # NUL in it
        raise InputError(f"{path}: expected a path that a file can have, got: {error}") from None


def sweep(path: Path) -> None:
    """Remove what killed processes left half-written of a file; nobody else may be writing it now.

    path: the file as it is called when it is whole.
    """
    owner = r"\d+-\d+"  # process and thread
    left = re.compile(re.escape(f".{path.stem}.") + owner + re.escape(f".part{path.suffix}"))
    for beside in path.parent.iterdir() if path.parent.is_dir() else ():
        if left.fullmatch(beside.name):
            beside.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def write_atomically(path: Path, content: bytes | Callable[[Path], object]) -> None:
    """Write `content`, or have it write, to a temporary file beside `path`; sync; rename; sync the folder.

    Folders are made, and links followed. Raises InputError where there is no place for it, and where there is
    something else than a file.
    """
    check_target(path)
    path = real_path(path) if path.is_symlink() else path
    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{threading.get_ident()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if isinstance(content, bytes):
                temporary.write_bytes(content)
            else:
                content(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: expected a place to write to, got: {error.strerror or error}") from error
