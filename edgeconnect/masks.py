"""Holes: draw them (squares, halves, boxes, brush strokes), repair mask files, pair them with photos.

A mask is (H,W) bool with True = hole (missing), everywhere in this package.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edgeconnect.brush import draw_ratio, strokes
from edgeconnect.errors import InputError
from edgeconnect.mask_repair import Polarity, repair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

__all__ = ["Polarity", "augment", "boxes", "centre", "dilate", "feather", "half", "hole_ratio",
           "pair_by_stem", "random_boxes", "repair", "square", "strokes", "touches_border"]  # fmt: skip

_MASK_SUFFIXES = ("_mask", "-mask")


def square(rng: Generator, height: int, width: int, area: float = 0.25) -> Mask:
    """A square hole of `area` (a share of the image) at a random place; a rectangle where no square fits."""
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
    """Boxes (x, y, width, height) in pixels as holes, clipped to the image; InputError for one outside it."""
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


def hole_ratio(mask: Mask) -> float:
    """The hole's share of the image, 0 to 1."""
    return float(mask.mean())


def touches_border(mask: Mask) -> bool:
    """Whether any hole pixel lies in the outermost rows and columns."""
    return bool(_border(mask).any())


def dilate(mask: Mask, radius_px: float) -> Mask:
    """The hole and every pixel within `radius_px` of it (between pixel centres)."""
    return mask | (_distance(mask) <= radius_px) if mask.any() else mask.copy()


def feather(mask: Mask, radius_px: float) -> NDArray[np.float32]:
    """(H,W) float32: 1 in the hole, falling evenly to 0 at `radius_px` + 1 from it; radius 0 is the mask."""
    if not mask.any():
        return np.zeros(mask.shape, np.float32)
    return np.asarray(np.clip(1 - _distance(mask) / (radius_px + 1), 0, 1), np.float32)


def pair_by_stem(
    photos: Sequence[Path], masks: Sequence[Path], what: str = "mask"
) -> list[tuple[Path, Path]]:
    """Each photo with its mask: the file of the same stem, or STEM_mask or STEM-mask.

    Where stems repeat, as in trees of folders, the path below the common folder decides. Raises InputError
    that names photos without a mask, masks without a photo, and two files with one stem; `what` is what to
    call the masks there.
    """
    by_tree = any(len({path.stem for path in paths}) < len(paths) for paths in (photos, masks))
    photo_of = _by_key(photos, "photos", by_tree, lambda key: key)
    mask_of = _by_key(
        masks, f"{what}s", by_tree, lambda key: key if key in photo_of else _without_suffix(key)
    )
    lone_photos = [photo_of[key] for key in photo_of.keys() - mask_of.keys()]
    lone_masks = [mask_of[key] for key in mask_of.keys() - photo_of.keys()]
    if lone_photos or lone_masks:
        article = "an" if what[0] in "aeiou" else "a"
        parts = [
            _named(f"photos without {article} {what}", lone_photos),
            _named(f"{what}s without a photo", lone_masks),
        ]
        raise InputError(f"expected one {what} for each photo, got {' and '.join(filter(None, parts))}")
    return [(photo, mask_of[key]) for key, photo in photo_of.items()]


def is_named_after(mask: Path, photo: Path) -> bool:
    """Whether `pair_by_stem` would pair them in flat folders."""
    return photo.stem in (mask.stem, _without_suffix(mask.stem))


def _by_key(paths: Sequence[Path], what: str, by_tree: bool, rename: Callable[[str], str]) -> dict[str, Path]:
    """Files by stem, or by their path below the common folder; InputError for two files with one key."""
    root = os.path.commonpath([path.parent for path in paths]) if paths else ""
    found: dict[str, Path] = {}
    for path in paths:
        key = rename(path.relative_to(root).with_suffix("").as_posix() if by_tree else path.stem)
        if key in found:
            raise InputError(f"expected {what} with one stem each, got {found[key]} and {path}")
        found[key] = path
    return found


def _without_suffix(key: str) -> str:
    """A mask's key without the ending that says it is a mask."""
    return next((key.removesuffix(end) for end in _MASK_SUFFIXES if key.endswith(end)), key)


def _named(what: str, paths: list[Path]) -> str:
    """How many files, with the first three by name; empty for none."""
    names = ", ".join(str(path) for path in sorted(paths)[:3])
    return f"{len(paths)} {what} ({names}{', ...' if len(paths) > 3 else ''})" if paths else ""


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
