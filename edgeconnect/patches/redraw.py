"""A picture redrawn with a photo's own patches, coarse to fine: what was stretched has its local size again.

Every patch takes the nearest one of the photo, each pixel the weighted mean of what the patches over it then
say, and so on, from a scale at which a patch is nearly half of the photo: the retargeting of Granot et al.
("Drop the GAN", 2022), with scales of a factor 2. The layout is that of the picture at the coarsest scale.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from edgeconnect.errors import InputError
from edgeconnect.patches.matching import PatchField, PatchIndex, grid_size, places, vote_weights, weighted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

MIN_SIDE_PX = 16  # of the coarsest scale
ITERATIONS = (20, 12, 8, 2)  # at the coarsest scale, the next ones, and all finer ones
MAX_COMPARISONS = 2 * 10**9  # of patches in one search: seconds
SHARPNESS = 2.0  # of votes
CARRIED = 250  # comparisons of each patch that carrying a match up and voting take as long as
ALPHA = 5.0  # how freely patches may be used again; below 1, parts that do not belong there are fitted in


def redraw(picture: Tensor, photo: Tensor, progress: Callable[[float], None] = lambda share: None) -> Tensor:
    """`picture` (H,W,3) with the patches of `photo` (h,w,3), both in [0,1] and 7 px or more a side.

    progress: called after each search with the share of the work that is done, at last 1; may raise to stop.
    Raises InputError for a picture so much smaller than the photo that all cannot be compared with all.
    """
    levels = 0
    while min(*picture.shape[:2], *photo.shape[:2]) / 2 ** (levels + 1) >= MIN_SIDE_PX:
        levels += 1
    drawn = _shrunk(picture, levels)
    costs = [_cost(picture, photo, level, levels) for level in range(levels + 1)]
    done, total = 0.0, sum(costs)
    coarse: tuple[Tensor, PatchField] | None = None
    for level in range(levels, -1, -1):
        source, iterations = _shrunk(photo, level), _iterations(level, levels)

        def settled(share: float, before: float = done, cost: float = costs[level]) -> None:
            progress((before + share * cost) / total)

        drawn, field = _settle(_resized(drawn, _size(picture, level)), source, coarse, iterations, settled)
        coarse = source, field
        done += costs[level]
    return drawn


def _iterations(level: int, levels: int) -> int:
    return ITERATIONS[min(levels - level, len(ITERATIONS) - 1)]


def _cost(picture: Tensor, photo: Tensor, level: int, levels: int) -> float:
    """About how long a scale takes, in comparisons of patches."""
    patches, of = (math.prod(_size(x, level)) for x in (picture, photo))
    compared = patches * of
    is_carried = level < levels and compared > MAX_COMPARISONS
    return float(CARRIED * patches if is_carried else _iterations(level, levels) * compared)


def _settle(
    drawn: Tensor,
    source: Tensor,
    coarse: tuple[Tensor, PatchField] | None,
    iterations: int,
    progress: Callable[[float], None],
) -> tuple[Tensor, PatchField]:
    """The picture redrawn at one scale, and the match of each patch of its grid.

    coarse: the source and the matches of the coarser scale; a picture that comes from there is first compared
    with a source as blurred as it is.
    """
    (rows, columns), size = grid_size(drawn), grid_size(source)
    queries = torch.arange(rows * columns, device=drawn.device)
    field = PatchField(rows, columns, queries)
    too_many = len(queries) * size[0] * size[1] > MAX_COMPARISONS
    if too_many and not coarse:
        raise InputError(
            f"expected a result nearer to the photo's size, got {drawn.shape[1]}x{drawn.shape[0]} px "
            f"from {source.shape[1]}x{source.shape[0]}"
        )
    everything = torch.ones(size, device=drawn.device)
    if coarse and too_many:
        field.upsampled(coarse[1], size, grid_size(coarse[0])[1])
        index = PatchIndex(source, everything)
        field.distances = index.distances(index.describe(drawn), field.matches)
        drawn = _voted(drawn, source, field)
        progress(1)
        return drawn, field
    index = PatchIndex(source, everything)
    first = PatchIndex(_resized(coarse[0], source.shape[:2]), everything) if coarse else index
    for iteration in range(iterations - 1):
        searched = index if iteration else first
        field.matches, _ = searched.nearest(searched.describe(drawn), ALPHA)
        field.distances = index.distances(index.describe(drawn), field.matches)
        drawn = _voted(drawn, source, field)
        progress((iteration + 1) / iterations)
    # what was only taken because nobody else did goes again
    field.matches, field.distances = index.nearest(index.describe(drawn))
    drawn = _voted(drawn, source, field)
    progress(1)
    return drawn, field


def _voted(drawn: Tensor, source: Tensor, field: PatchField) -> Tensor:
    everywhere = places(torch.ones(drawn.shape[:2], dtype=torch.bool, device=drawn.device))
    return field.vote(weighted(source), vote_weights(field.distances, SHARPNESS), everywhere).view_as(drawn)


def _size(picture: Tensor, level: int) -> tuple[int, int]:
    height, width = (math.ceil(side / 2**level) for side in picture.shape[:2])
    return height, width


def _shrunk(picture: Tensor, level: int) -> Tensor:
    return _resized(picture, _size(picture, level))


def _resized(picture: Tensor, size: Sequence[int]) -> Tensor:
    if picture.shape[:2] == tuple(size):
        return picture
    planes = F.interpolate(picture.permute(2, 0, 1)[None], tuple(size), mode="bilinear", antialias=True)
    return planes[0].permute(1, 2, 0).contiguous()
