"""Edge maps: scikit-image's Canny from faster parts, and the maps that people edit in a paint program."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from skimage import feature
from skimage.color import rgb2gray

try:
    # Private, yet the one piece that must not be rewritten: its comparisons decide which pixels are lines.
    # Its name and arguments have been the same since scikit-image 0.19.
    from skimage.feature._canny_cy import _nonmaximum_suppression_bilinear
except ImportError:  # a release without it: its public Canny gives the same lines, more slowly
    _nonmaximum_suppression_bilinear = None

NARROW = 0.25
"""Of the full range: what spans less (12-bit scans, night, fog) is stretched for networks and detectors."""

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeconnect.types import Mask

    Gray = NDArray[np.float64]


def to_gray(rgb: NDArray[np.unsignedinteger[Any]]) -> Gray:
    """Luminance as scikit-image's rgb2gray computes it: (H,W,3) uint8 or uint16 -> (H,W) float64 in [0,1].

    rgb: its maximum is that of its type.
    """
    gray: Gray = rgb2gray(rgb)
    return gray


def known_range(pixels: NDArray[np.unsignedinteger[Any]], known: Mask | None = None) -> tuple[int, int]:
    """The lowest and the highest (known) value of (H,W[,C]) pixels; their type's bounds where none is.

    pixels: uint8 or uint16. known: (H,W) bool, False where pixels are missing; None: nowhere.
    """
    bounds = np.iinfo(pixels.dtype)
    if known is None:
        return int(pixels.min()), int(pixels.max())
    if not known.any():
        return int(bounds.min), int(bounds.max)
    where = known if pixels.ndim == 2 else known[..., None]
    low, high = pixels.min(where=where, initial=bounds.max), pixels.max(where=where, initial=bounds.min)
    return int(low), int(high)


def to_full_gray(rgb: NDArray[np.unsignedinteger[Any]], seen: tuple[int, int] | None = None) -> Gray:
    """`to_gray`, stretched to [0,1] where what is seen spans less than NARROW: thresholds expect it.

    rgb: (H,W,3) uint8 or uint16. Returns (H,W) float64.
    seen: the lowest and the highest value that count (`known_range`); None for those of all pixels.
    """
    gray, white = to_gray(rgb), np.iinfo(rgb.dtype).max
    low, high = known_range(rgb) if seen is None else seen
    return np.clip((gray * white - low) / (high - low), 0, 1) if 0 < high - low < NARROW * white else gray


def canny(
    gray: NDArray[np.floating],
    sigma: float = 2.0,
    known: Mask | None = None,
    low_threshold: float | None = None,
    high_threshold: float | None = None,
) -> Mask:
    """Canny lines, pixel for pixel those of `skimage.feature.canny(gray, sigma, low, high, mask=known)`.

    gray: (H,W) float in [0,1], computed in float64; known: (H,W) bool, False where pixels are missing, so
    that the rim of a hole is no line. sigma: in pixels. low_threshold, high_threshold: of the gradient's
    magnitude, 0.1 and 0.2 where None. Returns (H,W) bool.
    The filters add in another order than scikit-image's, which matters where neighbouring gradients tie, as
    in drawn shapes: such images are handed to scikit-image itself.
    Raises ValueError for anything but a two-dimensional float array and a mask of its size, and for a low
    threshold above the high one.
    """
    low = 0.1 if low_threshold is None else low_threshold
    high = 0.2 if high_threshold is None else high_threshold
    if high < low:
        raise ValueError(f"low_threshold must not exceed high_threshold, got {low} and {high}")
    image = _as_float64(gray, known)
    # SciPy's bound for no blur at all; 8-bit gradients then tie often
    if 0 <= sigma <= 1e-15 or _nonmaximum_suppression_bilinear is None:
        return _original(image, sigma, known, low, high)
    smooth = _smooth(image, sigma, known)
    down: Gray = np.asarray(cv2.Sobel(smooth, -1, 0, 1, borderType=cv2.BORDER_REFLECT), np.float64)
    right: Gray = np.asarray(cv2.Sobel(smooth, -1, 1, 0, borderType=cv2.BORDER_REFLECT), np.float64)
    magnitude: Gray = np.asarray(cv2.magnitude(down, right), np.float64)
    inside = _inner(image, known)
    inside &= magnitude >= low
    thin = _nonmaximum_suppression_bilinear(down, right, magnitude, inside, low)
    is_line = thin > 0
    lines = np.flatnonzero(is_line)
    if _rounding_decides(down, right, magnitude, lines):
        return _original(image, sigma, known, low, high)
    return _hysteresis(is_line, lines, thin.take(lines) >= high)


def _as_float64(gray: NDArray[np.floating], known: Mask | None) -> Gray:
    if gray.ndim != 2 or not gray.size or not np.issubdtype(gray.dtype, np.floating):
        raise ValueError(f"gray must be (H,W) float, got {gray.shape} {gray.dtype}")
    if known is not None and (known.shape != gray.shape or known.dtype != np.bool_):
        raise ValueError(f"known must be {gray.shape} bool, got {known.shape} {known.dtype}")
    return np.ascontiguousarray(gray, dtype=np.float64)


def _original(image: Gray, sigma: float, known: Mask | None, low: float, high: float) -> Mask:
    found = feature.canny(image, sigma, low, high, mask=known)  # type: ignore[no-untyped-call]
    return np.asarray(found)


def _smooth(image: Gray, sigma: float, known: Mask | None) -> Gray:
    """Gaussian over known pixels alone: blur of image * known divided by blur of known, as scikit-image."""
    kernel = _gaussian_kernel(sigma)
    if known is not None:
        share = _blur(known.astype(np.float64), kernel)
        share += np.finfo(np.float64).eps
        return np.divide(_blur(np.where(known, image, 0.0), kernel), share, out=share)
    smooth = _blur(image, kernel)
    rows, row_shares = _border_shares(image.shape[0], sigma)
    columns, column_shares = _border_shares(image.shape[1], sigma)
    smooth[rows] /= row_shares[:, None]
    smooth[:, columns] /= column_shares
    return smooth


@lru_cache(maxsize=64)
def _border_shares(length: int, sigma: float) -> tuple[NDArray[np.intp], Gray]:
    """Where along a line of pixels the kernel reaches beyond its ends, and how much of it is inside."""
    kernel = _gaussian_kernel(sigma)
    radius_px = len(kernel) // 2
    shares = np.convolve(np.ones(length), kernel)[radius_px : radius_px + length]
    places = np.flatnonzero(shares < 1 - 1e-9)
    return places, shares[places]


def _gaussian_kernel(sigma: float) -> Gray:
    """SciPy's kernel: cut at 4 sigma, normalised to 1."""
    if not 0 < sigma < np.inf:
        raise ValueError(f"sigma must be 0 or more pixels, got {sigma}")
    radius_px = int(4.0 * sigma + 0.5)
    weights = np.exp(-0.5 / (sigma * sigma) * np.arange(-radius_px, radius_px + 1) ** 2)
    return np.asarray(weights / weights.sum())


