"""G1 and G2: the two generators as they are called, each hiding the hole in its own inputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, cast

import torch
from torch import nn
from torch.nn import functional as F

from edgeconnect.batch import composite
from edgeconnect.networks import Generator

if TYPE_CHECKING:
    from torch import Tensor

HoleStart = Literal["white", "smooth"]


class EdgeGenerator(nn.Module):
    """G1: completes the edge map (paper, section 3.1). Paper's size, the default: 10,761,089 parameters."""

    def __init__(self, width: int = 64, blocks: int = 8, *, spectral: bool = True) -> None:
        super().__init__()
        self.config = {"width": width, "blocks": blocks}
        self.net = Generator(3, 1, width=width, blocks=blocks, spectral=spectral, residual_bias=False)

    def forward(self, gray: Tensor, edge: Tensor, mask: Tensor) -> Tensor:
        """C_pred in [0,1] from I_gray, C_gt and M in [0,1], (N,1,H,W) all; the hole may hold anything."""
        white, none = torch.ones_like(mask), torch.zeros_like(mask)
        inputs = torch.cat((composite(gray, white, mask), composite(edge, none, mask), mask), dim=1)
        return torch.sigmoid(self.net(inputs).float())

    @torch.no_grad()
    def sharpen(self, threshold: float, steepness: float = 8.0) -> None:
        """Make the output steep around `threshold`, in place: nearly 0 below it and nearly 1 above.

        For a generator that is unsure: the inpainting generator was trained on lines, not on shades. Scales
        and shifts the last convolution, C_pred' = sigmoid(steepness * (logit(C_pred) - logit(threshold))).
        """
        last = self.net.get_submodule("decoder.6")
        logit = math.log(threshold / (1 - threshold))
        for parameter in last.parameters():
            parameter.mul_(steepness)
        last.get_parameter("bias").sub_(steepness * logit)


class InpaintGenerator(nn.Module):
    """G2: completes the colours along given edges (paper, section 3.2). Paper's size: 10,774,595 parameters.

    `hole_start` is what the network sees in the hole.
    "white": the paper's white paint; I_pred = (tanh + 1) / 2.
    "smooth": the smooth continuation of the hole's rim (`smooth_fill`) with the mask as a fifth channel;
    the network's output is added to that start before the tanh, so that it learns the difference only.
    """

    def __init__(self, width: int = 64, blocks: int = 8, *, hole_start: HoleStart = "white") -> None:
        super().__init__()
        self.config = {"width": width, "blocks": blocks, "hole_start": str(hole_start)}
        self.hole_start = hole_start
        self.net = Generator(4 if hole_start == "white" else 5, 3, width=width, blocks=blocks)
        if hole_start == "smooth":
            nn.init.zeros_(
                cast("nn.Conv2d", self.net.decoder[-1]).weight
            )  # begin with the smooth fill itself

    @torch.no_grad()
    def scale_residual(self, scale: float) -> None:
        """Scale what a "smooth" network adds to its start, in place; ValueError for a "white" one.

        For a generator whose training was short: part of what it adds is noise, and least squares on photos
        that it has not seen ask for less than all of it.
        """
        if self.hole_start != "smooth":
            raise ValueError("a generator that starts from white adds to nothing")
        for parameter in self.net.decoder[-1].parameters():
            parameter.mul_(scale)

    def forward(self, photo: Tensor, edge: Tensor, mask: Tensor, start: Tensor | None = None) -> Tensor:
        """I_pred (N,3,H,W) in [0,1] from I_gt (N,3,H,W), C_comp and M (N,1,H,W); I_gt's hole is not used.

        `start` (N,3,H,W) replaces the smooth fill of a "smooth" network, e.g. by a coarser level's result.
        """
        if self.hole_start == "white":
            masked = composite(photo, torch.ones_like(photo), mask)
            return (torch.tanh(self.net(torch.cat((masked, edge), dim=1)).float()) + 1) / 2
        filled = smooth_fill(photo, mask).clamp(0, 1) if start is None else composite(photo, start, mask)
        residual = self.net(torch.cat((filled, edge, mask), dim=1)).float()
        return (torch.tanh(residual + torch.atanh(1.96 * filled.float() - 0.98)) + 1) / 2


@torch.no_grad()
def smooth_fill(photo: Tensor, mask: Tensor, tension: float = 0.3, steps: int = 12) -> Tensor:
    """Continue the rim of the hole and its slopes into it: an approximate spline under tension.

    (N,C,H,W) and (N,1,H,W), 1 = hole -> (N,C,H,W) in the photo's range, known pixels unchanged. Minimises the
    hole's sum of squared Laplacians plus `tension` times that of squared differences (Smith & Wessel,
    "Gridding with continuous curvature splines in tension", 1990). Slopes go on for some 1 / sqrt(tension)
    px; without tension it would be the biharmonic fill, which overshoots in wide holes. Each level of a 2x
    pyramid of known-pixel means starts from the coarser level's solution and takes `steps` of conjugate
    gradients (cascadic multigrid).
    """
    known = 1 - mask
    if min(photo.shape[-2:]) <= 2 or bool((mask.amax(dim=(1, 2, 3)) == 0).all()):
        mean = (photo * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
        return composite(photo, mean.expand_as(photo), mask)
    weight = F.avg_pool2d(known, 2, ceil_mode=True, count_include_pad=False)
    coarse = F.avg_pool2d(photo * known, 2, ceil_mode=True, count_include_pad=False) / weight.clamp(min=0.25)
    filled = smooth_fill(coarse, (weight == 0).to(mask), 4 * tension, steps)
    filled = F.interpolate(filled, photo.shape[-2:], mode="bilinear", align_corners=False)
    filled = _less_bent(composite(photo, filled, mask), mask, tension, steps)
    return composite(photo, filled, mask)


def _less_bent(filled: Tensor, mask: Tensor, tension: float, steps: int) -> Tensor:
    """Conjugate gradients on the hole's bending and stretching energy, each channel by itself."""

    def gradient(u: Tensor) -> Tensor:
        slopes = _laplacian(u)
        return (_laplacian(slopes) - tension * slopes) * mask

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum((2, 3), keepdim=True)

    residual = -gradient(filled)
    direction, size = residual, dot(residual, residual)
    for _ in range(steps):
        bent = gradient(direction)
        length = size / dot(direction, bent).clamp(min=1e-20)
        filled = filled + length * direction
        residual = residual - length * bent
        before, size = size, dot(residual, residual)
        direction = residual + size / before.clamp(min=1e-20) * direction
    return filled


def _laplacian(u: Tensor) -> Tensor:
    """Sum of each pixel's neighbours minus four times itself, the border repeated: (N,C,H,W)."""
    rim = F.pad(u, (1, 1, 1, 1), mode="replicate")
    return rim[..., :-2, 1:-1] + rim[..., 2:, 1:-1] + rim[..., 1:-1, :-2] + rim[..., 1:-1, 2:] - 4 * u
