"""Holes filled from one photo alone: `InGAN()(photo, mask)`, an inpainter like the others.

A preview comes from patch matching within seconds; the rest of the time goes into adversarial refinement of
it. Each group of holes is filled in a window of its own, so memory follows the hole, not the photo.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from edgeconnect.device import choose_device
from edgeconnect.errors import InputError
from edgeconnect.inpainters.edgeconnect import EdgeConnect
from edgeconnect.inpainters.refine import Example, Settings, hedged, refine
from edgeconnect.masks.regions import Box, hole_groups
from edgeconnect.patches.fill import patch_fill
from edgeconnect.patches.matching import PATCH_PX, touching

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    Mask = NDArray[np.bool_]
    Pixels = NDArray[np.uint8] | NDArray[np.uint16]
    Inpainter = Callable[[Pixels, Mask], Pixels]

CONTEXT_PX = 96  # least surroundings of a hole that it is filled from, and its own longer side where more
LEAST_PX = 16  # sides of a photo with room for D's patches
LEAST_REFINEMENT_SECONDS = 10  # less is not worth setting up
SYNTHETIC_HOLES, SYNTHETIC_PX = 3, 64  # how many, and the longest side of one
BUDGET_SECONDS = 120.0
FADE = 0.2
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Progress:
    """Where a fill stands: `picture` is the whole photo as it would be returned now."""

    stage: str  # "patches" or "refinement"
    seconds: float
    budget_seconds: float
    picture: Pixels


class InGAN:
    """Fills holes from a photo's own patches: (photo, mask) -> photo, known pixels identical.

    budget_seconds: for the whole photo; patch matching takes what it needs (seconds), refinement at most the
    rest. iterations: the most of refinement, instead of the time left; the result then depends on the seed
    alone. start: an inpainter whose fill gives the structure, the photo giving the texture (for example
    EdgeConnect.load()). safe: an inpainter (by default the shipped networks) whose fill gives the colours and
    coarse shapes where patches only guess, as holes punched elsewhere tell (`refine.hedged`). fade: the most
    that fine detail follows it too, 0 to 1: more is paler and nearer to the truth on average; with 0 nothing
    but the photo is used, coarse or fine. watch is called with a Progress and may raise to end the fill.
    """

    def __init__(
        self,
        budget_seconds: float = BUDGET_SECONDS,
        *,
        iterations: int | None = None,
        start: Inpainter | None = None,
        safe: Inpainter | None = None,
        fade: float = FADE,
        seed: int = 0,
        device: str = "auto",
        watch: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.budget_seconds, self.iterations, self.start = budget_seconds, iterations, start
        self._safe, self.fade, self.seed = safe, fade, seed
        self.device, self.watch = choose_device(device), watch

    @cached_property
    def safe(self) -> Inpainter:
        """What a fill fades to."""
        return self._safe or EdgeConnect.load(device=str(self.device))

    def __call__(self, photo: Pixels, mask: Mask) -> Pixels:
        """photo (H,W,3) uint8 or uint16, mask (H,W) bool, True = hole -> like photo.

        Raises InputError for other shapes or types, and where too little is known to learn from.
        """
        _check(photo, mask)
        fill = _Fill(self, photo, mask)
        groups = hole_groups(mask, CONTEXT_PX)
        previews = [fill.preview(group) for group in groups]
        fill.preview_seconds = max(fill.seconds(), 1e-3)
        for group, preview in zip(groups, previews, strict=True):
            fill.refine(group, preview)
        return fill.result


class _Fill:
    """One photo being filled, window by window."""

    def __init__(self, settings: InGAN, photo: Pixels, mask: Mask) -> None:
        self.settings, self.photo, self.mask = settings, photo, mask
        self.result = photo.copy()
        self.began = time.monotonic()
        self.done_px, self.all_px = 0, int(mask.sum())
        self.preview_seconds = 0.0

    def preview(self, group: Box) -> Tensor:
        """The group's window filled by patch matching, (h,w,3) in [0,1]; the result shows each scale."""
        photo, hole = self._cut(self._window(group))
        start = None if self.settings.start is None else self._filled(self.settings.start, photo, hole)
        return patch_fill(photo, hole, start, watch=lambda picture: self._show("patches", group, picture))

    def refine(self, group: Box, preview: Tensor) -> None:
        """Refine the group's preview for its share (by hole pixels) of the time that is left."""
        hole = self._cut(self._window(group))[1]
        pixels = int(hole.sum())
        left = self.settings.budget_seconds - self.seconds()
        ends = self.seconds() + left * pixels / max(self.all_px - self.done_px, pixels)
        self.done_px += pixels
        most = self.settings.iterations
        if most == 0 or (most is None and ends - self.seconds() < LEAST_REFINEMENT_SECONDS):
            return

        def go_on(iteration: int) -> bool:
            self.settings.watch(self._progress("refinement"))
            return self.seconds() < ends if most is None else iteration < most

        best = refine(
            self._examples(preview, hole, SYNTHETIC_HOLES if most else self._affordable(ends)),
            for_budget(self.settings.budget_seconds),
            self.settings.seed,
            go_on,
            lambda picture: self._show("refinement", group, _unit_picture(picture)),
        )
        self._show("refinement", group, _unit_picture(best))

    def _examples(self, preview: Tensor, hole: Tensor, synthetic: int) -> list[Example]:
        """The real hole, and windows with a piece of it punched elsewhere and filled like it; all faded.

        The photo has the preview in its hole: not even batch norm's statistics may know what was there.
        """
        examples = [_example(preview, preview, hole, hole)]
        safe = [self._safe(preview, hole)]
        for elsewhere in _elsewhere(hole, synthetic, self.settings.seed):
            filled = patch_fill(
                preview,
                elsewhere,
                avoid=hole,
                watch=lambda _: self.settings.watch(self._progress("refinement")),
            )
            examples.append(_example(preview, filled, elsewhere, hole))
            safe.append(self._safe(preview, hole | elsewhere))
        return hedged(examples, safe, self.settings.fade)

    def _filled(self, inpainter: Inpainter, photo: Tensor, hole: Tensor) -> Tensor:
        """What another inpainter makes of a window."""
        top = np.iinfo(self.photo.dtype).max
        pixels = np.rint(photo.cpu().numpy() * top).astype(self.photo.dtype)
        return _unit(inpainter(pixels, hole.cpu().numpy())).to(photo)

    def _safe(self, photo: Tensor, hole: Tensor) -> Tensor:
        """What to fade to, (1,3,h,w) in [-1,1]."""
        settings = self.settings
        return _signed(self._filled(settings.safe, photo, hole) if settings.fade else photo)

    def _affordable(self, ends: float) -> int:
        """How many synthetic holes leave half of the time to the game; each costs at most one preview."""
        return min(SYNTHETIC_HOLES, int((ends - self.seconds()) / 2 / self.preview_seconds))

    def _window(self, group: Box) -> Box:
        longer = max(group.bottom - group.top, group.right - group.left)
        return group.grown(max(CONTEXT_PX, longer), self.mask.shape)

    def _cut(self, window: Box) -> tuple[Tensor, Tensor]:
        """The photo (h,w,3) in [0,1] and hole (h,w) of a window."""
        hole = torch.from_numpy(self.mask[window.slices]).to(self.settings.device)
        return _unit(self.photo[window.slices]).to(self.settings.device), hole

    def _show(self, stage: str, group: Box, picture: Tensor) -> None:
        """Write a group's hole to the result from its window's picture, (h,w,3) in [0,1], and show it."""
        top = np.iinfo(self.photo.dtype).max
        part = picture.cpu().numpy()[group.inside(self._window(group)).slices]
        pixels = np.clip(np.rint(part * top), 0, top).astype(self.photo.dtype)
        inner = self.mask[group.slices]
        self.result[group.slices][inner] = pixels[inner]
        self.settings.watch(self._progress(stage))

    def seconds(self) -> float:
        """Since the fill began."""
        return time.monotonic() - self.began

    def _progress(self, stage: str) -> Progress:
        return Progress(stage, self.seconds(), self.settings.budget_seconds, self.result)


