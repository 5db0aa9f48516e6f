"""What an inpainter is: `(photo, mask) -> photo`, and how one is called fairly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeconnect.errors import InputError
from edgeconnect.io.images import list_images, read_rgb

Rgb = NDArray[np.uint8]

Mask = NDArray[np.bool_]

Inpainter = Callable[[Rgb, Mask], Rgb]


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


def fill(inpainter: Inpainter, photo: Rgb, mask: Mask) -> Rgb:
    """The hole filled by an inpainter that is not shown what is in it; known pixels as they were.

    Errors: an inpainter that returns anything but the photo's shape in uint8.
    """
    shown = photo.copy()
    shown[mask] = 255
    filled = inpainter(shown, mask.copy())
    if not isinstance(filled, np.ndarray) or filled.shape != photo.shape or filled.dtype != np.uint8:
        got = f"{filled.shape} {filled.dtype}" if isinstance(filled, np.ndarray) else type(filled).__name__
        raise InputError(f"expected {photo.shape} uint8 from the inpainter, got {got}")
    result = photo.copy()
    result[mask] = filled[mask]
    return result


def as_rgb(picture: NDArray[Any]) -> Rgb:
    """[0,1] to uint8."""
    return np.asarray(np.clip(np.rint(picture * 255), 0, 255), np.uint8)
