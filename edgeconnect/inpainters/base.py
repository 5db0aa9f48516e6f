"""What an inpainter is and how it is called: the same for the networks, classical ones and anyone's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeconnect.errors import InputError
from edgeconnect.io.encoders import to_8bit
from edgeconnect.io.images import list_images, read_rgb
from edgeconnect.types import Image, Inpainter, Mask, Rgb


@dataclass(frozen=True)
class Method:
    """An inpainter that was found but not loaded.

    name: what to call it; a folder and a line of a table are named so.
    origin: a hash or a version, which changes when its results might.
    load: makes it ready, which may take seconds.
    """

    name: str
    origin: str
    load: Callable[[], Inpainter]


@dataclass(frozen=True)
class ResultsFolder:
    """What another tool made of the same photos and masks: its files by name."""

    files: Mapping[str, Path]

    @classmethod
    def of(cls, folder: Path) -> ResultsFolder:
        """The pictures in a folder by their paths below it without the suffix."""
        return cls(
            {path.relative_to(folder).with_suffix("").as_posix(): path for path in list_images(folder)}
        )

    def picture(self, name: str) -> Rgb:
        """The result of that name. Errors: there is none."""
        if name not in self.files:
            raise InputError(f"expected a result named {name}, got none among {len(self.files)} files")
        return read_rgb(self.files[name])

    def __call__(self, photo: Rgb, mask: Mask) -> Rgb:
        """Finished results go by name: an InputError for those who only have a photo.

        photo, mask: as for any inpainter; neither is looked at.
        """
        raise InputError("folder: holds finished results, which the benchmark finds by name; nothing to call")


def fill(inpainter: Inpainter, photo: Image, mask: Mask) -> Image:
    """The hole filled by an inpainter that is not shown what is in it; known pixels as they were.

    photo: (H,W,3); of 16 bits the inpainter sees the upper 8, and the hole is filled with 8 bits scaled up.
    mask: (H,W), True = hole.
    Raises InputError where the inpainter returns anything but the photo's shape in uint8.
    """
    shown = to_8bit(photo).copy()
    shown[mask] = 255
    filled = inpainter(shown, mask.copy())
    if not isinstance(filled, np.ndarray) or filled.shape != photo.shape or filled.dtype != np.uint8:
        got = f"{filled.shape} {filled.dtype}" if isinstance(filled, np.ndarray) else type(filled).__name__
        raise InputError(f"expected {photo.shape} uint8 from the inpainter, got {got}")
    result = photo.copy()
    result[mask] = filled[mask].astype(photo.dtype) * (257 if photo.dtype == np.uint16 else 1)
    return result


def as_rgb(picture: NDArray[Any]) -> Rgb:
    """[0,1] to uint8."""
    return np.asarray(np.clip(np.rint(picture * 255), 0, 255), np.uint8)