def parse_seconds(text: str) -> float:
    """Seconds from 20s, 2m, 1.5h or a plain number. Raises InputError."""
    unit = _UNITS.get(text[-1:], 0)
    try:
        seconds = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise InputError(f"expected a time such as 20s, 2m or 1h, got {text!r}")
    return seconds


def for_budget(seconds: float) -> Settings:
    """The refinement that a time on two CPU cores is enough for."""
    if seconds < 300:
        return Settings()
    return Settings(crop_px=96, batch=4, width=32, blocks=6, scales=4)


def _elsewhere(hole: Tensor, count: int, seed: int) -> list[Tensor]:
    """Pieces of a hole (h,w), moved round the window so far that they are apart from it, cut where not.

    At least half of a piece must find room, and half of what is known must stay so.
    """
    apart = F.max_pool2d(hole[None].float(), 2 * PATCH_PX + 1, 1, PATCH_PX)[0] > 0
    draw = np.random.default_rng(seed)
    found: list[Tensor] = []
    inside, known = hole.nonzero().cpu().numpy(), int((~hole).sum())
    for _ in range(16 * count):
        top, left = np.maximum(inside[draw.integers(len(inside))] - SYNTHETIC_PX // 2, 0)
        piece = torch.zeros_like(hole)
        piece[top : top + SYNTHETIC_PX, left : left + SYNTHETIC_PX] = True
        piece &= hole
        shift = [int(draw.integers(length)) for length in hole.shape]
        moved = torch.roll(piece, shift, (0, 1)) & ~apart
        fits = int(piece.sum()) / 2 <= int(moved.sum()) <= known / 2
        if fits and len(found) < count and len(touching(hole | moved)[1]):
            found.append(moved)
    return found


def _example(photo: Tensor, preview: Tensor, hole: Tensor, unknown: Tensor) -> Example:
    return Example(_signed(photo), _signed(preview), *(m[None, None].to(photo) for m in (hole, unknown)))


def _signed(picture: Tensor) -> Tensor:
    """(h,w,3) in [0,1] -> (1,3,h,w) in [-1,1]."""
    return 2 * picture.permute(2, 0, 1)[None] - 1


def _unit_picture(picture: Tensor) -> Tensor:
    return (picture[0].permute(1, 2, 0) + 1) / 2


def _unit(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.asarray(pixels / np.float32(np.iinfo(pixels.dtype).max), np.float32))


def _check(photo: Pixels, mask: Mask) -> None:
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype not in (np.uint8, np.uint16):
        raise InputError(f"photo: expected (H,W,3) uint8 or uint16, got {photo.shape} {photo.dtype}")
    if mask.dtype != np.bool_ or mask.shape != photo.shape[:2]:
        raise InputError(f"mask: expected bool {photo.shape[:2]}, True = hole, got {mask.dtype} {mask.shape}")
    if min(photo.shape[:2]) < LEAST_PX:
        height, width = mask.shape
        raise InputError(f"photo: expected {LEAST_PX} px or more on each side, got {width}x{height}")
