"""A larger photo around a photo: its new border is a hole like any other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeconnect.types import Image, Mask

SIDES = ("left", "top", "right", "bottom")
MAX_TIMES = 4  # of the photo's own side that one may be extended by; beyond, there is nothing to follow
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(px|%)?")


@dataclass(frozen=True)
class Border:
    """Pixels to add at each side."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of a photo with it."""
        return height + self.top + self.bottom, width + self.left + self.right


def parse(text: str) -> dict[str, tuple[float, str]]:
    """The lengths that a text asks for, by side: a number and its unit, "px" or "%".

    text: "10%", "64", "64px" for all sides, or "left=20%,top=64px" for some. Raises InputError for others.
    """
    parts = [part.strip().lower() for part in text.split(",")]
    named = [part.partition("=") for part in parts]
    if len(parts) == 1 and "=" not in text:
        return dict.fromkeys(SIDES, _length(parts[0], text))
    sides = [name.strip() for name, _, _ in named]
    if any(side not in SIDES for side in sides) or len(set(sides)) < len(sides):
        raise _unusable(text)
    return {side: _length(length.strip(), text) for side, (_, _, length) in zip(sides, named, strict=True)}


def border(lengths: dict[str, tuple[float, str]], height: int, width: int) -> Border:
    """The pixels that `parse`d lengths are at a photo of this size; percent are of its width or height.

    Raises InputError where that is nothing, or more than MAX_TIMES the photo's own side.
    """
    pixels = {}
    for side, (number, unit) in lengths.items():
        length = width if side in ("left", "right") else height
        pixels[side] = round(number if unit == "px" else length * number / 100)
        if pixels[side] > MAX_TIMES * length:
            raise InputError(
                f"extend: expected at most {MAX_TIMES * length} px at the {side}, {MAX_TIMES} times the "
                f"photo's {length} px, got {pixels[side]}"
            )
    if not any(pixels.values()):
        raise InputError("extend: expected at least one pixel at some side, got none")
    return Border(**pixels)


def extended(photo: NDArray[Any], sides: Border) -> NDArray[Any]:
    """The photo (H,W) or (H,W,C) with its outermost pixels repeated in the border; what is in there is to be
    filled.

    photo: any type. sides: the border in px. Returns a copy of the larger size.
    """
    widths = ((sides.top, sides.bottom), (sides.left, sides.right), (0, 0))[: photo.ndim]
    return np.pad(photo, widths, mode="edge")


def new_pixels(sides: Border, height: int, width: int) -> Mask:
    """The border as a mask of the extended photo, for a photo of `height` and `width`.

    sides: the border in px. Returns bool, True = new.
    """
    mask = np.ones(sides.size(height, width), bool)
    mask[sides.top : sides.top + height, sides.left : sides.left + width] = False
    return mask


def extend(photo: Image, sides: Border, mask: Mask | None = None) -> tuple[Image, Mask]:
    """An extended photo and its hole: the border, and what was a hole before.

    photo: (H,W,3) uint8 or uint16. mask: (H,W) bool, None: no hole.
    sides: the border in px.
    """
    height, width = photo.shape[:2]
    hole = new_pixels(sides, height, width)
    if mask is not None:
        hole[sides.top : sides.top + height, sides.left : sides.left + width] = mask
    return extended(photo, sides), hole


def _length(text: str, whole: str) -> tuple[float, str]:
    match = _LENGTH.fullmatch(text)
    if not match:
        raise _unusable(whole)
    return float(match[1]), match[2] or "px"


def _unusable(text: str) -> InputError:
    return InputError(
        f"extend: expected a length such as 10% or 64px, or sides such as left=20%,bottom=64px, got {text!r}"
    )
