"""Kinds of masks that training draws, by name. A new one is a file of this package and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from numpy.random import Generator

from edgeconnect.masks.shapes import centre, half, random_boxes, square
from edgeconnect.masks.strokes import strokes
from edgeconnect.types import Mask

Kind = Callable[[Generator, int, int, tuple[float, float]], Mask]
"""`(rng, height, width, ratio) -> mask`, (height, width) bool, True = hole; ratio: range of hole ratios, for
kinds whose size is free.
"""

KINDS: Mapping[str, Kind] = {
    "square": lambda rng, height, width, ratio: square(rng, height, width),
    "half": lambda rng, height, width, ratio: half(rng, height, width),
    "centre": lambda rng, height, width, ratio: centre(height, width),
    "boxes": lambda rng, height, width, ratio: random_boxes(rng, height, width, ratio=ratio),
    "strokes": lambda rng, height, width, ratio: strokes(rng, height, width, ratio=ratio),
}
