"""Free-form brush strokes whose hole ratio is met to the pixel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Canvas = NDArray[np.uint8]
    Pieces = NDArray[np.int32]
    Point = tuple[int, int]


def strokes(
    rng: Generator,
    height: int,
    width: int,
    ratio: tuple[float, float] = (0.01, 0.6),
    border: bool | None = None,
) -> NDArray[np.bool_]:
    """Brush strokes as a (height, width) bool mask, in the manner of Liu et al. 2018 (arXiv 1804.07723).

    The hole ratio is drawn uniformly from `ratio` and met to the pixel (one pixel at least). `border` True
    always touches the image's border, False never does, None leaves it to chance. Raises InputError for a
    ratio that is no range within [0,1] or finds no room inside the border.
    rng: decides all. height, width: in px.
    """
    pixels = max(1, round(draw_ratio(rng, ratio) * height * width))
    margin = _margin(pixels, height, width) if border is False else 0
    canvas = np.zeros((height - 2 * margin, width - 2 * margin), np.uint8)
    brush = _Brush(rng, (height - 2 * margin, width - 2 * margin), pixels)
    start = brush.border_point() if border else None
    while (missing := pixels - cv2.countNonZero(canvas)) > 0:
        stroke = brush.stroke(start or brush.free_point(canvas))
        painted = _painted(canvas, stroke)
        is_last = cv2.countNonZero(painted) > pixels
        canvas = _shortened(canvas, stroke, missing) if is_last else painted
        start = None
    return np.pad(canvas > 0, margin)


def draw_ratio(rng: Generator, ratio: tuple[float, float]) -> float:
    """A hole ratio drawn uniformly from a range within [0,1]; InputError for anything else."""
    low, high = ratio
    if not 0 <= low <= high <= 1:
        raise InputError(f"expected a hole-ratio range low,high with 0 <= low <= high <= 1, got {low},{high}")
    return float(rng.uniform(low, high))


class _Brush:
    """One mask's hand: how thick, how long and how restless its strokes are.

    A stroke is (N,5) int32 pieces x0, y0, x1, y1, width in pixels, painted with round ends.
    """

    def __init__(self, rng: Generator, shape: tuple[int, int], pixels: int) -> None:
        """Thickness follows from the pixels to paint, a length, and a random number of strokes."""
        self.rng = rng
        self.height, self.width = shape
        size = math.sqrt(self.height * self.width)
        self.length = size * rng.uniform(0.3, 1.2)
        thickness = 1.4 * pixels / (rng.integers(2, 20) * self.length)
        self.thickness = float(np.clip(thickness, max(1.5, 0.02 * size), 0.15 * size))
        self.dotted_share = float(rng.choice([0.0, 0.15, 0.4]))

    def stroke(self, start: Point) -> Pieces:
        """A blob, a row of dots, or (mostly) a ribbon that begins at `start`."""
        kind = self.rng.uniform()
        if kind < 0.06:
            width = self.thickness * self.rng.uniform(1.5, 3) + 1
            return np.array([[*start, *start, width]]).astype(np.int32)
        pieces = self._walk(start)
        if kind > 1 - self.dotted_share:
            pieces[:, 2:4] = pieces[:, :2]
            kept = self.rng.uniform(size=len(pieces)) < 0.5
            kept[0] = True
            pieces = pieces[kept]
        return pieces

    def _walk(self, start: Point) -> Pieces:
        """A random walk of slowly changing direction and width."""
        rng, length = self.rng, self.length * self.rng.uniform(0.3, 1.7)
        thickness = self.thickness * math.exp(self.rng.normal(0, 0.4))
        count = int(np.clip(length / (0.7 * thickness), 4, 40))
        restlessness = rng.choice([0.02, 0.3, 0.7])
        bend = rng.normal(0, 2.0) / count + rng.normal(0, restlessness, count)
        angles = rng.uniform(0, 2 * math.pi) + np.cumsum(bend)
        steps = length / count * rng.uniform(0.5, 1.5, count)
        moves = np.stack([np.cos(angles), np.sin(angles)], 1) * steps[:, None]
        points = np.vstack([np.zeros(2), np.cumsum(moves, 0)]) + start
        widths = thickness * np.exp(np.clip(np.cumsum(rng.normal(0, 0.12, count)), -0.7, 0.7))
        pieces = np.column_stack([points[:-1], points[1:], np.maximum(widths, 1)])
        return np.asarray(np.rint(pieces), np.int32)

    def free_point(self, canvas: Canvas) -> Point:
        """A random pixel that is not painted yet: every stroke adds something."""
        x, y = self.rng.integers(self.width), self.rng.integers(self.height)
        if canvas[y, x]:
            y, x = divmod(self.rng.choice(np.flatnonzero(canvas == 0)), self.width)
        return int(x), int(y)

    def border_point(self) -> Point:
        """A random pixel of the outermost rows and columns."""
        x, y = int(self.rng.integers(self.width)), int(self.rng.integers(self.height))
        at_end = int(self.rng.integers(2))
        if self.rng.uniform() * (self.width + self.height) < self.width:
            return x, at_end * (self.height - 1)
        return at_end * (self.width - 1), y


def _painted(canvas: Canvas, pieces: Pieces) -> Canvas:
    """The canvas with a stroke on it."""
    painted = canvas.copy()
    for x0, y0, x1, y1, width in pieces.tolist():
        cv2.line(painted, (x0, y0), (x1, y1), 1, width)
    return painted


def _shortened(canvas: Canvas, pieces: Pieces, pixels: int) -> Canvas:
    """The canvas with the first `pixels` new pixels of a stroke: its end is cut off, round."""
    order = np.zeros(canvas.shape, np.int32)
    for index, (x0, y0, x1, y1, width) in reversed(list(enumerate(pieces.tolist(), 1))):
        cv2.line(order, (x0, y0), (x1, y1), index, width)
    rows, columns = np.nonzero((order > 0) & (canvas == 0))
    index = order[rows, columns]
    origin = pieces[index - 1, :2]
    distance = np.hypot(columns - origin[:, 0], rows - origin[:, 1])
    kept = np.lexsort((distance, index))[:pixels]
    shortened = canvas.copy()
    shortened[rows[kept], columns[kept]] = 1
    return shortened


def _margin(pixels: int, height: int, width: int) -> int:
    """Free rows and columns all around: a tenth of the short side, less where the hole needs the room."""
    margin = max(1, min(height, width) // 10)
    while margin > 1 and (height - 2 * margin) * (width - 2 * margin) < 1.1 * pixels:
        margin -= 1
    if height < 3 or width < 3 or (height - 2 * margin) * (width - 2 * margin) < pixels:
        raise InputError(f"expected a hole with room inside the border of {width}x{height}, got {pixels} px")
    return margin
