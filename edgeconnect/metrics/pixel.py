"""Scores of one picture against another, and the protocols that say how exactly a number was made.

Pictures are (H,W) or (H,W,3) arrays, integers over their type's range or floats in [0,1]; both count as [0,1]
here, so no score depends on how a picture is stored. Masks are (H,W) bool, True = hole; with a mask only the
hole counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from edgeconnect.errors import InputError
from edgeconnect.types import Mask

Picture = NDArray[Any]
Floats = NDArray[np.float64]
Window = Literal["uniform51", "gaussian"]


def psnr(a: Picture, b: Picture, mask: Mask | None = None) -> float:
    """Peak signal-to-noise ratio in dB, as scikit-image's; infinite for equal pictures.

    a, b: (H,W[,C]) uint8, or floats in [0,1]. mask: (H,W) bool, the pixels that count; None: all.
    """
    error = float(np.mean(_counted((_unit(a) - _unit(b)) ** 2, mask)))
    return -10 * math.log10(error) if error > 0 else math.inf


def l1(a: Picture, b: Picture, mask: Mask | None = None) -> float:
    """Mean absolute difference, in [0,1].

    a, b, mask: as for `psnr`.
    """
    return float(np.mean(_counted(np.abs(_unit(a) - _unit(b)), mask)))


def relative_l1(a: Picture, b: Picture) -> float:
    """Σ|a - b| / Σ(a + b), the released EdgeConnect script's L1, in [0,1]; 0 for two black pictures."""
    a, b = _unit(a), _unit(b)
    difference, total = np.abs(a - b).sum(), (a + b).sum()
    return float(difference / total) if total > 0 else 0.0


