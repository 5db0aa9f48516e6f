"""Gradient-domain blending: copied pixels keep their gradients and meet the known ones without a seam."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SCREENING = 0.01  # a correction at the rim fades within 1 / sqrt(SCREENING) = 10 px
MAX_CORRECTION = 0.1  # of 1; a larger difference at the rim is an edge of the photo, not a seam
STEPS = 40


def blend_seam(copied: Tensor, photo: Tensor, hole: Tensor) -> Tensor:
    """The copied picture in the hole, its colours moved so that they meet the photo's at the rim: (H,W,3).

    copied: (H,W,3), also just outside the hole, where it says what the copy would have there. photo: (H,W,3).
    hole: (H,W) bool. Solves the screened Poisson equation (Pérez et al., "Poisson Image Editing", 2003; Bhat
    et al., 2008) for the correction u: laplacian(u) = SCREENING * u in the hole, u = photo - copied outside,
    at most MAX_CORRECTION.
    """
    if not hole.any():
        return photo
    around = _bounds(hole)
    result = photo.clone()
    result[around] = _blended(copied[around], photo[around], hole[around])
    return result


def _bounds(hole: Tensor) -> tuple[slice, slice]:
    """The hole's bounding box and a pixel around it."""
    y, x = hole.any(1).nonzero()[:, 0], hole.any(0).nonzero()[:, 0]
    return slice(max(int(y[0]) - 1, 0), int(y[-1]) + 2), slice(max(int(x[0]) - 1, 0), int(x[-1]) + 2)


def _blended(copied: Tensor, photo: Tensor, hole: Tensor) -> Tensor:
    inside = hole[None, None].float()
    rim = F.max_pool2d(inside, 3, 1, 1) - inside
    difference = (photo - copied).permute(2, 0, 1)[None]
    largest = difference.abs().amax(1, keepdim=True).clamp(min=1e-6)
    given = difference * (MAX_CORRECTION / largest).clamp(max=1) * rim
    correction = _solve(given, inside)
    blended = (copied + correction[0].permute(1, 2, 0)).clamp(0, 1)
    return torch.where(hole[..., None], blended, photo)


def _solve(given: Tensor, inside: Tensor) -> Tensor:
    """Conjugate gradients for the correction inside, `given` (1,C,H,W) on the rim, where nothing is known
    none of it flows: (1,C,H,W).
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
    residual = neighbours(given) * inside
    direction, size = residual, dot(residual, residual)
    for _ in range(STEPS):
        applied = operator(direction)
        length = size / dot(direction, applied).clamp(min=1e-20)
        u, residual = u + length * direction, residual - length * applied
        before, size = size, dot(residual, residual)
        direction = residual + size / before.clamp(min=1e-20) * direction
    return u
