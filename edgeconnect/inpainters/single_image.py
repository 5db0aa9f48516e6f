"""Holes filled from one photo alone, without any network: `SingleImage()(photo, mask)`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeconnect.device import choose_device
from edgeconnect.errors import InputError
from edgeconnect.inpainters.budget import PLANNED_SHARE, Pace
from edgeconnect.inpainters.texture import fill_holes, windows_of

if TYPE_CHECKING:
    from edgeconnect.types import Image, Mask

STARTED_SHARE = 0.4  # of a budget; the rest is for an inpainter that says what goes where
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Progress:
    """Where a fill stands: `picture` is the whole photo as it would be returned now, made when asked for."""

    seconds: float
    make: Callable[[], Image]

    @cached_property
    def picture(self) -> Image:
        """Like photo."""
        return self.make()


class SingleImage:
    """Fills holes from a photo's own patches: (photo, mask) -> photo, known pixels identical.

    start: an inpainter whose fill says what goes where, the photo giving the texture (for example
    `EdgeConnect.load()` with texture 0); None for the photo alone.
    budget_seconds: how long it may take: what is done is chosen from the sizes of photo and holes
    (`budget.Pace`), and the clock cuts what is left on a slower machine; None for no limit.
    seed: another one gives another fill. device: "auto", "cpu", "cuda", ...
    progress: called with a Progress at each scale; may raise to end the fill.
    notes: what the budget left out of the last fill, in sentences.
    """

    def __init__(
        self,
        start: Callable[[Image, Mask], Image] | None = None,
        *,
        budget_seconds: float | None = None,
        seed: int = 0,
        device: str = "auto",
        progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.start, self.budget_seconds, self.seed = start, budget_seconds, seed
        self.device, self.progress = choose_device(device), progress
        self.notes: list[str] = []

    def __call__(self, photo: Image, mask: Mask) -> Image:
        """photo (H,W,3) uint8 or uint16, mask (H,W) bool, True = hole -> like photo.

        Raises InputError for other shapes or types, and where nothing is known that could be copied.
        """
        _check(photo, mask)
        began = time.monotonic()
        limits: dict[str, Any] = {}
        pace = None
        if self.budget_seconds is not None:
            share = PLANNED_SHARE if self.start is None else STARTED_SHARE
            pace = Pace(windows_of(mask), self.budget_seconds, share)
            limits = {"is_over": pace.is_over, "effort": pace.effort}
        result = fill_holes(
            photo,
            mask,
            None if self.start is None else self.start(photo, mask),
            seed=self.seed,
            device=self.device,
            progress=lambda picture: self.progress(Progress(time.monotonic() - began, picture)),
            **limits,
        )
        self.notes = pace.notes if pace else []
        return result


def parse_seconds(text: str) -> float:
    """Seconds from "20s", "2m", "1h" or a plain number of seconds; raises InputError for anything else.

    text: a number above 0 with or without a unit.
    """
    number, unit = (text[:-1], text[-1]) if text and text[-1] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise InputError(f"expected a time such as 20s, 2m or 1h, got {text!r}")
    return seconds


def _check(photo: Image, mask: Mask) -> None:
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype not in (np.uint8, np.uint16):
        raise InputError(f"photo: expected (H,W,3) uint8 or uint16, got {photo.shape} {photo.dtype}")
    if mask.dtype != np.bool_ or mask.shape != photo.shape[:2]:
        raise InputError(f"mask: expected bool {photo.shape[:2]}, True = hole, got {mask.dtype} {mask.shape}")
