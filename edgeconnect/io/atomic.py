"""Files that are whole or not there."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write_atomically(path: Path, content: bytes | Callable[[Path], object]) -> None:
    """Write `content`, or have it write, to a temporary file beside `path`; sync; rename.

    Folders are made. Raises InputError where there is no place for it.
    """
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
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: expected a place to write to, got: {error.strerror or error}") from error
