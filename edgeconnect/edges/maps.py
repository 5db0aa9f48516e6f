"""Edge maps as files that people edit, another photo's lines, and a map as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edgeconnect.edges.canny import to_full_gray
from edgeconnect.errors import InputError
from edgeconnect.io import images

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edgeconnect.types import Mask, Rgb

COMPLETED, PAPER = np.array([0, 50, 255], np.uint8), np.array([232, 240, 255], np.uint8)
Polarity = Literal["guess", "white", "black"]

NOISE = 0.12
"""Strokes fainter than this (of 1) are taken for JPEG noise: of quality 75, 99.9 % of it stays under this."""


def repair_edges(
    pixels: NDArray[np.generic], size: tuple[int, int], polarity: Polarity = "guess", noise: float = NOISE
) -> tuple[NDArray[np.float32], list[str]]:
    """An edge map from whatever a paint program saved, and a sentence for each thing that had to be decided.

    pixels: (H,W) or (H,W,2|3|4) uint8, uint16 or bool, as `images.read_raw` gives them.
    size: the photo's (h,w).
    polarity: the colour of the strokes; "guess" takes the majority for the background and says so.
    Returns (H,W) float32 in [0,1]: a stroke of any colour is as strong as its strongest channel differs from
    the background, transparent pixels are background, what is fainter than `noise` is 0. Two-valued maps come
    back two-valued. Raises InputError where the map's size is not the photo's.
    """
    if polarity not in ("guess", "white", "black"):
        raise ValueError(f"polarity must be guess, white or black, got {polarity!r}")
    if pixels.shape[:2] != tuple(size):
        raise InputError(_wrong_size(pixels.shape, size))
    colour, alpha = _colour_and_alpha(pixels)
    notes: list[str] = []
    if polarity == "guess":
        polarity, reason = _guess_polarity(colour, alpha)
        notes.append(f"edge map read as {polarity} strokes: {reason}; say so if the strokes are the rest")
    strength = colour.max(axis=2) if polarity == "white" else 1 - colour.min(axis=2)
    strength *= alpha
    strength[strength < noise] = 0
    return strength, notes


def _wrong_size(shape: tuple[int, ...], size: tuple[int, int]) -> str:
    return (
        f"the edge map is {shape[1]}x{shape[0]} pixels and its photo {size[1]}x{size[0]}; "
        "an edge map must have its photo's size"
    )


def _colour_and_alpha(pixels: NDArray[np.generic]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(H,W,1|3) colour and (H,W) opacity, both float32 in [0,1]."""
    full = {"bool": 1, "uint8": 255, "uint16": 65535}.get(pixels.dtype.name)
    layers = pixels[..., None] if pixels.ndim == 2 else pixels
    if full is None or layers.ndim != 3 or not 1 <= layers.shape[2] <= 4:
        raise ValueError(
            f"pixels must be (H,W[,1-4]) uint8, uint16 or bool, got {pixels.shape} {pixels.dtype}"
        )
    values = np.true_divide(layers, full, dtype=np.float32)
    if layers.shape[2] in (2, 4):
        return values[..., :-1], values[..., -1]
    return values, np.ones(pixels.shape[:2], np.float32)


def _guess_polarity(colour: NDArray[np.float32], alpha: NDArray[np.float32]) -> tuple[Polarity, str]:
    """Strokes are what the majority is not; on a transparent layer they are what was painted."""
    bright = colour.mean(axis=2) > 0.5
    opaque = alpha >= 0.5
    if opaque.mean() < 0.5:
        return ("white" if bright[opaque].sum() > opaque.sum() / 2 else "black"), "the rest is transparent"
    bright_share = float(bright[opaque].mean())
    if bright_share > 0.5:
        return "black", f"{bright_share:.0%} of the pixels are bright"
    return "white", f"{1 - bright_share:.0%} of the pixels are dark"


def borrow_edges(
    other: NDArray[np.unsignedinteger[Any]],
    size: tuple[int, ...],
    detect: Callable[[NDArray[np.floating]], NDArray[np.bool_]],
) -> tuple[NDArray[np.float32], list[str]]:
    """The edges of another photo at a photo's size: its structure, to be taken over in a hole.

    other (h,w,3) uint8 or uint16, resized to `size` (H,W) first; detect: gray (H,W) in [0,1] to lines
    -> (H,W) float32, 0 or 1, and notes.
    """
    (height, width), (old_height, old_width) = size, other.shape[:2]
    notes = []
    if abs(stretch := (width / old_width) / (height / old_height) - 1) > 0.01:
        notes.append(f"resized to {width}x{height}, which stretches its width by {1 + stretch:.2f}")
    fitting = images.resize(other, height, width) if (height, width) != (old_height, old_width) else other
    return detect(to_full_gray(fitting)).astype(np.float32), notes


def write_edges(path: Path, edges: NDArray[np.float32]) -> list[str]:
    """An edge map (H,W) in [0,1] as 8-bit grey, white lines on black; the suffix chooses the format.

    path: where to. edges: rounded to 256 levels. Returns notes on losses; raises InputError for a suffix that
    cannot be written.
    """
    gray = np.repeat(np.rint(edges * 255).astype(np.uint8)[..., None], 3, axis=2)
    return [f"{path}: {note}" for note in images.write_photo(path, gray, images.Photo(gray, is_gray=True))]


def draw_edges(edges: NDArray[np.float32], mask: Mask) -> Rgb:
    """Edges (H,W) in [0,1] on white: known ones black, those in the hole blue, the hole lightly tinted.

    edges: dark where near 1. mask: (H,W) bool, True = hole. Returns (H,W,3) uint8.
    """
    ink = np.where(mask[..., None], COMPLETED, np.uint8(0))
    paper = np.where(mask[..., None], PAPER, np.uint8(255))
    strength = edges[..., None]
    return np.asarray(np.rint(paper * (1 - strength) + ink * strength), np.uint8)
