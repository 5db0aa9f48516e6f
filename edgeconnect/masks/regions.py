"""Where to compute: groups of holes, the surroundings each needs, and cells of a size that a network can
take.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edgeconnect.types import Mask


BLOCK_PX = 16  # holes are grouped on a grid this coarse: a 24-megapixel mask is looked at once


@dataclass(frozen=True)
class Box:
    """Rows top..bottom and columns left..right (ends excluded) of an array."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """To index an (H,W,...) array with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, margin: int, shape: tuple[int, ...], min_side: int = 0) -> Box:
        """With `margin` more on each side and sides of `min_side` or more, as far as an array of `shape` has
        it.
        """
        top, bottom = _stretch(self.top - margin, self.bottom + margin, min_side, shape[0])
        left, right = _stretch(self.left - margin, self.right + margin, min_side, shape[1])
        return Box(top, left, bottom, right)

    def inside(self, outer: Box) -> Box:
        """The same box in the coordinates of `outer`'s upper left corner."""
        return Box(
            self.top - outer.top, self.left - outer.left, self.bottom - outer.top, self.right - outer.left
        )


def hole_groups(mask: Mask, distance: int) -> list[Box]:
    """Bounding boxes of the holes in `mask` (H,W), those within `distance` px (about) of each other together.

    From top to bottom by their first row. Empty for a mask without a hole.
    """
    blocks = _any_in_blocks(mask)
    reach = 1 + 2 * -(-distance // (2 * BLOCK_PX))
    joined = cv2.dilate(blocks, np.ones((reach, reach), np.uint8))
    _, _, found, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    return [_bounds(mask, *(stats[:4] * BLOCK_PX).tolist()) for stats in found[1:]]  # the first is the rest


def cells(mask: Mask, side: int) -> Iterator[Box]:
    """Split the bounding box of the hole evenly into boxes of at most `side` px; those without hole left
    out.

    mask: (H,W) bool, True = hole. side: in px.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return
    for top, bottom in _parts(int(rows[0]), int(rows[-1]) + 1, side):
        for left, right in _parts(int(columns[0]), int(columns[-1]) + 1, side):
            if mask[top:bottom, left:right].any():
                yield Box(top, left, bottom, right)


def tiles(shape: tuple[int, ...], side: int) -> Iterator[Box]:
    """Split (height, width) into boxes of `side` px, row by row; the last ones of each may be smaller.

    shape: (height, width, ...). side: px.
    """
    for top in range(0, shape[0], side):
        for left in range(0, shape[1], side):
            yield Box(top, left, min(top + side, shape[0]), min(left + side, shape[1]))


def depth(mask: Mask, part: Box | None = None) -> float:
    """The largest distance in px from a pixel of the hole (in a part) to a known one; 0 without a hole.

    mask: (H,W) bool, True = hole. part: of the mask; None: all of it.
    """
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    return float((distance if part is None else distance[part.slices]).max())


def rim(mask: Mask, width: float) -> Mask:
    """The pixels of the hole within `width` px of a known one.

    mask: (H,W) bool, True = hole.
    """
    return mask & (cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3) <= width)


def wide_parts(mask: Mask, half_px: float) -> Mask:
    """What of the hole in `mask` (H,W) is wider than twice `half_px`: where a disc of that radius fits in.

    A hole is taken to go on beyond the border of the mask.
    """
    border = math.ceil(half_px) + 1
    padded = np.pad(mask.astype(np.uint8), border, mode="edge")
    fits = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > half_px
    if not fits.any():  # a distance to nothing is not defined
        return np.zeros_like(mask)
    away = cv2.distanceTransform((~fits).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    near: Mask = away[border:-border, border:-border] <= half_px
    return mask & near


def _any_in_blocks(mask: Mask) -> NDArray[np.uint8]:
    height, width = (-(-length // BLOCK_PX) for length in mask.shape)
    padded = np.zeros((height * BLOCK_PX, width * BLOCK_PX), bool)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    # whole rows first: a few times faster than both axes at once
    rows = padded.reshape(height, BLOCK_PX, width * BLOCK_PX).any(1)
    return np.asarray(rows.reshape(height, width, BLOCK_PX).any(2), np.uint8)


def _bounds(mask: Mask, left: int, top: int, width: int, height: int) -> Box:
    """Bounds of the hole pixels in a box (another group's in it only make them wider)."""
    part = mask[top : top + height, left : left + width]
    rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
    return Box(
        top + int(rows[0]), left + int(columns[0]), top + int(rows[-1]) + 1, left + int(columns[-1]) + 1
    )


def _parts(start: int, stop: int, max_length: int) -> Iterator[tuple[int, int]]:
    count = -(-(stop - start) // max_length)
    marks = np.linspace(start, stop, count + 1).round().astype(int).tolist()
    yield from pairwise(marks)


def _stretch(start: int, stop: int, min_length: int, length: int) -> tuple[int, int]:
    missing = max(min_length - (stop - start), 0)
    start, stop = start - missing // 2, stop + missing - missing // 2
    if start < 0:
        start, stop = 0, stop - start if missing else stop
    if stop > length:
        start, stop = start - (stop - length) if missing else start, length
    return max(start, 0), min(stop, length)
