"""Patch matching: descriptors of patches, exact and local search for similar ones, and votes.

Pictures are (H,W,3) float32 tensors. A patch is 7x7 pixels and named by the flat index of its upper left
corner in the grid of all patches, y * (W - 6) + x. Two patches differ by the squared differences of their
colours plus those of their gradients (neighbouring pixels). That is a quadratic form in the pixels, so its
first principal components describe a patch, and one convolution describes all patches of a picture.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from edgeconnect.device import exact_float32

PATCH_PX = 7
COMPONENTS = 24
GRADIENT_WEIGHT = 1.0  # of squared gradient differences, against squared colour differences
_SAMPLED_PATCHES = 2000  # that principal components and the mean energy are computed from
_QUERIES_AT_ONCE, _KEYS_AT_ONCE = 256, 4096  # scores of a block: 4 MB, which stay in the processor's cache
_PIXELS_AT_ONCE = 8192  # that are voted for, each by 49 patches: 8 MB
_NEIGHBOURS = ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))


def grid_size(picture: Tensor) -> tuple[int, int]:
    """How many patches fit into (H,W,...) or (H,W): (rows, columns)."""
    return picture.shape[0] - PATCH_PX + 1, picture.shape[1] - PATCH_PX + 1


def patches_touching(hole: Tensor) -> Tensor:
    """Whether each patch holds a pixel of the hole (H,W): (rows, columns) bool."""
    in_row = F.max_pool2d(hole[None, None].float(), (1, PATCH_PX), 1)
    return F.max_pool2d(in_row, (PATCH_PX, 1), 1)[0, 0] > 0


def places(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Where (H,W) bool is true: (y, x), (n,) each."""
    y, x = pixels.nonzero(as_tuple=True)
    return y, x


def patch_detail(picture: Tensor) -> Tensor:
    """Squared length of each patch about its mean colour, in the distance's metric: (rows, columns)."""
    planes = picture.permute(2, 0, 1)[None]
    total = _box_sum(planes.square().sum(1, keepdim=True), PATCH_PX, PATCH_PX)
    mean = _box_sum(planes, PATCH_PX, PATCH_PX) / PATCH_PX
    total -= mean.square().sum(1, keepdim=True)
    for axis, size in ((2, (PATCH_PX - 1, PATCH_PX)), (3, (PATCH_PX, PATCH_PX - 1))):
        steps = planes.diff(dim=axis).square().sum(1, keepdim=True)
        total += GRADIENT_WEIGHT * _box_sum(steps, *size)
    return total[0, 0].clamp(min=0)


def box_means(planes: Tensor, height: int, width: int) -> Tensor:
    """Means over boxes inside (N,C,H,W), along one side and then the other: faster than both at once."""
    return F.avg_pool2d(F.avg_pool2d(planes, (height, 1), 1), (1, width), 1)


def _box_sum(planes: Tensor, height: int, width: int) -> Tensor:
    return box_means(planes, height, width) * (height * width)


