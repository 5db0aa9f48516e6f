"""Holes as shapes: squares, halves, boxes; and what is asked of any mask.

A mask is (H,W) bool with True = hole (missing), everywhere in this package.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edgeconnect.errors import InputError
from edgeconnect.masks.strokes import draw_ratio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.random import Generator
    from numpy.typing import NDArray

    from edgeconnect.types import Mask


def square(rng: Generator, height: int, width: int, area: float = 0.25) -> Mask:
    """A square hole at a random place, a rectangle where no square fits: (height, width) bool.

    area: the hole's share of the image, above 0 and up to 1, else InputError.
    rng: decides the place. height, width: of the mask in px.
    """
    hole_height, hole_width = _square_size(height, width, area)
    top, left = rng.integers(height - hole_height + 1), rng.integers(width - hole_width + 1)
    return boxes(height, width, [(int(left), int(top), hole_width, hole_height)])


def half(rng: Generator, height: int, width: int) -> Mask:
    """The left, right, upper or lower half as the hole."""
    mask = np.zeros((height, width), bool)
    side = rng.integers(4)
    view = mask if side < 2 else mask.T
    middle = view.shape[1] // 2
    view[:, slice(None, middle) if side % 2 else slice(middle, None)] = True
    return mask


def centre(height: int, width: int, area: float = 0.25) -> Mask:
    """A square hole of `area` (a share of the image) in the middle."""
    hole_height, hole_width = _square_size(height, width, area)
    return boxes(
        height, width, [((width - hole_width) // 2, (height - hole_height) // 2, hole_width, hole_height)]
    )


def boxes(height: int, width: int, boxes: Iterable[tuple[int, int, int, int]]) -> Mask:
    """Boxes (x, y, width, height) in pixels as holes, clipped to the image; InputError for one outside it.

    height, width: of the mask in px. boxes: any number.
    """
    mask = np.zeros((height, width), bool)
    for x, y, box_width, box_height in boxes:
        view = mask[max(y, 0) : max(y + box_height, 0), max(x, 0) : max(x + box_width, 0)]
        if not view.size:
            box = f"{x},{y},{box_width},{box_height}"
            raise InputError(f"expected a box x,y,width,height inside {width}x{height} pixels, got {box}")
        view[:] = True
    return mask


def random_boxes(
    rng: Generator,
    height: int,
    width: int,
    count: tuple[int, int] = (1, 5),
    ratio: tuple[float, float] = (0.1, 0.4),
) -> Mask:
    """Boxes at random places, their number and joint hole ratio drawn from two ranges, ends included.

    The boxes grow together until their union is as near to the ratio as whole rows and columns come.
    rng: decides all. height, width: of the mask in px. count: of boxes. ratio: of the hole. Returns (height,
    width) bool.
    """
    pixels = draw_ratio(rng, ratio) * height * width
    number = int(rng.integers(count[0], count[1] + 1))
    places = rng.uniform(0, 1, (number, 2)) * (width, height)
    shapes = np.exp(rng.normal(0, 0.4, (number, 2))) * np.sqrt(rng.dirichlet(np.full(number, 3.0)))[:, None]

    def sides(size: float) -> NDArray[np.int64]:
        ends = np.hstack([places - shapes * size / 2, places + shapes * size / 2])
        return np.clip(np.rint(ends), 0, (width, height, width, height)).astype(np.int64)

    low, high = 0.0, math.hypot(height, width) * 2 / float(shapes.min())
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if _union(sides(middle), height, width).sum() < pixels else (low, middle)
    masks = (_union(sides(size), height, width) for size in (low, high))
    return min(masks, key=lambda mask: abs(int(mask.sum()) - pixels))


def augment(rng: Generator, mask: Mask) -> Mask:
    """One of 4 rotations x mirror at random; others than squares keep their shape (2 rotations x mirror)."""
    is_square = mask.shape[0] == mask.shape[1]
    turned = np.rot90(mask, int(rng.integers(4)) if is_square else 2 * int(rng.integers(2)))
    return np.ascontiguousarray(turned[:, ::-1] if rng.integers(2) else turned)


def widest_gap(mask: Mask) -> int:
    """The middle of the widest run of columns without hole, where the last column goes on at the first.

    A panorama whose ends are moved there cuts no hole. 0 where no column is without hole, or all are.
    mask: (H,W) bool, True = hole.
    """
    columns = np.flatnonzero(mask.any(axis=0))
    if not len(columns):
        return 0
    gaps = np.diff(columns, append=columns[0] + mask.shape[1])
    widest = int(gaps.argmax())
    return int(columns[widest] + (gaps[widest] + 1) // 2) % mask.shape[1] if gaps[widest] > 1 else 0


def hole_ratio(mask: Mask) -> float:
    """The hole's share of the image, 0 to 1.

    mask: (H,W) bool, True = hole.
    """
    return float(mask.mean())


def touches_border(mask: Mask) -> bool:
    """Whether any hole pixel lies in the outermost rows and columns.

    mask: (H,W) bool, True = hole.
    """
    return bool(_border(mask).any())


def dilate(mask: Mask, radius_px: float) -> Mask:
    """The hole and every pixel within `radius_px` of it (between pixel centres): (H,W) bool -> (H,W) bool.

    mask: True = hole. radius_px: 0 or more.
    """
    return mask | (_distance(mask) <= radius_px) if radius_px >= 1 and mask.any() else mask.copy()


def feather(mask: Mask, radius_px: float) -> NDArray[np.float32]:
    """(H,W) float32: 1 in the hole, falling evenly to 0 at `radius_px` + 1 from it; radius 0 is the mask."""
    if not mask.any():
        return np.zeros(mask.shape, np.float32)
    return np.asarray(np.clip(1 - _distance(mask) / (radius_px + 1), 0, 1), np.float32)


def _distance(mask: Mask) -> NDArray[np.float32]:
    """Each pixel's distance in pixels to the nearest hole pixel; the mask must have one."""
    outside = (~mask).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def _border(mask: Mask) -> Mask:
    """The outermost rows and columns in one line."""
    return np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])


def _square_size(height: int, width: int, area: float) -> tuple[int, int]:
    """(height, width) in pixels of a square with a share of the image, or of the rectangle that fits."""
    if not 0 < area <= 1:
        raise InputError(f"expected a hole area over 0 and up to 1 (share of the image), got {area}")
    pixels = area * height * width
    shorter = min(max(1, round(math.sqrt(pixels))), height, width)
    longer = min(max(1, round(pixels / shorter)), max(height, width))
    return (shorter, longer) if height <= width else (longer, shorter)


def _union(sides: NDArray[np.int64], height: int, width: int) -> Mask:
    """The boxes of (N,4) left, top, right, bottom together."""
    mask = np.zeros((height, width), bool)
    for left, top, right, bottom in sides:
        mask[top:bottom, left:right] = True
    return mask
