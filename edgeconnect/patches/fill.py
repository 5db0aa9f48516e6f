"""A hole filled with the photo's own patches, coarse to fine, optionally guided by another fill.

Every patch that touches the hole takes the nearest patch of the known part, each pixel the weighted mean of
what the patches over it then propose, and so on (Wexler, Shechtman & Irani, "Space-Time Completion of
Video", 2007). Matches are kept piecewise constant (see `PatchField.propagate`): patches are compared with all
others only where they start, and improved by a random search from then on (Barnes et al., "PatchMatch",
2009), since best matches by themselves do not agree with their neighbours' and average to haze. Wide parts of
a hole start at the coarsest scale. Thin ones start once more at the finest one: at a coarse scale hardly
anything between strokes is known, and what starts there in them only misleads.
What is copied from is the known part and its mirror image: the other half of a face, a gable, a car.
What is far away costs more, for it is more often something else.
The guide, a soft fill such as the networks', is compared with the photo blurred alike, so that it decides
what goes where and the photo what it looks like.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from edgeconnect.errors import InputError
from edgeconnect.masks.regions import Box, cells, wide_parts
from edgeconnect.memory import give_back_memory
from edgeconnect.models.smooth_fill import smooth_fill
from edgeconnect.patches.blending import STEPS, blend_seam
from edgeconnect.patches.matching import (
    PATCH_PX,
    PatchField,
    PatchIndex,
    box_means,
    grid_size,
    patch_detail,
    patches_touching,
    places,
    vote_weights,
    weighted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

# The numbers without a source were chosen by eye on 30 to 40 training photos with boxes of 70 px, and by the
# distance of `eval.benchmark --features` where the eye saw no difference.
MIN_SIDE_PX = 24  # of the coarsest scale
MIN_PATCHES = 64  # usable at the coarsest scale
SHALLOW_PX = 6  # a hole this deep can start from the continuation of its rim
UNKNOWN_WORTH = 1e-6  # of an unknown pixel that is copied: known ones are taken where there are any
MIN_KNOWN = 0.7  # of a patch that is copied; what is missing costs
KNOWN_SHARE = 0.25  # of a coarse pixel, from which on it counts as known: no grey blobs between strokes
MAX_COMPARISONS = 5 * 10**7  # of patches in one search of all: a tenth of a second; else a draw of them
MAX_SOLVED_PX = 2**18  # of a window; finer scales only carry the matches up
ITERATIONS = (6, 4, 3)  # at the coarsest scale, the next one and those below it
FINEST_ITERATIONS = 1
THIN_PX = 12  # half the width up to which a part of a hole starts once more at the finest scale
THIN_SHARE = 0.1  # of the patches: where fewer would start again, as in the corners of a box, none does
THIN_ITERATIONS = 4  # where some do
NEAR_REACH_PX = 8  # of the random search, where matches are good already
STRIP_PX = 2**20  # of a large photo that are halved at once
TILE_PX, TILE_MARGIN_PX = 1024, 64  # of a large hole that is copied at once; a correction fades within 10 px
LARGE_PX = 2**24  # windows whose memory is given back after each tile
START_NOISE = 0.1  # of 1, with a seed
COHERENCE = 3.0  # cost of an offset unlike the neighbours', against the median distance
FINEST_COHERENCE = 10.0  # copies that do not agree average to haze
DETAIL_BONUS = 0.35  # with a guide: see `_detail_bonus`
DETAIL_QUANTILE, NEAR_PX = 0.3, 8  # of the patches so near to the hole: more detail earns no bonus
SHARPNESS = 20.0  # of votes (Wexler: 1)
FINAL_SHARPNESS = 100.0  # in the end the best patch counts nearly alone: no mean of textures
RIM_DECAY = 1.3  # a patch counts so much less for each px that it is farther from the rim (Wexler)
GUIDE_PX = 5  # of the box blur with which a guide is compared
GUIDE_WEIGHT = 2.0  # of a squared difference to the guide, against one of colour
PLACE_WEIGHT = 1.0  # of a squared distance, half the window's longer side being one, against the mean detail
PLACE_FADING = 0.25  # of that, from a scale to the next finer one: by then it is known what is alike


class NoPatchesError(InputError):
    """Nothing is known that could be copied."""


@dataclass(frozen=True)
class Effort:
    """How much is done for a hole: pixels of the largest scale that is solved, steps of blending."""

    solved_px: int = MAX_SOLVED_PX
    blend_steps: int = STEPS


FULL = Effort()


def patch_tiles(
    photo: Tensor,
    hole: Tensor,
    guide: Tensor | None = None,
    *,
    forbidden: Tensor | None = None,
    seed: int = 0,
    progress: Callable[[Callable[[], Tensor]], None] = lambda picture: None,
    is_over: Callable[[], bool] = lambda: False,
    effort: Effort = FULL,
) -> Iterator[tuple[Box, Box, Tensor]]:
    """Fill the hole of a photo from its own patches, part by part, as a large one would be huge as floats.

    photo: (H,W,3) in [0,1], or of 8 or 16 bits; what is in the hole does not count. hole: (H,W) bool.
    guide: likewise, a soft fill that the result should resemble where it is blurred.
    forbidden: (H,W) bool, known pixels that nothing is copied from. seed: of the random search, and from 1
    on of noise in the start, which gives other fills.
    progress: called at each scale with a function that makes the photo (H,W,3) as filled so far; may raise to
    stop.
    is_over: asked before each iteration and tile; once true, the matches so far are carried up and copied
    from, and seams stay.
    effort: how much is done at most.
    Yields each part that holds some of the hole, a window around it, and the window (h,w,3) as filled, in
    [0,1]. Raises NoPatchesError.
    """
    closed = hole if forbidden is None else hole | forbidden
    scales = _scales(photo, hole, closed, guide, effort.solved_px)
    generator = torch.Generator().manual_seed(seed)
    level: _Level | None = None
    for scale in reversed(scales):
        if level is not None and is_over():
            break
        level = _Level(scale, level, generator, seed)
        level.settle(_iterations(scale.number, len(scales)), is_over)
        progress(partial(_at_full_size, level.picture, photo, hole, scale.factor))
    if level is None:  # pragma: no cover - there is always a scale
        raise ValueError("expected at least one scale")
    if level.scale.factor > 1:
        yield from _carried_up(level, photo, hole, closed, effort.blend_steps, is_over)
        return
    blended = level.blended(effort.blend_steps)[: hole.shape[0], : hole.shape[1]]
    whole = Box(0, 0, *hole.shape)
    yield whole, whole, torch.where(hole[..., None], blended, as_floats(photo))


def as_floats(photo: Tensor) -> Tensor:
    """A photo (H,W,3) in [0,1]: where it is of 8 or 16 bits, divided by its white."""
    return photo if photo.is_floating_point() else photo.float() / torch.iinfo(photo.dtype).max


@dataclass(frozen=True)
class _Scale:
    """One size of the photo: `factor` times smaller, extended at the bottom and right to whole pixels."""

    number: int  # 0: the finest
    factor: int
    picture: Tensor  # (h,w,3), 0 in the hole
    hole: Tensor  # (h,w) bool
    usable: Tensor  # (rows, columns): the known share of each patch, 0 where it must not be copied
    guide: Tensor | None  # (h,w,3)


def _known_shares(closed: Tensor) -> Tensor:
    """The known share of each patch, 0 where that is less than MIN_KNOWN or its middle is unknown."""
    share = box_means((~closed)[None, None].float(), PATCH_PX, PATCH_PX)[0, 0]
    half = PATCH_PX // 2
    return torch.where((share >= MIN_KNOWN) & ~closed[half:-half, half:-half], share, 0)


def _iterations(number: int, count: int) -> int:
    if number == 0 and count > 1:
        return FINEST_ITERATIONS
    return ITERATIONS[min(count - 1 - number, len(ITERATIONS) - 1)]


def _scales(
    photo: Tensor, hole: Tensor, closed: Tensor, guide: Tensor | None, solved_px: int
) -> list[_Scale]:
    """From the finest that is solved to the coarsest, at which the hole is shallow."""
    height, width = hole.shape
    if min(hole.shape) < PATCH_PX:
        raise NoPatchesError(f"expected a photo of {PATCH_PX} px or more on each side, got {width}x{height}")
    finest = max(0, math.ceil(math.log2(height * width / solved_px) / 2))
    most = max(finest, int(math.log2(max(min(height, width) / MIN_SIDE_PX, 1))))
    unit = 2**most
    planes = _halved_planes(photo, hole, closed, guide, unit, finest)
    scales: list[_Scale] = []
    for level in range(finest, most + 1):
        scale = _scale(planes, len(scales), 2**level, (height >> level, width >> level), guide is not None)
        if level > finest and int((scale.usable == 1).sum()) < MIN_PATCHES:
            break
        if level == finest and not scale.usable.any():
            raise NoPatchesError(
                f"expected a known patch of {PATCH_PX}x{PATCH_PX} pixels around the hole, got none"
            )
        scales.append(scale)
        if _depth(scale.hole) <= SHALLOW_PX:
            break
        planes = F.avg_pool2d(planes, 2)
    return scales


def _halved_planes(
    photo: Tensor, hole: Tensor, closed: Tensor, guide: Tensor | None, unit: int, times: int
) -> Tensor:
    """Photo * known, known, open and guide, (1,5 or 8,h,w), extended to multiples of `unit` and halved.

    Strip by strip where it is halved: a large photo's planes would be several times the photo.
    """
    height, width = hole.shape
    if not times:
        return _padded_planes(photo, hole, closed, guide, (-height % unit, -width % unit))
    whole = 2**times
    rows = whole * max(1, STRIP_PX // (whole * width))
    size = [(side + -side % unit) // whole for side in (height, width)]
    # made at once: strips kept between large temporaries leave holes in memory that nothing fits into
    halved = torch.empty(1, 5 if guide is None else 8, *size, device=photo.device)
    for top in range(0, height, rows):
        part = slice(top, top + rows)
        below = -height % unit if top + rows >= height else 0
        planes = _padded_planes(
            photo[part],
            hole[part],
            closed[part],
            None if guide is None else guide[part],
            (below, -width % unit),
        )
        for _ in range(times):
            planes = F.avg_pool2d(planes, 2)
        halved[:, :, top // whole : top // whole + planes.shape[2]] = planes
    return halved


def _padded_planes(
    photo: Tensor, hole: Tensor, closed: Tensor, guide: Tensor | None, padding: tuple[int, int]
) -> Tensor:
    """Photo * known, known, open and guide, (1,5 or 8,h,w), with rows below and columns on the right."""
    known = ~hole[..., None]
    shown = as_floats(photo)
    layers = [shown * known, known.float(), (~closed)[..., None].float()]
    if guide is not None:
        layers.append(torch.where(hole[..., None], as_floats(guide), shown))
    planes = torch.cat(layers, 2).permute(2, 0, 1)[None]
    return F.pad(planes, (0, padding[1], 0, padding[0]), "replicate")


def _scale(planes: Tensor, number: int, factor: int, inside: tuple[int, int], guided: bool) -> _Scale:
    """A scale from the means of photo * known, known, open and guide; `inside` is its size unextended."""
    known, is_open = planes[:, 3:4], planes[:, 4:5]
    hole = (known < KNOWN_SHARE)[0, 0]
    picture = torch.where(hole, 0, planes[:, :3] / known.clamp(min=1e-6))[0].permute(1, 2, 0).contiguous()
    closed = hole | (is_open < KNOWN_SHARE)[0, 0]
    usable = _known_shares(closed)
    usable[max(inside[0] - PATCH_PX + 1, 1) :] = 0  # repeated pixels, which are no photo
    usable[:, max(inside[1] - PATCH_PX + 1, 1) :] = 0
    guide = planes[0, 5:8].permute(1, 2, 0) if guided else None
    return _Scale(number, factor, picture, hole, usable, guide)


class _Level:
    """The picture and the matches at one scale while they settle."""

    index: PatchIndex

    def __init__(self, scale: _Scale, coarser: _Level | None, generator: torch.Generator, seed: int) -> None:
        self.scale, self.hole, self._generator = scale, scale.hole, generator
        self.picture = scale.picture
        rows, columns = grid_size(scale.picture)
        queries = patches_touching(scale.hole).flatten().nonzero()[:, 0]
        self.field = PatchField(rows, columns, queries)
        distance = cv2.distanceTransform(scale.hole.cpu().numpy().astype(np.uint8), cv2.DIST_L2, 5)
        nearness = RIM_DECAY ** -torch.from_numpy(distance).to(scale.picture)
        self._nearness = nearness[self.field.y + PATCH_PX // 2, self.field.x + PATCH_PX // 2].clamp(min=1e-9)
        self._pixels = places(scale.hole)
        self._bounds = _bounds(self.field.y, self.field.x) if len(queries) else (0, 0, 0, 0)
        self._source_hole = _with_mirror(scale.hole)
        self._is_coarsest = coarser is None
        self._coherence = COHERENCE if scale.number else FINEST_COHERENCE
        self._reach = NEAR_REACH_PX if scale.number == 0 or coarser is None else None
        usable = _patches_with_mirror(scale.usable)
        started = scale.hole if coarser is None else _thin_parts(scale)
        self._started = (~patches_touching(scale.hole & ~started).flatten()[queries]).nonzero()[:, 0]
        if len(self._started) < THIN_SHARE * len(queries):
            self._started = self._started[:0]
        if coarser is not None:
            self.picture = torch.where(scale.hole[..., None], _enlarged(coarser.picture, 2), scale.picture)
            self.field.upsampled(coarser.field, (rows, usable.shape[1]), coarser.index.columns)
        worth = torch.where(self._source_hole, UNKNOWN_WORTH, 1.0)
        self._source = weighted(_with_mirror(self.picture), worth)
        if coarser is not None:
            self._paint(self._nearness)
        if len(self._started):
            start = _rim_continued(scale) if scale.guide is None else scale.guide
            if seed:
                start = start + START_NOISE * torch.randn(start.shape, generator=generator).to(start)
            self._put(torch.where(started[..., None], start, self.picture)[self._pixels])
        detail = patch_detail(self.picture)
        self._place_weight: float = PLACE_WEIGHT if coarser is None else coarser._place_weight * PLACE_FADING
        added = _place_planes(detail, scale, self._place_weight)
        if scale.guide is not None:
            added = torch.cat((added, _guide_planes(scale.guide)), dim=2)
        self._added = added.flatten(0, 1)[queries]
        self.index = PatchIndex(
            _with_mirror(self.picture),
            usable,
            _patches_with_mirror(added),
            None if scale.guide is None else _detail_bonus(detail, scale),
        )
        self._replace_unusable()

    def settle(self, iterations: int, is_over: Callable[[], bool]) -> None:
        """Search and vote in turns."""
        field, index, started = self.field, self.index, self._started
        if not len(field.queries):
            return
        is_exact = self._is_coarsest and len(started) * len(index.keys) <= MAX_COMPARISONS
        if len(started):
            iterations = max(iterations, THIN_ITERATIONS)
        for iteration in range(iterations):
            if iteration and is_over():
                return
            described = self._describe()
            if len(started) and (iteration == 0 or is_exact):
                field.matches[started], _ = index.nearest(described[started], among=self._drawn())
            field.distances = index.distances(described, field.matches)
            if not is_exact:
                field.matches, field.distances = index.search_around(
                    described, field.matches, field.distances, self._generator, self._reach
                )
            field.propagate(index, described, self._coherence, passes=1)
            self._paint(self._nearness * vote_weights(field.distances, SHARPNESS))

    def blended(self, steps: int) -> Tensor:
        """The picture (h,w,3) with its seams closed, at the rim and between copies.

        For that the patches propose colours for the known pixels next to the hole, too, and gradients.
        """
        near = F.max_pool2d(self.hole[None, None].float(), 3, 1, 1)[0, 0] > 0
        pixels = places(near)
        weights = self._nearness * vote_weights(self.field.distances, FINAL_SHARPNESS)
        copied = self.scale.picture.clone()
        copied[pixels] = self.field.vote(self._source, weights, pixels)
        steps_there = _gradients(_with_mirror(self.picture))
        worth = torch.where(_with_next(self._source_hole), UNKNOWN_WORTH, 1.0)
        gradients = copied.new_zeros(*copied.shape[:2], 6)
        gradients[pixels] = self.field.vote(weighted(steps_there, worth), weights, pixels)
        return blend_seam(copied, self.scale.picture, self.hole, gradients, steps)

    def _describe(self) -> Tensor:
        """Descriptors of the queries in the present picture."""
        y, x = self.field.y, self.field.x
        top, left, bottom, right = self._bounds
        part = self.picture[top : bottom + PATCH_PX - 1, left : right + PATCH_PX - 1]
        described = self.index.describe(part)[(y - top) * (right - left) + x - left]
        return torch.cat((described, self._added), dim=1)

    def _paint(self, weights: Tensor) -> None:
        if len(self.field.queries):
            self._put(self.field.vote(self._source, weights, self._pixels))

    def _put(self, colours: Tensor) -> None:
        """Colours (n,3) into the hole of the picture, a new one, and of what is copied from."""
        self.picture = self.picture.clone()
        self.picture[self._pixels] = colours
        y, x = self._pixels
        proposed = weighted(colours, colours.new_full((len(colours),), UNKNOWN_WORTH))
        self._source[y, x] = self._source[y, self._source.shape[1] - 1 - x] = proposed

    def _drawn(self) -> Tensor:
        """The patches that those which start are compared with: all, or as many as MAX_COMPARISONS allows."""
        keys, most = self.index.keys, max(1, MAX_COMPARISONS // len(self._started))
        if len(keys) <= most:
            return keys
        drawn = torch.randperm(len(keys), generator=self._generator)[:most].sort().values
        return keys[drawn.to(keys.device)]

    def _replace_unusable(self) -> None:
        """Random usable patches instead of those that the coarser scale took for known."""
        wrong = ~self.index.is_usable(self.field.matches)
        if count := int(wrong.sum()):
            drawn = torch.randint(len(self.index.keys), (count,), generator=self._generator)
            self.field.matches[wrong] = self.index.keys[drawn.to(self.index.keys.device)]


def _bounds(y: Tensor, x: Tensor) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of places (n,) each: with one wait for the device."""
    top, left, bottom, right = torch.stack((y.min(), x.min(), y.max(), x.max())).tolist()
    return top, left, bottom + 1, right + 1


