"""The fields of a multipart form, each checked: text, numbers, choices, pictures."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from edgeconnect.errors import InputError
from edgeconnect.io import images

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from starlette.datastructures import FormData

T = TypeVar("T")
Choice = TypeVar("Choice", bound=str)


_PICTURES = 2.5  # of the largest size, that all pictures of a form together may come to


class Fields:
    """What a client sent; mistakes in the form raise HTTPException 400, unusable pictures InputError."""

    def __init__(self, form: FormData, known: Collection[str], max_pixels: int) -> None:
        """known: the names that may occur; max_pixels: of a picture."""
        self._form = form
        self._max_pixels, self._left = max_pixels, _PICTURES * max_pixels
        if unknown := sorted(set(form) - set(known)):
            raise HTTPException(400, f"expected fields {', '.join(sorted(known))}; got {unknown[0][:50]!r}")

    def text(self, name: str) -> str | None:
        """A field's text; None where it is missing or empty."""
        value = self._form.get(name)
        if isinstance(value, UploadFile):
            raise HTTPException(400, f"{name}: expected text, got a file")
        return value or None

    def texts(self, name: str) -> list[str]:
        """All texts of a field that may be repeated."""
        return [value for value in self._form.getlist(name) if isinstance(value, str) and value]

    def choice(self, name: str, choices: tuple[Choice, ...]) -> Choice:
        """One of some words; the first where the field is missing."""
        value = self.text(name)
        if value is not None and value not in choices:
            raise HTTPException(400, f"{name}: expected one of {', '.join(choices)}, got {value[:50]!r}")
        return choices[0] if value is None else choices[choices.index(value)]

    def whole(self, name: str) -> int | None:
        """A number without sign or fraction; None where the field is missing."""
        value = self.text(name)
        if value is not None and not (value.isascii() and value.isdecimal() and len(value) < 10):
            raise HTTPException(400, f"{name}: expected a whole number, got {value[:50]!r}")
        return None if value is None else int(value)

    def share(self, name: str) -> float | None:
        """A number from 0 to 1; None where the field is missing."""
        value = self.text(name)
        if value is None:
            return None
        try:
            number = float(value)
        except ValueError:
            number = -1
        if not 0 <= number <= 1:
            raise HTTPException(400, f"{name}: expected a number from 0 to 1, got {value[:50]!r}")
        return number

    def has(self, name: str) -> bool:
        """Whether a file was sent under this name."""
        return self._file(name) is not None

    def content_hash(self, name: str) -> str:
        """SHA-256 of a file's bytes, in hexadecimal."""
        file = self._needed(name).file
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]

    def picture(self, name: str, read: Callable[[Path], T]) -> T:
        """A file as `read` reads it; InputError where it is no picture or has too many pixels."""
        with self._on_disk(name) as path:
            try:
                self._left -= images.check_size(path, min(self._max_pixels, self._left))
                return read(path)
            except InputError as error:
                raise InputError(str(error).replace(str(path), name)) from None

    @contextmanager
    def _on_disk(self, name: str) -> Iterator[Path]:
        """A file under a name of our own: what the client calls it is never used."""
        file = self._needed(name).file
        file.seek(0)
        with tempfile.TemporaryDirectory(prefix="edgeconnect-") as folder:
            path = Path(folder, "picture")
            with path.open("wb") as copy:
                shutil.copyfileobj(file, copy)
            yield path

    def _needed(self, name: str) -> UploadFile:
        file = self._file(name)
        if file is None:
            raise HTTPException(400, f"{name}: expected a picture, got none")
        return file

    def _file(self, name: str) -> UploadFile | None:
        value = self._form.get(name)
        if isinstance(value, str) and value:
            raise HTTPException(400, f"{name}: expected a file, got text")
        return value if isinstance(value, UploadFile) and value.size else None
