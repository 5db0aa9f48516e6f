"""Patch matching: for each patch of a picture, its nearest among others; and pictures voted from matches.

Pictures are (H,W,C) float32 tensors. A patch is 7x7 pixels and named by the index of its upper left corner,
y * (W - 6) + x. The nearest patch is found by comparing all with all, as one matrix product in blocks that
stay in the processor's cache: |q - k|² differs from |k|² - 2 q·k by the query's own length only. Patches are
compared in the first 32 principal components of the keys, which hold nearly all of a photo's patch energy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

PATCH_PX = 7
COMPONENTS = 32
SHARPNESS = 2.0  # how much more a good match's vote counts (Wexler: 1)
_QUERIES_AT_ONCE, _KEYS_AT_ONCE = 256, 4096  # scores of a block: 4 MB
_ROWS_AT_ONCE = 2**15


def grid(picture: Tensor) -> tuple[int, int]:
    """How many patches fit: (rows, columns)."""
    return picture.shape[0] - PATCH_PX + 1, picture.shape[1] - PATCH_PX + 1


def touching(hole: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the patches that touch a hole (H,W) bool, and of those that don't."""
    touches = F.max_pool2d(hole[None].float(), PATCH_PX, 1)[0].flatten() > 0
    return touches.nonzero()[:, 0], (~touches).nonzero()[:, 0]


def rows(picture: Tensor, indices: Tensor) -> Tensor:
    """The patches at `indices`: (N, 49 C), pixel by pixel."""
    _, width = grid(picture)
    pixels = picture.flatten(0, 1)
    return pixels[_pixels(indices, width, picture.shape[1])].flatten(1)