def _with_mirror(plane: Tensor) -> Tensor:
    """What is copied from, side by side: a plane and its mirror image, (H,W,...) -> (H,2W,...)."""
    return torch.cat((plane, plane.flip(1)), dim=1)


def _patches_with_mirror(plane: Tensor) -> Tensor:
    """As `_with_mirror`, for a number of each patch: 0 for the patches that lie across the middle."""
    across = plane.new_zeros(plane.shape[0], PATCH_PX - 1, *plane.shape[2:])
    return torch.cat((plane, across, plane.flip(1)), dim=1)


def _detail_bonus(detail: Tensor, scale: _Scale) -> Tensor:
    """What the distance to each patch of the source is lowered by for its detail.

    A soft guide cannot tell which detail belongs to it: every patch pays for its own, and smooth ones win.
    The bonus gives back up to as much as patches near the hole have, so that no stranger is drawn in.
    """
    side = 2 * NEAR_PX + 1
    near = F.max_pool2d(scale.hole[None, None].float(), (side, 1), 1, (NEAR_PX, 0))
    near = F.max_pool2d(near, (1, side), 1, (0, NEAR_PX))[0, 0] > 0
    known = scale.usable > 0
    around = detail[patches_touching(near) & known]
    usual = (around if len(around) else detail[known]).quantile(DETAIL_QUANTILE)
    return _patches_with_mirror(DETAIL_BONUS * detail.clamp(max=usual))


