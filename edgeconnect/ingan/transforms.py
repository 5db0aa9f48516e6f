"""The geometric transformations T of a single-image training: another size, and a trapezoid.

Shocher et al., "InGAN" (ICCV 2019), section 3: T is applied to feature maps and has no parameters. Positions
are normalised: x and y run from -1 to 1 over the whole frame, pixel borders included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Homography = NDArray[np.float64]

_CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
_LEAST_TOP = 0.05


@dataclass(frozen=True)
class Transformation:
    """T: what is shown at `size` (height, width) in px, its two top corners moved sideways by `shifts`.

    A shift is a share of the width, positive to the right: (0.2, -0.2) narrows the top by 0.4. `is_inverse`
    takes the trapezoid back to a rectangle. Raises InputError where the top would be (nearly) no side.
    """

    size: tuple[int, int]
    shifts: tuple[float, float] = (0.0, 0.0)
    is_inverse: bool = False

    def __post_init__(self) -> None:
        left, right = self.shifts
        if 1 + right - left < _LEAST_TOP:
            raise InputError(
                f"shifts of the top corners: expected a top of at least {_LEAST_TOP} of the width, "
                f"got {left:g},{right:g}"
            )

    def inverse(self, size: tuple[int, int]) -> Transformation:
        """T^-1, which goes back to a picture of `size`."""
        return replace(self, size=size, is_inverse=not self.is_inverse)

    def __call__(self, x: Tensor) -> Tensor:
        """(N,C,h,w) -> (N,C,*size): bilinear; what lies beyond the frame is its reflection."""
        with torch.autocast(x.device.type, enabled=False):
            if not any(self.shifts):
                return F.interpolate(x, self.size, mode="bilinear", align_corners=False)
            grid = self._source_positions().to(x.device).expand(len(x), -1, -1, -1)
            moved = F.grid_sample(x.float(), grid, padding_mode="reflection", align_corners=False)
            return moved.to(x.dtype)

    def inside(self) -> Tensor:
        """(1,1,*size) bool: the pixels that show a place inside the original frame, not a reflection."""
        shown: Tensor = (self._source_positions().abs() <= 1).all(3)[:, None]
        return shown

    def homography(self) -> Homography:
        """(3,3): normalised positions (x, y, 1) of the result -> the positions they are taken from."""
        forward = _corners_to(self.shifts)
        return forward if self.is_inverse else np.asarray(np.linalg.inv(forward), np.float64)

    def _source_positions(self) -> Tensor:
        """(1,height,width,2): for each pixel of the result, the x and y it is taken from."""
        height, width = self.size
        y, x = np.meshgrid(_centres(height), _centres(width), indexing="ij")
        source = np.stack([x, y, np.ones_like(x)], axis=2) @ self.homography().T
        return torch.from_numpy(source[None, ..., :2] / source[None, ..., 2:]).float()


def draw(
    rng: np.random.Generator,
    size: tuple[int, int],
    progress: float,
    *,
    scales: tuple[float, float],
    min_px: int,
    trapezoids: float = 0.0,
    max_shift: float = 0.0,
) -> Transformation:
    """A random T for a picture of `size`, each axis on its own (section 5: uniform, by a curriculum).

    At `progress` 1 the scale of an axis is uniform in `scales`, at 0 it is 1, linear between; no side falls
    below `min_px`. A share `trapezoids` of the draws moves the top corners too, by up to `max_shift`.
    """
    low, high = (1 + progress * (limit - 1) for limit in scales)
    height, width = (max(round(side * rng.uniform(low, high)), min_px) for side in size)
    is_trapezoid = rng.random() < trapezoids
    left, right = rng.uniform(-1, 1, 2) * progress * max_shift
    return Transformation((height, width), (float(left), float(right)) if is_trapezoid else (0.0, 0.0))


def _centres(count: int) -> NDArray[np.float64]:
    """Normalised positions of the pixels' centres along a side."""
    return (2 * np.arange(count) + 1) / count - 1


def _corners_to(shifts: tuple[float, float]) -> Homography:
    """The homography that moves the top corners of the frame sideways and keeps the bottom ones."""
    moved = _CORNERS.copy()
    moved[:2, 0] += 2 * np.array(shifts)
    rows, targets = [], []
    for (x, y), (u, v) in zip(_CORNERS, moved, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        targets += [u, v]
    entries = np.linalg.solve(np.array(rows), np.array(targets))
    return np.append(entries, 1.0).reshape(3, 3)
