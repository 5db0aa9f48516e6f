"""Gradient-domain blending: copied pixels keep their gradients and meet the known ones without a seam."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SCREENING = 0.01  # a correction fades within 1 / sqrt(SCREENING) = 10 px
EDGE = 0.2  # of 1; a larger difference is an edge of the photo, not a seam
STEPS = 40


def blend_seam(copied: Tensor, photo: Tensor, hole: Tensor, gradients: Tensor, steps: int = STEPS) -> Tensor:
    """The copied picture in the hole, its colours moved so that no copy ends in a seam: (H,W,3).

    copied: (H,W,3), also just outside the hole, where it says what the copy would have there. photo: (H,W,3).
    hole: (H,W) bool. gradients: (H,W,6), the differences to the pixel below and to the right, three each, at
    the places that were copied from: what differs from the copy's own is the jump between two copies.
    Solves the screened Poisson equation (Pérez et al., "Poisson Image Editing", 2003; Bhat et al., 2008; for
    copies of patches Darabi et al., "Image Melding", 2012) for the correction u: the sum of squares of
    grad(u) - jump plus SCREENING times that of u is least in the hole, u = photo - copied outside. A
    difference of more than half of EDGE counts less and less, of more than EDGE nothing. `steps` of conjugate
    gradients; with 0 the copies stay as they are.
    """
    if not hole.any():
        return photo
    around = _bounds(hole)
    result = photo.clone()
    result[around] = _blended(copied[around], photo[around], hole[around], gradients[around], steps)
    return result


def _bounds(hole: Tensor) -> tuple[slice, slice]:
    """The hole's bounding box and a pixel around it."""
    y, x = hole.any(1).nonzero()[:, 0], hole.any(0).nonzero()[:, 0]
    return slice(max(int(y[0]) - 1, 0), int(y[-1]) + 2), slice(max(int(x[0]) - 1, 0), int(x[-1]) + 2)


def _blended(copied: Tensor, photo: Tensor, hole: Tensor, gradients: Tensor, steps: int) -> Tensor:
    if not steps:
        return torch.where(hole[..., None], copied, photo)
    inside = hole[None, None].float()
    reached = F.max_pool2d(inside, 3, 1, 1)
    picture = _planes(copied)
    given = _seam(_planes(photo) - picture) * (reached - inside)
    correction = _solve(given, inside, _divergence(picture, _planes(gradients), reached), steps)
    blended = (copied + correction[0].permute(1, 2, 0)).clamp(0, 1)
    return torch.where(hole[..., None], blended, photo)


def _planes(picture: Tensor) -> Tensor:
    return picture.permute(2, 0, 1)[None]


def _seam(difference: Tensor) -> Tensor:
    """The part of a difference (1,C,H,W) that is taken for a seam, the rest being an edge."""
    size = difference.abs().amax(1, keepdim=True) / EDGE
    return difference * (2 - 2 * size).clamp(0, 1)


def _divergence(picture: Tensor, gradients: Tensor, reached: Tensor) -> Tensor:
    """The jumps of the picture against its copies' gradients (1,6,H,W), in each pixel's equation."""
    total = torch.zeros_like(picture)
    for axis, wanted in zip((2, 3), gradients.chunk(2, 1), strict=True):
        count = picture.shape[axis] - 1
        both = reached.narrow(axis, 0, count) * reached.narrow(axis, 1, count)
        jump = _seam((wanted.narrow(axis, 0, count) - picture.diff(dim=axis)) * both)
        total.narrow(axis, 1, count).add_(jump)
        total.narrow(axis, 0, count).sub_(jump)
    return total


def _solve(given: Tensor, inside: Tensor, source: Tensor, steps: int) -> Tensor:
    """Conjugate gradients for the correction inside, `given` (1,C,H,W) on the rim, the right side `source`;
    where nothing is known none of it flows: (1,C,H,W).
    """
    shape = given.shape[-2:]
    reached = F.max_pool2d(inside, 3, 1, 1)

    def neighbours(u: Tensor) -> Tensor:
        padded = F.pad(u, (1, 1, 1, 1))
        return padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1] + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]

    count = neighbours(reached) + SCREENING

    def operator(u: Tensor) -> Tensor:
        return (count * u - neighbours(u)) * inside

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum((2, 3), keepdim=True)

    u = torch.zeros(1, given.shape[1], *shape, device=given.device)
    residual = (neighbours(given) + source) * inside
    direction, size = residual, dot(residual, residual)
    for _ in range(steps):
        applied = operator(direction)
        length = size / dot(direction, applied).clamp(min=1e-20)
        u, residual = u + length * direction, residual - length * applied
        before, size = size, dot(residual, residual)
        direction = residual + size / before.clamp(min=1e-20) * direction
    return u
