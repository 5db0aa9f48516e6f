"""The single-image mode: a hole filled from the photo's own patches, watched meanwhile, ended at any time."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from edgeconnect.inpainters.single_image import SingleImage
from edgeconnect.inpainters.texture import CONTEXT_PX
from edgeconnect.masks.regions import hole_groups
from edgeconnect.web import verbs
from edgeconnect.web.tasks import budget_seconds, check_size, hole_bounds, needs_hole, read_task
from edgeconnect.web.worker import Checking, OutOfTimeError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from starlette.responses import Response

    from edgeconnect.inpainters.single_image import Progress
    from edgeconnect.io.images import Pixels
    from edgeconnect.web.fields import Fields
    from edgeconnect.web.tasks import State, Task

STARTS = ("patches", "edgeconnect")
_LOOK_SECONDS = 1.0  # between two previews
_LOOK_SHARE = 0.1  # of the time, at most, goes into previews

Event = dict[str, Any]
"""A line of the answer to those who watch; see `Preview` in openapi.yaml."""


@dataclass(frozen=True)
class Single:
    """Fills one form's hole from its photo alone; `show` is given an Event now and then."""

    state: State
    check: Callable[[], None]
    show: Callable[[Event], None]

    def __call__(self, fields: Fields) -> Response:
        """The photo with its hole filled: PNG. `check` may end it at any operation on tensors."""
        needs_hole(fields)
        seconds = budget_seconds(fields, self.state.most_seconds)
        has_start = fields.choice("start", STARTS) == "edgeconnect"
        if not has_start and (fields.has("edges") or fields.has("edges_from")):
            raise HTTPException(400, "edges and edges_from: expected start=edgeconnect with them")
        task = read_task(self.state, fields)
        check_size(task.mask, self.state.patch_pixels)
        photo = verbs.by_networks(self.state, fields, task, texture=0) if has_start else task.photo.rgb
        watcher = _Watcher(task, self.show)
        inpainter = SingleImage(
            _as_it_is if has_start else None,
            budget_seconds=seconds,
            seed=fields.whole("seed") or 0,
            device=self.state.models.device,
            progress=watcher,
        )
        try:
            with Checking(self.check):
                result = inpainter(photo, task.mask)
        except OutOfTimeError:
            result = watcher.filled_so_far()
            task.notes.append("time was over: the hole is filled as far as it came")
        task.notes.extend(inpainter.notes)
        return verbs.answer(task, fields, result)


def _as_it_is(photo: Pixels, mask: NDArray[np.bool_]) -> Pixels:
    """The start for a photo whose hole holds one already."""
    return photo


class _Watcher:
    """Turns progress into events: the hole's bounding box as PNG where it has changed, not too often."""

    def __init__(self, task: Task, show: Callable[[Event], None]) -> None:
        self._task, self._show = task, show
        self._box = box = hole_bounds(task.mask)
        self._place = [box.left, box.top, box.right - box.left, box.bottom - box.top]
        self._last: Progress | None = None
        self._shown: NDArray[Any] | None = None
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        self._last = progress
        start = time.monotonic()
        if start < self._next:
            return
        event: Event = {"stage": "patches", "seconds": round(progress.seconds, 1)}
        part = progress.picture[self._box.slices]
        if self._shown is None or (part != self._shown).any():
            self._shown = part.copy()
            picture = verbs.encode(progress.picture, self._task.photo, self._box)
            event |= {"box": self._place, "picture": base64.b64encode(picture).decode()}
        self._show(event)
        now = time.monotonic()
        self._next = max(start + _LOOK_SECONDS, now + (now - start) / _LOOK_SHARE)

    def filled_so_far(self) -> Pixels:
        """The photo as it was last reported; raises OutOfTimeError where a hole has nothing in it yet."""
        if self._last is None:
            raise OutOfTimeError
        picture, (photo, mask) = self._last.picture, (self._task.photo.rgb, self._task.mask)
        for group in hole_groups(mask, CONTEXT_PX):
            hole = mask[group.slices]
            if (picture[group.slices][hole] == photo[group.slices][hole]).all():
                raise OutOfTimeError
        return picture