def _gradients(picture: Tensor) -> Tensor:
    """The differences to the pixel below and to the right, 0 at the border: (H,W,C) -> (H,W,2C)."""
    steps = [picture.diff(dim=axis, append=picture.narrow(axis, -1, 1)) for axis in (0, 1)]
    return torch.cat(steps, dim=2)


def _with_next(hole: Tensor) -> Tensor:
    """The hole (H,W) and the pixels whose gradients reach into it."""
    return hole | hole.roll(-1, 0) | hole.roll(-1, 1)


def _rim_continued(scale: _Scale) -> Tensor:
    filled = smooth_fill(scale.picture.permute(2, 0, 1)[None], scale.hole[None, None].to(scale.picture))
    return filled[0].permute(1, 2, 0)


def _guide_planes(guide: Tensor) -> Tensor:
    """The guide around the middle of each patch, as much as GUIDE_WEIGHT of 49 pixels: (rows, columns, 3)."""
    planes = F.pad(guide.permute(2, 0, 1)[None], (GUIDE_PX // 2,) * 4, "replicate")
    half = PATCH_PX // 2
    blurred = box_means(planes, GUIDE_PX, GUIDE_PX)[0, :, half:-half, half:-half]
    return math.sqrt(GUIDE_WEIGHT * PATCH_PX**2) * blurred.permute(1, 2, 0)


def _place_planes(detail: Tensor, scale: _Scale, weight: float) -> Tensor:
    """Where each patch is, scaled so that squared differences are prices: (rows, columns, 2)."""
    unit = detail[scale.usable > 0].mean().sqrt() / (max(scale.hole.shape) / 2)
    place = torch.stack(torch.meshgrid(*(torch.arange(n) for n in detail.shape), indexing="ij"), dim=2)
    return math.sqrt(weight) * unit * place.to(detail)


def _thin_parts(scale: _Scale) -> Tensor:
    """What of the hole starts once more at the finest scale: (h,w) bool."""
    if scale.number:
        return torch.zeros_like(scale.hole)
    hole = scale.hole.cpu().numpy()
    return torch.from_numpy(hole & ~wide_parts(hole, THIN_PX)).to(scale.hole.device)


def _depth(hole: Tensor) -> float:
    return float(cv2.distanceTransform(hole.cpu().numpy().astype(np.uint8), cv2.DIST_C, 3).max())


def _enlarged(picture: Tensor, factor: int) -> Tensor:
    """Bilinearly, (H,W,C) -> (factor * H, factor * W, C)."""
    planes = picture.permute(2, 0, 1)[None]
    return F.interpolate(planes, scale_factor=factor, mode="bilinear")[0].permute(1, 2, 0)


def _at_full_size(
    picture: Tensor, photo: Tensor, hole: Tensor, factor: int, top: int = 0, left: int = 0
) -> Tensor:
    """A part of the photo from (top, left) on, with its hole, from a whole picture `factor` times smaller."""
    height, width = hole.shape
    if factor > 1:
        # with a pixel more on each side, for these are means of neighbours
        y, x = max(top // factor - 1, 0), max(left // factor - 1, 0)
        near = picture[y : (top + height) // factor + 2, x : (left + width) // factor + 2]
        picture = _enlarged(near, factor)
        top, left = top - y * factor, left - x * factor
    part = picture[top : top + height, left : left + width]
    return torch.where(hole[..., None], part, as_floats(photo))


def _carried_up(
    level: _Level, photo: Tensor, hole: Tensor, closed: Tensor, steps: int, is_over: Callable[[], bool]
) -> Iterator[tuple[Box, Box, Tensor]]:
    """The hole copied at full size along the matches of a coarser scale, seams closed, tile by tile.

    Pixels whose source is unknown are enlarged from the coarser scale.
    """
    mask = hole.cpu().numpy()
    for tile in cells(mask, TILE_PX):
        window = tile.grown(TILE_MARGIN_PX, mask.shape)
        yield tile, window, _tile(level, photo, hole, closed, window, 0 if is_over() else steps)
        if mask.size > LARGE_PX:
            give_back_memory()  # temporaries of tiles of many sizes leave gigabytes of holes


def _tile(
    level: _Level, photo: Tensor, whole_hole: Tensor, closed: Tensor, window: Box, steps: int
) -> Tensor:
    """A window (h,w,3) of `_carried_up`."""
    hole, shown = whole_hole[window.slices], as_floats(photo[window.slices])
    factor, field, half = level.scale.factor, level.field, PATCH_PX // 2
    down, right = (
        offsets.new_zeros(field.rows * field.columns).index_put((field.queries,), offsets)
        for offsets in (
            field.matches // level.index.columns - field.y,
            field.matches % level.index.columns - field.x,
        )
    )
    near = F.max_pool2d(hole[None, None].float(), 3, 1, 1)[0, 0] > 0
    in_y, in_x = near.nonzero(as_tuple=True)
    y, x = in_y + window.top, in_x + window.left
    middle_y = (y // factor - half).clamp(0, field.rows - 1)
    middle_x = (x // factor - half).clamp(0, field.columns - 1)
    patch = middle_y * field.columns + middle_x
    source = _FullSizeSource(photo, closed, factor * level.hole.shape[1])
    from_y, from_x = y + factor * down[patch], x + factor * right[patch]
    colours, known = source.at(from_y, from_x)
    copied = _at_full_size(level.picture, shown, hole, factor, window.top, window.left)
    copied[in_y, in_x] = torch.where(known[:, None], colours, copied[in_y, in_x])
    gradients = _gradients(copied)
    there, has_gradient = [], known
    for dy, dx in ((1, 0), (0, 1)):
        following, is_known = source.at(from_y + dy, from_x + dx)
        there.append(following - colours)
        has_gradient = has_gradient & is_known
    gradients[in_y, in_x] = torch.where(has_gradient[:, None], torch.cat(there, 1), gradients[in_y, in_x])
    return blend_seam(copied, shown, hole, gradients, steps)


@dataclass(frozen=True)
class _FullSizeSource:
    """The photo at full size and its mirror image beside it, which is never built."""

    photo: Tensor  # (H,W,3), of 8 or 16 bits or floats
    closed: Tensor  # (H,W) bool
    width: int  # of the photo as extended at its right, where the mirror image begins

    def at(self, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Colours (n,3) at places (n,) each, and whether they are known."""
        x = torch.where(x < self.width, x, 2 * self.width - 1 - x)
        height, width = self.closed.shape
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
        return as_floats(_picked(self.photo, y, x)), inside & ~self.closed[y, x]


def _picked(photo: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """`photo[y, x]`, for 16 bits by their signed twins: PyTorch cannot index uint16 on every GPU's build."""
    if photo.dtype != torch.uint16:
        return photo[y, x]
    return photo.view(torch.int16)[y, x].view(torch.uint16)