class PatchIndex:
    """The patches of one picture, ready to be searched for similar ones.

    `descriptors` (rows * columns, D) describes every patch of the picture; `keys` are the flat indices of
    those that may be found. A distance is the squared difference of descriptors plus the found patch's price;
    the price is negative where a bonus is given.
    """

    def __init__(
        self, picture: Tensor, usable: Tensor, guide: Tensor | None = None, bonus: Tensor | None = None
    ) -> None:
        """Describe the patches of a picture.

        picture: (H,W,3). usable: (rows, columns) in [0,1], 0 for patches that must not be found, at least one
        above; a share of 1 - p costs p times the mean energy of a patch.
        guide: (rows, columns, E), further numbers of each patch that are compared as they are.
        bonus: (rows, columns), what a patch's distance is lowered by.
        """
        self.rows, self.columns = grid_size(picture)
        share = usable.flatten().to(picture)
        self.keys = share.nonzero()[:, 0]
        number = min(len(self.keys), _SAMPLED_PATCHES)
        sample = self.keys[torch.linspace(0, len(self.keys) - 1, number, device=self.keys.device).long()]
        self._basis, self._bias = _principal_components(picture, sample)
        self.descriptors = self.describe(picture, guide)
        found = self.descriptors[sample]
        energy = (found - found.mean(0)).square().sum(1).mean()
        prices = (1 - share) * energy
        if bonus is not None:
            prices = prices - bonus.flatten()
        self._prices = torch.where(share > 0, prices, float("inf"))

    def describe(self, picture: Tensor, guide: Tensor | None = None) -> Tensor:
        """Descriptors (rows * columns, D) of all patches of a picture (H,W,3) in this index's components."""
        with exact_float32():  # TF32's 10 bits would blur the distances of patches that are nearly alike
            planes = F.conv2d(picture.permute(2, 0, 1)[None], self._basis, self._bias)[0]
        described = planes.permute(1, 2, 0).flatten(0, 1)
        return described if guide is None else torch.cat((described, guide.flatten(0, 1)), dim=1)

    def distances(self, queries: Tensor, matches: Tensor) -> Tensor:
        """Distances (N,) of described patches (N,D) to those at the indices `matches` (N,)."""
        return (queries - self.descriptors[matches]).square().sum(1) + self._prices[matches]

    def is_usable(self, matches: Tensor) -> Tensor:
        """Whether the patches at these indices may be found: bool."""
        return self._prices[matches] < float("inf")

    def nearest(
        self, queries: Tensor, alpha: float | None = None, among: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The nearest usable patch of each described one (N,D), all compared with all: (matches, distances).

        among: the flat indices of the patches that are compared, else all of `keys`.
        With `alpha`, patches near to no other query are preferred to those that many are near to: distances
        are divided by the smallest one to that patch, plus `alpha` times the mean of these (the normalised
        score of Granot et al., "Drop the GAN", 2022).
        """
        compared = self.keys if among is None else among
        keys = self.descriptors[compared]
        costs = keys.square().sum(1, keepdim=True) + self._prices[compared][:, None]
        products = torch.cat((-2 * keys, costs), dim=1).T
        blocks = [block.contiguous() for block in torch.split(products, _KEYS_AT_ONCE, 1)]
        lengths = queries.square().sum(1, keepdim=True)
        augmented = torch.cat((queries, torch.ones_like(lengths)), dim=1)
        divisors = None if alpha is None else _crowding(augmented, lengths, blocks, alpha)
        found = []
        for part, length in zip(
            torch.split(augmented, _QUERIES_AT_ONCE), torch.split(lengths, _QUERIES_AT_ONCE), strict=True
        ):
            best = part.new_full((len(part),), float("inf"))
            at = torch.zeros(len(part), dtype=torch.long, device=part.device)
            for number, block in enumerate(blocks):
                scores = part @ block
                if divisors is not None:
                    scores = scores.add_(length).mul_(divisors[number])
                place = _argmin(scores)
                score = scores.gather(1, place[:, None])[:, 0]
                at = torch.where(score < best, place + number * _KEYS_AT_ONCE, at)
                best = torch.minimum(score, best)
            found.append(at)
        matches = compared[torch.cat(found)]
        return matches, self.distances(queries, matches)

    def search_around(
        self,
        queries: Tensor,
        matches: Tensor,
        distances: Tensor,
        generator: torch.Generator,
        reach: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Better matches among random patches nearer and nearer to the present ones (Barnes et al., 2009).

        The distance tried halves from `reach` pixels, else the whole picture, to one. Random numbers come
        from `generator`, on the CPU: the same on every device.
        """
        y, x = matches // self.columns, matches % self.columns
        reach = reach or max(self.rows, self.columns)
        while reach >= 1:
            steps = torch.randint(-reach, reach + 1, (2, len(matches)), generator=generator).to(y)
            to_y = (y + steps[0]).clamp(0, self.rows - 1)
            to_x = (x + steps[1]).clamp(0, self.columns - 1)
            tried = to_y * self.columns + to_x
            apart = self.distances(queries, tried)
            better = apart < distances
            y, x = torch.where(better, to_y, y), torch.where(better, to_x, x)
            distances = torch.where(better, apart, distances)
            reach //= 2
        return y * self.columns + x, distances


class PatchField:
    """Which patch of a source each query of a target's grid is matched with, and how far apart they are."""

    def __init__(self, rows: int, columns: int, queries: Tensor) -> None:
        """A grid of rows x columns patches, of which those at the flat indices `queries` are matched."""
        self.rows, self.columns, self.queries = rows, columns, queries
        self.y, self.x = queries // columns, queries % columns
        self.matches = torch.zeros_like(queries)
        self.distances = torch.zeros_like(queries, dtype=torch.float32)

    def propagate(self, index: PatchIndex, queries: Tensor, coherence: float, passes: int) -> None:
        """Let each patch take over a neighbour's offset where that costs less, in checkerboard passes.

        The cost of an offset is the distance plus `coherence` times the median distance times the share of
        the eight neighbours that have another offset. So offsets become constant over regions, whose votes
        then agree instead of averaging to a blur.
        """
        penalty = coherence * self.distances.median().abs()  # a bonus may make it negative
        width = self.columns + 2  # a border of no offset, so that every patch has eight neighbours
        down = self.y.new_full(((self.rows + 2) * width,), _NO_OFFSET)
        right = down.clone()
        places = (self.y + 1) * width + self.x + 1
        down[places] = self.matches // index.columns - self.y
        right[places] = self.matches % index.columns - self.x
        around = [dy * width + dx for dy, dx in _NEIGHBOURS]
        for turn in range(2 * passes):
            now = ((self.y + self.x) % 2 == turn % 2).nonzero()[:, 0]
            if not len(now):
                continue
            self._propagate_once(index, queries, penalty, now, (down, right), places[now], around)

    def _propagate_once(
        self,
        index: PatchIndex,
        queries: Tensor,
        penalty: Tensor,
        now: Tensor,
        offsets: tuple[Tensor, Tensor],
        places: Tensor,
        around: list[int],
    ) -> None:
        """One colour of the checkerboard: `now` (n,) of the queries, at `places` of the bordered offsets."""
        down, right = offsets
        near = torch.stack([places + step for step in around])  # (8,n)
        near_down, near_right = down[near], right[near]
        exists = near_down != _NO_OFFSET
        count = exists.sum(0).clamp(min=1)

        def disagreement(dy: Tensor, dx: Tensor) -> Tensor:
            return (((near_down != dy) | (near_right != dx)) & exists).sum(0) / count

        y, x, described = self.y[now], self.x[now], queries[now]
        best_down, best_right = down[places], right[places]
        apart = self.distances[now]
        cost = apart + penalty * disagreement(best_down, best_right)
        for dy, dx, there in zip(near_down, near_right, exists, strict=True):
            to_y, to_x = y + dy, x + dx
            inside = there & (to_y >= 0) & (to_y < index.rows) & (to_x >= 0) & (to_x < index.columns)
            tried = torch.where(inside, to_y * index.columns + to_x, 0)
            new = index.distances(described, tried)
            new_cost = new + penalty * disagreement(dy, dx)
            better = inside & (new_cost < cost)
            best_down, best_right = torch.where(better, dy, best_down), torch.where(better, dx, best_right)
            apart, cost = torch.where(better, new, apart), torch.where(better, new_cost, cost)
        down[places], right[places] = best_down, best_right
        self.distances[now] = apart
        self.matches[now] = (y + best_down) * index.columns + x + best_right

    def upsampled(self, coarse: PatchField, source: tuple[int, int], coarse_columns: int) -> None:
        """Take the offsets of a field at half the size, doubled; no offset for what was no query there.

        source: (rows, columns) of the source's grid. coarse_columns: of the coarse source's. What comes out
        may be patches that are not usable.
        """
        down, right = (
            offsets.new_zeros(coarse.rows * coarse.columns).index_put((coarse.queries,), offsets)
            for offsets in (
                coarse.matches // coarse_columns - coarse.y,
                coarse.matches % coarse_columns - coarse.x,
            )
        )
        y, x = (self.y // 2).clamp(max=coarse.rows - 1), (self.x // 2).clamp(max=coarse.columns - 1)
        above = y * coarse.columns + x
        to_y, to_x = 2 * down[above] + self.y, 2 * right[above] + self.x
        self.matches = to_y.clamp(0, source[0] - 1) * source[1] + to_x.clamp(0, source[1] - 1)

    def vote(self, source: Tensor, weights: Tensor, pixels: tuple[Tensor, Tensor]) -> Tensor:
        """The weighted mean of what the patches over each pixel propose: (n,C).

        source: (h,w,C+1), whose pixels the matches copy, as `weighted` makes it. weights: (N,) > 0, of the
        queries. pixels: (y, x) of the target, (n,) each, every one inside at least one query.
        """
        y, x = pixels
        margin = PATCH_PX - 1  # a border of patches without weight
        width = self.columns + 2 * margin
        at = (self.y + margin) * width + self.x + margin
        corners = at.new_zeros((self.rows + 2 * margin) * width)
        columns = source.shape[1] - PATCH_PX + 1
        corners[at] = self.matches // columns * source.shape[1] + self.matches % columns
        weight = weights.new_zeros(len(corners))
        weight[at] = weights
        inside = torch.arange(PATCH_PX, device=at.device)
        back = (inside[:, None] * width + inside).flatten()  # the 49 patches over a pixel
        forth = (inside[:, None] * source.shape[1] + inside).flatten()  # and its place in what each copies
        proposed, sums = source.flatten(0, 1), []
        for first in torch.split((y + margin) * width + x + margin, _PIXELS_AT_ONCE):
            over = first[:, None] - back
            copied = corners[over].add_(forth)
            sums.append(F.embedding_bag(copied, proposed, mode="sum", per_sample_weights=weight[over]))
        total = torch.cat(sums)
        return total[:, :-1] / total[:, -1:].clamp(min=1e-30)


_NO_OFFSET = -(2**30)


def weighted(colours: Tensor, worth: Tensor | None = None) -> Tensor:
    """What `PatchField.vote` sums: colours (...,C) times their worth (...), and the worth: (...,C+1).

    worth: > 0, of each pixel; one where it is None.
    """
    share = torch.ones_like(colours[..., :1]) if worth is None else worth[..., None]
    return torch.cat((colours * share, share), dim=-1)


def vote_weights(distances: Tensor, sharpness: float) -> Tensor:
    """What votes count by their patches' distances to their matches, (N,) (Wexler et al., section 3.2).

    The distance that three quarters of the patches keep below is the scale. A bonus makes distances negative:
    they count from the smallest one then.
    """
    distances = distances - distances.min().clamp(max=0)
    spread = distances.sort().values[len(distances) * 3 // 4].clamp(min=1e-8)
    return torch.exp(-sharpness * distances / (2 * spread)) + 1e-12


def _principal_components(picture: Tensor, sample: Tensor) -> tuple[Tensor, Tensor]:
    """A convolution (D,3,7,7) and its bias that give the patches' first components about their mean.

    sample: the flat indices of the patches that they are computed from.
    In float64 on the CPU: in float32, eigh fails for pictures of low rank (gradients, stripes).
    """
    channels = picture.shape[2]
    columns = picture.shape[1] - PATCH_PX + 1
    patches = picture.permute(2, 0, 1).unfold(1, PATCH_PX, 1).unfold(2, PATCH_PX, 1)
    rows = patches[:, sample // columns, sample % columns].transpose(0, 1).flatten(1).cpu().double()
    mean = rows.mean(0)
    root = _metric_root(channels)
    scaled = (rows - mean) @ root
    scatter = scaled.T @ scaled / len(rows)
    _, directions = torch.linalg.eigh(scatter + 1e-9 * torch.eye(len(scatter), dtype=scatter.dtype))
    basis = root @ directions[:, -COMPONENTS:]
    kernels = basis.T.reshape(-1, channels, PATCH_PX, PATCH_PX)
    return kernels.to(picture), -(mean @ basis).to(picture)


@lru_cache
def _metric_root(channels: int) -> Tensor:
    """A root of the quadratic form of a whole patch's distance, (49 * channels, 49 * channels)."""
    root = torch.linalg.cholesky(_patch_metric()).contiguous()
    return torch.kron(torch.eye(channels, dtype=torch.float64), root)


def _patch_metric() -> Tensor:
    """The quadratic form of a channel's distance, (49,49): squares of pixels, and of their differences."""
    place = torch.arange(PATCH_PX**2).view(PATCH_PX, PATCH_PX)
    metric = torch.eye(PATCH_PX**2, dtype=torch.float64)
    for a, b in ((place[:, :-1], place[:, 1:]), (place[:-1], place[1:])):
        difference = torch.zeros(a.numel(), PATCH_PX**2, dtype=torch.float64)
        number = torch.arange(a.numel())
        difference[number, a.flatten()], difference[number, b.flatten()] = -1.0, 1.0
        metric += GRADIENT_WEIGHT * difference.T @ difference
    return metric


def _crowding(queries: Tensor, lengths: Tensor, blocks: list[Tensor], alpha: float) -> list[Tensor]:
    """One over the smallest distance of any query to each key plus `alpha` times their mean, by blocks."""
    smallest = [block.new_full((block.shape[1],), float("inf")) for block in blocks]
    for part, length in zip(
        torch.split(queries, _QUERIES_AT_ONCE), torch.split(lengths, _QUERIES_AT_ONCE), strict=True
    ):
        for block, so_far in zip(blocks, smallest, strict=True):
            torch.minimum(so_far, (part @ block).add_(length).amin(0), out=so_far)
    added = alpha * torch.cat(smallest).clamp(min=0).mean() + 1e-9
    return [1 / (so_far.clamp(min=0) + added) for so_far in smallest]


def _argmin(scores: Tensor) -> Tensor:
    """Position of each row's smallest score; NumPy's is several times faster than PyTorch's on CPUs."""
    if scores.device.type == "cpu":
        return torch.from_numpy(scores.numpy().argmin(1))
    return scores.argmin(1)
