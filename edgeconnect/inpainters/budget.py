"""A time for a fill: how much is done is chosen from the sizes alone, and the clock only cuts what is left.

The clock counts what this process was given, not what others took meanwhile: the same command gives the same
picture on a busy machine, later. It cuts on a slower one.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from edgeconnect.patches.fill import FULL, Effort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeconnect.masks.regions import Box

# from the largest to the least; LEAST is what is done where the time is over
EFFORTS = tuple(
    Effort(solved_px, steps)
    for solved_px, steps in (
        (FULL.solved_px, FULL.blend_steps), (2**16, FULL.blend_steps), (2**16, 12), (2**14, 12), (2**14, 0),
    )
)  # fmt: skip
LEAST = EFFORTS[-1]
PLANNED_SHARE = 0.85  # of the budget; reading, writing and a slower machine take the rest
LATE = 1.1  # of the budget, at which what is left is cut

COSTS = (0.11, 0.12e-6, 2e-6, 14e-6, 0.36e-6, 0.046e-6)
"""Seconds of one core for each of `work_of`: half more than `python -m eval.budgets` fits with AVX-512."""

_WARM_UP = 2.0  # seconds, before which the first calls of libraries say nothing of a machine's speed


def work_of(window: Box, group: Box, effort: Effort) -> tuple[float, ...]:
    """What is done for a group of holes that is filled from a window.

    One window, its pixels, those of the scale that is solved, the hole's among them, the hole's pixels at
    full size, and these times the steps of blending.
    """
    seen, copied = _area(window), _area(group)
    halvings = max(0, math.ceil(math.log2(seen / effort.solved_px) / 2))
    return 1, seen, seen / 4**halvings, copied / 4**halvings, copied, copied * effort.blend_steps


def seconds_of(window: Box, group: Box, effort: Effort) -> float:
    """About how long that takes."""
    return sum(cost * work for cost, work in zip(COSTS, work_of(window, group, effort), strict=True))


class Pace:
    """How much is done for each window, in their order, so that all of them fit into some seconds.

    notes: what is to be said about it afterwards. planned: what is done for each, unless the time is over.
    """

    def __init__(
        self, windows: Sequence[tuple[Box, Box]], seconds: float, share: float = PLANNED_SHARE
    ) -> None:
        """Plan for `windows`, (window, group) each; `share` of the seconds is planned with."""
        self.notes: list[str] = []
        self._windows, self._seconds, self._began = list(windows), seconds, _now()
        fitting = [effort for effort in EFFORTS if self._cost(effort) <= share * seconds]
        self.planned = fitting[0] if fitting else LEAST
        self._started, self._cut, self._slowness = 0, 0, 1.0
        if self.planned != FULL:
            self.notes.append(f"less is done, so that it fits into {seconds:g} s: {_said(self.planned)}")

    def effort(self) -> Effort:
        """What the next window may cost."""
        elapsed = self._elapsed()
        if elapsed > _WARM_UP and self._started:
            self._slowness = max(1.0, elapsed / self._cost(self.planned, stop=self._started))
        self._started += 1
        return LEAST if self.is_over() else self.planned

    def is_over(self) -> bool:
        """Whether what is left has to be finished with the least effort now."""
        elapsed = self._elapsed()
        left = self._slowness * self._cost(LEAST, start=max(self._started - 1, 0))
        if elapsed + left <= LATE * self._seconds or self.planned == LEAST:
            return False
        if not self._cut:
            self._cut = self._started
            number = len(self._windows) - self._cut + 1
            self.notes.append(
                f"the time was over for {number} of {len(self._windows)} groups of holes, which are coarser "
                "than on a faster machine"
            )
        return True

    def _elapsed(self) -> float:
        """Seconds of the clock, or of all processors together where these are fewer."""
        return min(now - began for now, began in zip(_now(), self._began, strict=True))

    def _cost(self, effort: Effort, start: int = 0, stop: int | None = None) -> float:
        return sum(seconds_of(*pair, effort) for pair in self._windows[start:stop])


def _now() -> tuple[float, float]:
    return time.monotonic(), time.process_time()


def _said(effort: Effort) -> str:
    parts = []
    if effort.solved_px < FULL.solved_px:
        parts.append(f"matching at {effort.solved_px / 1e6:.2g} megapixels or fewer")
    if effort.blend_steps < FULL.blend_steps:
        parts.append("shorter blending" if effort.blend_steps else "no blending of seams")
    return " and ".join(parts)


def _area(box: Box) -> int:
    return (box.bottom - box.top) * (box.right - box.left)
