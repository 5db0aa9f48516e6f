"""A hole filled with the photo's own patches, coarse to fine: in seconds, without any training.

Every patch that touches the hole takes the nearest patch of the known part, each pixel the weighted mean of
what the patches over it then say, and so on to a fixed point (Wexler, Shechtman & Irani, "Space-Time
Completion of Video", 2007, with the texture features of Newson et al., 2014, which keep fine texture apart
from smooth surfaces at coarse scales). Holes start from the continuation of their rim at the coarsest scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from edgeconnect.errors import InputError
from edgeconnect.models.smooth_fill import smooth_fill
from edgeconnect.patches.matching import (
    PATCH_PX,
    Keys,
    distances,
    doubled,
    grid,
    improve,
    touching,
    vote,
    vote_weights,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

LEAST_SIDE_PX = 24  # of the coarsest scale
LEAST_PATCHES = 64  # known at the coarsest scale
MOST_COMPARISONS = 10**9  # of patches in one search: seconds
START_SCALE = 2  # where another fill comes in: halved so often
DEEP_PX = 4  # a hole this deep is shallow enough to start from its rim
ITERATIONS = (10, 8, 6, 4)  # at the coarsest scale, the next ones, and all finer ones (and from a start)
TEXTURE_WINDOW_PX = 15
TEXTURE_WEIGHT = 7.0  # a difference of texture counts so many times one of colour (Newson: sqrt(50))
ALPHA = 5.0  # how freely patches may be used again; less: more variety and seams (Granot et al., section 3)
RIM_DECAY = 1.3  # a patch counts so much less for each px that it is farther from the rim (Wexler)


def patch_fill(
    photo: Tensor,
    hole: Tensor,
    start: Tensor | None = None,
    avoid: Tensor | None = None,
    watch: Callable[[Tensor], None] = lambda picture: None,
) -> Tensor:
    """The photo (H,W,3) in [0,1] with its hole (H,W) bool filled, known pixels as they are.

    start (H,W,3) is another fill, whose structure down to a quarter of the resolution is kept. From `avoid`
    (H,W) bool, pixels beside the hole, nothing is copied. `watch` is shown the filled photo of each scale,
    (H,W,3). Raises InputError where no patch is known.
    """
    height, width = hole.shape
    closed = hole if avoid is None else hole | avoid
    levels = scales(hole, closed)
    pyramid = _pyramid(_with_texture(photo, hole), hole, levels)
    if start is not None:
        levels = min(levels, START_SCALE)
        guess = _pyramid(_with_texture(start, torch.zeros_like(hole)), torch.zeros_like(hole), levels)[-1][0]
        first = torch.where(pyramid[levels][1][..., None], guess, pyramid[levels][0])
    else:
        first = _rim_continued(*pyramid[levels])
    matches = None
    for level in range(levels, -1, -1):
        known, missing = pyramid[level]
        number = levels - level + (len(ITERATIONS) - 1 if start is not None else 0)
        iterations = ITERATIONS[min(number, len(ITERATIONS) - 1)]
        not_copied = _pooled(closed, 2**level, missing.shape)
        picture = first if matches is None else known
        picture, matches = _settle(picture, missing, not_copied, matches, iterations)
        size = (height, width)
        watch(torch.where(hole[..., None], _enlarged(picture[..., :3], 2**level, size), photo))
    return torch.where(hole[..., None], picture[:height, :width, :3], photo)


def scales(hole: Tensor, closed: Tensor | None = None) -> int:
    """How often the photo is halved: until the hole is shallow, the photo small or hardly a patch known.

    closed (H,W) bool: what nothing is copied from (the hole, if not more).
    """
    closed = hole if closed is None else closed
    if not len(touching(closed)[1]):
        raise InputError(f"expected a known patch of {PATCH_PX}x{PATCH_PX} pixels around the hole, got none")
    levels = 0
    while _depth(_pooled(hole, 2**levels)) > DEEP_PX:
        smaller = _pooled(closed, 2 ** (levels + 1))
        if min(smaller.shape) < LEAST_SIDE_PX or len(touching(smaller)[1]) < LEAST_PATCHES:
            break
        levels += 1
    return levels


def _pooled(hole: Tensor, factor: int, size: tuple[int, ...] | None = None) -> Tensor:
    """A hole at a coarser scale: what covers any of it; extended by its border to `size`."""
    smaller = F.max_pool2d(hole[None, None].float(), factor, ceil_mode=True)
    if size is not None:
        bottom, right = size[0] - smaller.shape[2], size[1] - smaller.shape[3]
        smaller = F.pad(smaller, (0, right, 0, bottom), mode="replicate")
    return smaller[0, 0] > 0


def _depth(hole: Tensor) -> int:
    """How many times a pixel can be taken off all around until nothing is left."""
    depth, missing = 0, hole[None].float()
    while missing.any():
        missing = -F.max_pool2d(-missing, 3, 1, 1)
        depth += 1
    return depth


def _pyramid(picture: Tensor, hole: Tensor, levels: int) -> list[tuple[Tensor, Tensor]]:
    """(picture, hole) of each scale from fine to coarse: means of what is known, known where all of it is.

    The sides are first extended to multiples of the coarsest pixel.
    """
    unit = 2**levels
    bottom, right = (-side % unit for side in hole.shape)
    extended = F.pad(
        torch.cat((picture, hole[..., None]), 2).permute(2, 0, 1)[None], (0, right, 0, bottom), "replicate"
    )
    pixels, known = extended[:, :-1], 1 - extended[:, -1:]
    pyramid = []
    for _ in range(levels + 1):
        pixels = pixels * known
        pyramid.append((pixels[0].permute(1, 2, 0).contiguous(), known[0, 0] == 0))
        pixels, known = F.avg_pool2d(pixels, 2), (F.avg_pool2d(known, 2) == 1).to(pixels)
    return pyramid


def _rim_continued(picture: Tensor, hole: Tensor) -> Tensor:
    filled = smooth_fill(picture.permute(2, 0, 1)[None], hole[None, None].to(picture))
    return filled[0].permute(1, 2, 0)


def _enlarged(picture: Tensor, factor: int, size: tuple[int, int]) -> Tensor:
    larger = F.interpolate(picture.permute(2, 0, 1)[None], scale_factor=factor, mode="bilinear")
    return larger[0].permute(1, 2, 0)[: size[0], : size[1]]


def _with_texture(photo: Tensor, hole: Tensor) -> Tensor:
    """The photo and its texture: (H,W,5)."""
    return torch.cat((photo, _texture(photo, hole)), dim=2)


def _texture(photo: Tensor, hole: Tensor) -> Tensor:
    """Mean absolute derivatives around each pixel, of what is known: (H,W,2)."""
    gray = photo.mean(2)
    known = ~hole
    across = F.pad((gray[:, 1:] - gray[:, :-1]).abs() * (known[:, 1:] & known[:, :-1]), (0, 1))
    down = F.pad((gray[1:] - gray[:-1]).abs() * (known[1:] & known[:-1]), (0, 0, 0, 1))
    counted = torch.stack((across, down, known.float()))[None]
    means = F.avg_pool2d(counted, TEXTURE_WINDOW_PX, 1, TEXTURE_WINDOW_PX // 2, count_include_pad=False)[0]
    return (TEXTURE_WEIGHT * means[:2] / means[2:].clamp(min=1e-3)).permute(1, 2, 0)


def _settle(
    picture: Tensor, hole: Tensor, closed: Tensor, coarse: Tensor | None, iterations: int
) -> tuple[Tensor, Tensor]:
    """The picture filled at one scale, and the match of each patch of its grid (-1: patch is known)."""
    queries, _ = touching(hole)
    _, known = touching(closed)
    nearness = _nearness(hole)
    size = grid(picture)
    search = _search(len(queries) * len(known), picture, known)
    if coarse is None:
        matches = search(picture, queries, None)
    else:
        matches = doubled(coarse, coarse.shape[1], queries, size[1], size)
    for iteration in range(iterations):
        if iteration:
            matches = search(picture, queries, matches)
        weights = _weights(picture, queries, matches, nearness, first=iteration == 0)
        picture = vote(picture, hole, queries, matches, weights)
    field = queries.new_full((size[0] * size[1],), -1)
    field[queries] = matches
    return picture, field.view(size)


def _search(
    comparisons: int, picture: Tensor, known: Tensor
) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """(picture, queries, matches so far) -> matches: among all known patches, or, where those are too many,
    from those so far, which a coarser scale or a search among some of them has found.
    """
    if comparisons > MOST_COMPARISONS:
        some = known[:: -(-comparisons // MOST_COMPARISONS)]
        return lambda now, queries, matches: improve(
            now,
            known,
            queries,
            Keys(now, some).nearest_unused(now, queries, ALPHA) if matches is None else matches,
        )
    keys = Keys(picture, known)
    return lambda now, queries, matches: keys.nearest_unused(now, queries, ALPHA)


def _nearness(hole: Tensor) -> Tensor:
    """RIM_DECAY to the minus distance from the rim, (H,W)."""
    nearness, missing, factor = torch.ones(hole.shape, device=hole.device), hole[None].float(), 1.0
    while missing.any():
        factor = max(factor / RIM_DECAY, 1e-6)
        nearness[missing[0] > 0] = factor
        missing = -F.max_pool2d(-missing, 3, 1, 1)
    return nearness


def _weights(picture: Tensor, queries: Tensor, matches: Tensor, nearness: Tensor, *, first: bool) -> Tensor:
    """What each patch's vote counts: more near the rim and for a good match (Wexler, section 3.2)."""
    _, columns = grid(picture)
    centre = nearness[queries // columns + 3, queries % columns + 3]
    if first:
        return centre
    return centre * vote_weights(distances(picture, queries, matches))
