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
from edgeconnect.patches.matching import Keys, distances, doubled, grid, vote, vote_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

LEAST_SIDE_PX = 16  # of the coarsest scale
ITERATIONS = (20, 12, 8, 2)  # at the coarsest scale, the next ones, and all finer ones
MOST_COMPARISONS = 2 * 10**9  # of patches in one search: seconds
ALPHA = 5.0  # how freely patches may be used again; below 1, parts that do not belong there are fitted in


def redraw(picture: Tensor, photo: Tensor) -> Tensor:
    """`picture` (H,W,3) with the patches of `photo` (h,w,3), both in [0,1] and 7 px or more a side.

    Raises InputError for a picture so much smaller than the photo that all cannot be compared with all.
    """
    levels = 0
    while min(*picture.shape[:2], *photo.shape[:2]) / 2 ** (levels + 1) >= LEAST_SIDE_PX:
        levels += 1
    drawn, coarse = _shrunk(picture, levels), None
    for level in range(levels, -1, -1):
        source = _shrunk(photo, level)
        iterations = ITERATIONS[min(levels - level, len(ITERATIONS) - 1)]
        drawn, matches = _settle(_resized(drawn, _size(picture, level)), source, coarse, iterations)
        coarse = source, matches
    return drawn


def _settle(
    drawn: Tensor, source: Tensor, coarse: tuple[Tensor, Tensor] | None, iterations: int
) -> tuple[Tensor, Tensor]:
    """The picture redrawn at one scale, and the match of each patch of its grid.

    coarse: the source and the matches of the coarser scale; a picture that comes from there is first compared
    with a source as blurred as it is.
    """
    (rows, columns), size = grid(drawn), grid(source)
    queries, found = (torch.arange(r * c, device=drawn.device) for r, c in ((rows, columns), size))
    too_many = len(queries) * len(found) > MOST_COMPARISONS
    if too_many and not coarse:
        raise InputError(
            f"expected a result nearer to the photo's size, got {drawn.shape[1]}x{drawn.shape[0]} px "
            f"from {source.shape[1]}x{source.shape[0]}"
        )
    if coarse and too_many:
        matches = doubled(coarse[1], grid(coarse[0])[1], queries, columns, size)
        return _voted(drawn, source, queries, matches), matches.view(rows, columns)
    keys = Keys(source, found)
    first = Keys(_resized(coarse[0], source.shape[:2]), found) if coarse else keys
    for iteration in range(iterations - 1):
        matches = (keys if iteration else first).nearest_unused(drawn, queries, ALPHA)
        drawn = _voted(drawn, source, queries, matches)
    matches = keys.nearest(drawn, queries)  # what was only taken because nobody else did goes again
    drawn = _voted(drawn, source, queries, matches)
    return drawn, matches.view(rows, columns)


def _voted(drawn: Tensor, source: Tensor, queries: Tensor, matches: Tensor) -> Tensor:
    weights = vote_weights(distances(drawn, queries, matches, source))
    everywhere = torch.ones(drawn.shape[:2], dtype=torch.bool, device=drawn.device)
    return vote(drawn, everywhere, queries, matches, weights, source)


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