def ssim(a: Picture, b: Picture, window: Window = "gaussian", mask: Mask | None = None) -> float:
    """Structural similarity, in [-1,1] and 1 for equal pictures: the mean of `ssim_map`.

    Without a mask the border that the window overhangs is left out, as in scikit-image; with one, every pixel
    of the hole counts.
    a, b, mask: as for `psnr`. window: "gaussian", or "uniform51", a square of 51 px.
    """
    if mask is None:
        return float(np.mean(_ssim(a, b, _WINDOWS[window], border=_WINDOWS[window].size // 2)))
    return float(np.mean(_counted(ssim_map(a, b, window), mask)))


def ssim_map(a: Picture, b: Picture, window: Window = "gaussian") -> Floats:
    """Structural similarity at each pixel and channel: the pictures' shape, values in [-1,1].

    `gaussian` is Wang et al.'s (2004): sigma 1.5 over 11x11, the plain covariance. `uniform51` is a box
    of 51x51 with the sample covariance, the released EdgeConnect script's setting of scikit-image.
    Errors: a picture smaller than the window.
    """
    return _ssim(a, b, _WINDOWS[window], border=0)


def _ssim(a: Picture, b: Picture, kind: _SsimWindow, border: int) -> Floats:
    """The map without `border` pixels on each side."""
    if min(a.shape[:2]) < kind.size:
        raise InputError(
            f"SSIM's window of {kind.size} pixels does not fit into {a.shape[1]}x{a.shape[0]} pixels"
        )
    a, b = _unit(a), _unit(b)
    # With s = a + b and d = a - b four filters do instead of five:
    # 4 cov(a,b) = var(s) - var(d) and 2 (var(a) + var(b)) = var(s) + var(d)
    moments = np.empty((4, *a.shape))
    np.add(a, b, out=moments[0])
    np.subtract(a, b, out=moments[1])
    np.square(moments[:2], out=moments[2:])
    for moment in moments:
        kind.blur(moment)
    moments = moments[:, border : a.shape[0] - border, border : a.shape[1] - border]
    (mean_s, mean_d), variance = np.square(moments[:2]), moments[2:]
    variance -= (mean_s, mean_d)
    variance *= kind.covariance_scale
    similar: Floats = (mean_s - mean_d + 2 * _C1) * (variance[0] - variance[1] + 2 * _C2)
    similar /= (mean_s + mean_d + 2 * _C1) * (variance[0] + variance[1] + 2 * _C2)
    return similar


class EdgeMatches(NamedTuple):
    """Pixels of lines in a hole: drawn, of these right; true, of these found. Sums over photos pool them."""

    drawn: int
    right: int
    true: int
    found: int


def edge_matches(
    predicted: Picture, truth: Picture, mask: Mask, threshold: float = 0.5, tolerance_px: float = 1
) -> EdgeMatches:
    """What `edge_precision_recall` is a share of.

    predicted, truth, mask, threshold, tolerance_px: as there.
    """
    drawn = (_unit(predicted) > threshold) & mask
    real = (_unit(truth) > threshold) & mask
    right, found = _number_near(drawn, real, tolerance_px), _number_near(real, drawn, tolerance_px)
    return EdgeMatches(int(drawn.sum()), right, int(real.sum()), found)


class EdgeScore(NamedTuple):
    """Share of drawn pixels that are true (precision), of true ones that were drawn (recall); in [0,1]."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of the two; 0 when both are."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total > 0 else 0.0


def edge_precision_recall(
    predicted: Picture, truth: Picture, mask: Mask, threshold: float = 0.5, tolerance_px: float = 0
) -> EdgeScore:
    """How well an edge map agrees with the true one inside the hole.

    Maps are (H,W), bool or [0,1], a line where above `threshold`. A pixel agrees when the other map has a
    line within `tolerance_px` (Euclidean) of it in the hole. With nothing drawn the precision is 1, with
    nothing to draw the recall.
    predicted, truth: the maps. mask: (H,W) bool, the hole; None: everywhere.
    """
    drawn = (_unit(predicted) > threshold) & mask
    real = (_unit(truth) > threshold) & mask
    return EdgeScore(_share_near(drawn, real, tolerance_px), _share_near(real, drawn, tolerance_px))


Measure = Callable[[Floats, Floats, Mask | None], float]


@dataclass(frozen=True)
class Protocol:
    """How a table's numbers are made: what is compared, by which measures, and where that comes from."""

    description: str
    on: Literal["gray", "rgb"]
    hole_only: bool
    measures: Mapping[str, Measure]


PROTOCOLS: Mapping[str, Protocol] = {
    "edgeconnect": Protocol(
        "the released EdgeConnect script: gray; SSIM with a uniform window of 51; L1 is Σ|a-b| / Σ(a+b)",
        on="gray",
        hole_only=False,
        measures={
            "psnr_db": lambda a, b, _: psnr(a, b),
            "ssim": lambda a, b, _: ssim(a, b, "uniform51"),
            "relative_l1": lambda a, b, _: relative_l1(a, b),
        },
    ),
    "lama": Protocol(
        "as LaMa's tables: RGB pictures; SSIM with a Gaussian window of sigma 1.5",
        on="rgb",
        hole_only=False,
        measures={
            "psnr_db": lambda a, b, _: psnr(a, b),
            "ssim": lambda a, b, _: ssim(a, b, "gaussian"),
            "l1": lambda a, b, _: l1(a, b),
        },
    ),
    "hole": Protocol(
        "RGB pictures, pixels of the hole alone; the Gaussian SSIM map averaged over the hole",
        on="rgb",
        hole_only=True,
        measures={
            "psnr_db": psnr,
            "ssim": lambda a, b, mask: ssim(a, b, "gaussian", mask),
            "l1": l1,
        },
    ),
}


def score_pair(truth: Picture, result: Picture, mask: Mask | None, protocol: str) -> dict[str, float]:
    """A result's scores under a protocol, by name.

    `truth`, `result` (H,W,3) or (H,W); `mask` (H,W) bool, which only hole protocols use.
    Errors: unknown protocol, sizes that differ, no mask or an empty one where the protocol needs a hole.
    """
    if protocol not in PROTOCOLS:
        raise InputError(f"the protocol is one of {', '.join(PROTOCOLS)}, not {protocol!r}")
    chosen = PROTOCOLS[protocol]
    if truth.shape != result.shape:
        raise InputError(f"the result is {_size(result)} but the truth is {_size(truth)}")
    if chosen.hole_only and mask is None:
        raise InputError(f"protocol {protocol!r} scores the hole alone and needs masks")
    a, b = (_gray(x) if chosen.on == "gray" else _unit(x) for x in (truth, result))
    return {name: measure(a, b, mask) for name, measure in chosen.measures.items()}


def _unit(picture: Picture) -> Floats:
    """The picture in [0,1] as float64, unchanged if it is that already."""
    if np.issubdtype(picture.dtype, np.integer):
        return picture / np.float64(np.iinfo(picture.dtype).max)
    return picture.astype(np.float64, copy=False)


def _gray(picture: Picture) -> Floats:
    """Luminance in [0,1], as scikit-image's rgb2gray."""
    if picture.ndim == 2:
        return _unit(picture)
    white = np.iinfo(picture.dtype).max if np.issubdtype(picture.dtype, np.integer) else 1
    return np.asarray(cv2.transform(picture.astype(np.float64), np.array([_LUMINANCE]) / white))


def _counted(values: Floats, mask: Mask | None) -> Floats:
    if mask is None:
        return values
    if mask.shape != values.shape[:2]:
        raise InputError(f"the mask is {_size(mask)} but the picture is {_size(values)}")
    if not mask.any():
        raise InputError("the mask has no hole, so there is no pixel to score")
    return values[mask]


def _size(picture: Picture) -> str:
    height, width, *channels = picture.shape
    return f"{width}x{height}" + (f" with {channels[0]} channels" if channels else "")


def _share_near(lines: Mask, others: Mask, distance_px: float) -> float:
    """Share of the pixels of `lines` with a pixel of `others` within a distance; 1 for no lines."""
    return _number_near(lines, others, distance_px) / int(lines.sum()) if lines.any() else 1.0


def _number_near(lines: Mask, others: Mask, distance_px: float) -> int:
    """How many pixels of `lines` have one of `others` within a distance."""
    if not others.any():
        return 0
    return int((distance_transform_edt(~others) <= distance_px)[lines].sum())


_LUMINANCE = (0.2125, 0.7154, 0.0721)

# Wang et al.'s constants for a data range of 1
_C1, _C2 = 0.01**2, 0.03**2


@dataclass(frozen=True)
class _SsimWindow:
    size: int
    covariance_scale: float
    blur: Callable[[Floats], object]


# Each blurs a float64 array (H,W[,C]) in place
_WINDOWS: Mapping[str, _SsimWindow] = {
    "uniform51": _SsimWindow(
        51,
        51**2 / (51**2 - 1),
        lambda x: cv2.boxFilter(x, -1, (51, 51), dst=x, borderType=cv2.BORDER_REFLECT),
    ),
    "gaussian": _SsimWindow(
        11, 1.0, lambda x: cv2.GaussianBlur(x, (11, 11), 1.5, dst=x, borderType=cv2.BORDER_REFLECT)
    ),
}