def _blur(image: Gray, kernel: Gray) -> Gray:
    return np.asarray(cv2.sepFilter2D(image, -1, kernel, kernel, borderType=cv2.BORDER_CONSTANT))


def _inner(image: Gray, known: Mask | None) -> NDArray[np.uint8]:
    """Pixels whose eight neighbours exist and are known."""
    if known is None:
        inner = np.zeros(image.shape, np.uint8)
        inner[1:-1, 1:-1] = 1
        return inner
    box = np.ones((3, 3), np.uint8)
    eroded = cv2.erode(known.astype(np.uint8), box, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(eroded, np.uint8)


def _rounding_decides(down: Gray, right: Gray, magnitude: Gray, lines: NDArray[np.intp]) -> bool:
    """Whether a line pixel has a neighbour of equal gradient, so that the last bit decides between them.

    lines: flat indices of pixels that have all their neighbours. Of two tied pixels at least one is a line;
    whole neighbours are compared only where the gradient points at one, in a multiple of 45 degrees.
    """
    along, across = np.abs(down.take(lines)), np.abs(right.take(lines))
    negligible = 1e-9 * magnitude.take(lines)
    lines = lines[(along < negligible) | (across < negligible) | (np.abs(along - across) < negligible)]
    width = magnitude.shape[1]
    around = np.array([-width - 1, -width, 1 - width, -1, 1, width - 1, width, width + 1])
    gaps = np.abs(magnitude.take(lines + around[:, None]) - magnitude.take(lines))
    return bool((gaps < 1e-12).any())


def _hysteresis(is_line: Mask, lines: NDArray[np.intp], is_strong: Mask) -> Mask:
    """Keep the 8-connected lines that are strong somewhere; `is_strong` is about the flat indices `lines`."""
    count, labels = cv2.connectedComponents(is_line.view(np.uint8), connectivity=8)
    label = np.asarray(labels, np.int32).take(lines)
    strong = np.zeros(count, np.bool_)
    strong[label[is_strong]] = True
    is_line.ravel()[lines] = strong.take(label)
    return is_line
