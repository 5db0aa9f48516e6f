"""What stands in a hole before a network paints it: the smooth continuation of the hole's rim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from edgeconnect.composite import composite

if TYPE_CHECKING:
    from torch import Tensor


TENSION = 0.3
STEPS = 12


@torch.no_grad()
def smooth_fill(photo: Tensor, mask: Tensor, tension: float = TENSION, steps: int = STEPS) -> Tensor:
    """Continue the rim of the hole and its gradients into it: an approximate spline under tension.

    (N,C,H,W) and (N,1,H,W), 1 = hole -> (N,C,H,W) in the photo's range, known pixels unchanged. Minimises the
    hole's sum of squared Laplacians plus `tension` times that of squared differences (Smith & Wessel,
    "Gridding with continuous curvature splines in tension", 1990). Gradients go on for some 1 / sqrt(tension)
    px; without tension it would be the biharmonic fill, which overshoots in wide holes. Each level of a 2x
    pyramid of known-pixel means starts from the coarser level's solution and takes `steps` of conjugate
    gradients (cascadic multigrid).
    photo, mask: float32 on one device.
    """
    known = 1 - mask
    # asking whether a hole is left makes a GPU wait, on every level; without one the levels change nothing
    if min(photo.shape[-2:]) <= 2 or (photo.device.type == "cpu" and not bool(mask.any())):
        mean = (photo * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
        return composite(photo, mean.expand_as(photo), mask)
    weight = F.avg_pool2d(known, 2, ceil_mode=True, count_include_pad=False)
    coarse = F.avg_pool2d(photo * known, 2, ceil_mode=True, count_include_pad=False) / weight.clamp(min=0.25)
    filled = smooth_fill(coarse, (weight == 0).to(mask), 4 * tension, steps)
    filled = F.interpolate(filled, photo.shape[-2:], mode="bilinear", align_corners=False)
    filled = _conjugate_gradients(composite(photo, filled, mask), mask, tension, steps)
    return composite(photo, filled, mask)


@torch.library.custom_op("edgeconnect::smooth_fill", mutates_args=())
def smooth_fill_operator(photo: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """`smooth_fill` as one operator, which an exported graph holds as it is: its levels depend on the size.

    photo (N,C,H,W), mask (N,1,H,W), 1 = hole -> (N,C,H,W).
    """
    return smooth_fill(photo, mask)


@smooth_fill_operator.register_fake
def _(photo: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(photo)


def _conjugate_gradients(filled: Tensor, mask: Tensor, tension: float, steps: int) -> Tensor:
    """Conjugate gradients on the hole's bending and stretching energy, each channel by itself."""

    def gradient(u: Tensor) -> Tensor:
        laplacian = _laplacian(u)
        return (_laplacian(laplacian) - tension * laplacian) * mask

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum((2, 3), keepdim=True)

    residual = -gradient(filled)
    direction, size = residual, dot(residual, residual)
    for _ in range(steps):
        change = gradient(direction)
        length = size / dot(direction, change).clamp(min=1e-20)
        filled = filled + length * direction
        residual = residual - length * change
        before, size = size, dot(residual, residual)
        direction = residual + size / before.clamp(min=1e-20) * direction
    return filled


def _laplacian(u: Tensor) -> Tensor:
    """Sum of each pixel's neighbours minus four times itself, the border repeated: (N,C,H,W)."""
    rim = F.pad(u, (1, 1, 1, 1), mode="replicate")
    return rim[..., :-2, 1:-1] + rim[..., 2:, 1:-1] + rim[..., 1:-1, :-2] + rim[..., 1:-1, 2:] - 4 * u