class Keys:
    """Patches to be found, made ready for comparison."""

    def __init__(self, picture: Tensor, indices: Tensor) -> None:
        """Take the patches of `picture` (H,W,C) at `indices`, at least one."""
        self.indices = indices
        parts = torch.split(indices, _ROWS_AT_ONCE)
        count = len(indices)
        self._mean = torch.stack([rows(picture, part).sum(0) for part in parts]).sum(0) / count
        centred = (rows(picture, part) - self._mean for part in parts)
        scatter = torch.stack([c.T @ c for c in centred]).sum(0) / count
        _, directions = torch.linalg.eigh(scatter)
        self._axes = directions[:, -COMPONENTS:]
        keys = self.project(picture, indices)
        scored = torch.cat((-2 * keys, keys.square().sum(1, keepdim=True)), dim=1).T
        self._blocks = [block.contiguous() for block in torch.split(scored, _KEYS_AT_ONCE, dim=1)]

    def project(self, picture: Tensor, indices: Tensor) -> Tensor:
        """The principal components of patches: (N, 32)."""
        parts = torch.split(indices, _ROWS_AT_ONCE)
        return torch.cat([(rows(picture, part) - self._mean) @ self._axes for part in parts])

    def nearest(self, picture: Tensor, indices: Tensor) -> Tensor:
        """For each patch of `picture` at `indices`, the index of the nearest key, (N,)."""
        queries, _ = self._queries(picture, indices)
        return self._best(queries, lambda scores, part, block: scores)

    def nearest_unused(self, picture: Tensor, indices: Tensor, alpha: float) -> Tensor:
        """As `nearest`, but keys near to no other query are preferred to those that many are near to.

        Distances are divided by the least one to that key, plus `alpha` times the mean of these: the
        normalised score of Granot et al. ("Drop the GAN", 2022), which keeps flat patches from taking over.
        """
        queries, lengths = self._queries(picture, indices)
        least = [block.new_full((block.shape[1],), float("inf")) for block in self._blocks]
        for part, length in zip(queries, lengths, strict=True):
            for block, so_far in zip(self._blocks, least, strict=True):
                torch.minimum(so_far, (part @ block).add_(length).amin(0), out=so_far)
        added = alpha * torch.cat(least).clamp(min=0).mean() + 1e-9
        worth = [1 / (so_far.clamp(min=0) + added) for so_far in least]
        return self._best(queries, lambda scores, part, block: scores.add_(lengths[part]).mul_(worth[block]))

    def _queries(self, picture: Tensor, indices: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Blocks of queries for the product with a block of keys, and their squared lengths (n,1)."""
        queries = self.project(picture, indices)
        ones = queries.new_ones(len(queries), 1)
        both = torch.cat((queries, ones, queries.square().sum(1, keepdim=True)), dim=1)
        blocks = torch.split(both, _QUERIES_AT_ONCE)
        return [block[:, :-1].contiguous() for block in blocks], [block[:, -1:] for block in blocks]

    def _best(self, queries: list[Tensor], rated: Callable[[Tensor, int, int], Tensor]) -> Tensor:
        """Index of the key with the least rating for each query; the first of equals."""
        found = []
        for part, block_of_queries in enumerate(queries):
            least = block_of_queries.new_full((len(block_of_queries),), float("inf"))
            best = torch.zeros(len(block_of_queries), dtype=torch.long, device=least.device)
            for number, block in enumerate(self._blocks):
                ratings = rated(block_of_queries @ block, part, number)
                at = _argmin(ratings)
                rating = ratings.gather(1, at[:, None])[:, 0]
                better = rating < least
                least = torch.where(better, rating, least)
                best = torch.where(better, at + number * _KEYS_AT_ONCE, best)
            found.append(best)
        return self.indices[torch.cat(found)]


def improve(picture: Tensor, known: Tensor, queries: Tensor, matches: Tensor) -> Tensor:
    """Matches (N,) that are as good or better, from those of each query's neighbours.

    For pictures too large to compare all with all (the propagation of Barnes et al., "PatchMatch", 2009).
    known: indices of the patches that may be matched.
    """
    size = grid(picture)
    allowed = torch.zeros(size[0] * size[1], dtype=torch.bool, device=picture.device)
    allowed[known] = True
    field = queries.new_full((size[0] * size[1],), -1)
    apart = distances(picture, queries, matches)
    for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        field[queries] = matches
        # the neighbour's match, moved by as much as the neighbour is
        beside, inside = _moved(queries, down, right, size)
        candidate, still_inside = _moved(field[beside], -down, -right, size)
        usable = inside & still_inside & (field[beside] >= 0) & allowed[candidate]
        candidate = torch.where(usable, candidate, matches)
        tried = distances(picture, queries, candidate)
        matches = torch.where(tried < apart, candidate, matches)
        apart = torch.minimum(tried, apart)
    return matches


def doubled(
    coarse: Tensor, coarse_columns: int, queries: Tensor, columns: int, size: tuple[int, int]
) -> Tensor:
    """Matches (N,) at twice the resolution: where the coarser patch over a patch went, it goes too.

    coarse (rows,columns): indices in a source whose grid had `coarse_columns`; the queries' grid has
    `columns`, the source's is `size` now.
    """
    y, x = queries // columns, queries % columns
    above = coarse[(y // 2).clamp(max=coarse.shape[0] - 1), (x // 2).clamp(max=coarse.shape[1] - 1)]
    to_y, to_x = above // coarse_columns * 2 + y % 2, above % coarse_columns * 2 + x % 2
    return to_y.clamp(max=size[0] - 1) * size[1] + to_x.clamp(max=size[1] - 1)


def distances(picture: Tensor, a: Tensor, b: Tensor, source: Tensor | None = None) -> Tensor:
    """Sums of squared differences between patches, those at `b` of `source` if not of the picture: (N,)."""
    other = picture if source is None else source
    pairs = zip(torch.split(a, _ROWS_AT_ONCE), torch.split(b, _ROWS_AT_ONCE), strict=True)
    return torch.cat([(rows(picture, x) - rows(other, y)).square().sum(1) for x, y in pairs])


def vote_weights(apart: Tensor) -> Tensor:
    """What votes count by their patches' distances to their matches, (N,) (Wexler et al., section 3.2).

    The distance that three quarters of the patches keep below is the measure.
    """
    spread = apart.sort().values[len(apart) * 3 // 4].clamp(min=1e-8)
    return torch.exp(-SHARPNESS * apart / (2 * spread)) + 1e-12


def vote(
    picture: Tensor,
    hole: Tensor,
    queries: Tensor,
    matches: Tensor,
    weights: Tensor,
    source: Tensor | None = None,
) -> Tensor:
    """The picture with its hole (H,W) repainted: each pixel the weighted mean of its patches' votes.

    queries (N,), all that touch the hole; matches (N,), whose pixels, in `source` or the picture itself, they
    propose; weights (N,) > 0.
    """
    height, width, channels = picture.shape
    _, columns = grid(picture)
    proposed = picture if source is None else source
    pixels, of_columns = proposed.flatten(0, 1), grid(proposed)[1]
    sums = picture.new_zeros(height * width, channels + 1)
    for query, match, weight in zip(
        *(torch.split(x, _ROWS_AT_ONCE) for x in (queries, matches, weights)), strict=True
    ):
        colours = pixels[_pixels(match, of_columns, proposed.shape[1])] * weight[:, None, None]
        said = torch.cat((colours, weight[:, None, None].expand(-1, PATCH_PX**2, 1)), dim=2)
        sums.index_add_(0, _pixels(query, columns, width).flatten(), said.flatten(0, 1))
    means = (sums[:, :-1] / sums[:, -1:]).view_as(picture)
    return torch.where(hole[..., None], means, picture)


def _pixels(indices: Tensor, columns: int, width: int) -> Tensor:
    """Flat positions of the 49 pixels of each patch: (N,49)."""
    corner = indices // columns * width + indices % columns
    side = torch.arange(PATCH_PX, device=indices.device)
    return corner[:, None] + (side[:, None] * width + side).flatten()


def _moved(indices: Tensor, down: int, right: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Indices of patches moved by so many px (any index where that is outside), and whether it is inside."""
    y, x = indices // size[1] + down, indices % size[1] + right
    inside = (y >= 0) & (y < size[0]) & (x >= 0) & (x < size[1])
    return torch.where(inside, y * size[1] + x, 0), inside


def _argmin(scores: Tensor) -> Tensor:
    """Position of each row's least score; NumPy's is several times faster than PyTorch's on CPUs."""
    if scores.device.type == "cpu":
        return torch.from_numpy(scores.numpy().argmin(1))
    return scores.argmin(1)
