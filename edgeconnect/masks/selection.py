"""The object under a scribble: GrabCut (Rother, Kolmogorov & Blake 2004) in the window that fits it best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edgeconnect.errors import InputError
from edgeconnect.masks.regions import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeconnect.types import Image, Mask

WORK_PX = 128  # the longer side of what GrabCut sees
REACHES = (0.12, 0.22, 0.4)  # of the photo's longer side: how far from a scribble its object may end
MIN_REACH_PX = 24
ROUNDS = 3
RIM_SHARE = 0.06  # of a window's side, at its rim: not the object
MARGIN = 0.004  # of the photo's longer side: an object's soft outline and its antialiasing go with it


def select_object(photo: Image, scribble: Mask) -> Mask:
    """The object that a scribble lies on, as (H,W) bool with a margin of some pixels around it.

    photo: (H,W,3) uint8 or uint16. scribble: (H,W) bool, all of it on the object.
    Windows of several sizes around the scribble are cut into object and surroundings; of these cuts the one
    whose outline lies best on the photo's own edges is taken. Raises InputError for an empty scribble.
    """
    if not scribble.any():
        raise InputError("scribble: expected at least one pixel on the object, got none")
    rows, columns = np.flatnonzero(scribble.any(1)), np.flatnonzero(scribble.any(0))
    stroke = Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
    longest = max(scribble.shape)
    best, best_score = scribble, 0.0
    seen: set[Box] = set()
    for share in REACHES:
        window = stroke.grown(max(MIN_REACH_PX, round(share * longest)), scribble.shape)
        if window in seen:
            continue
        seen.add(window)
        part, score = _cut(photo[window.slices], scribble[window.slices], window, scribble.shape)
        if score > best_score:
            best, best_score = np.zeros_like(scribble), score
            best[window.slices] = part
    return _with_margin(best | scribble, max(1, round(MARGIN * longest)))


def _cut(photo: Image, scribble: Mask, window: Box, size: tuple[int, ...]) -> tuple[Mask, float]:
    """The object in one window, and how well its outline follows edges: the mean contrast there, 0 to 1."""
    height, width = scribble.shape
    scale = min(1.0, WORK_PX / max(height, width))
    small = (max(8, round(width * scale)), max(8, round(height * scale)))
    shown = photo if photo.dtype == np.uint8 else (photo >> 8).astype(np.uint8)
    colours = np.asarray(
        cv2.resize(np.ascontiguousarray(shown), small, interpolation=cv2.INTER_AREA), np.uint8
    )
    marks = cv2.resize(scribble.astype(np.float32), small, interpolation=cv2.INTER_AREA) > 0.25
    if not marks.any():
        ys, xs = np.nonzero(scribble)
        marks[min(small[1] - 1, int(ys.mean() * scale)), min(small[0] - 1, int(xs.mean() * scale))] = True
    trimap = _start(marks, window, size)
    inside, outside = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # its clusters begin at random
    try:
        bgr = np.ascontiguousarray(colours[..., ::-1])
        cv2.grabCut(bgr, trimap, (0, 0, 0, 0), outside, inside, ROUNDS, cv2.GC_INIT_WITH_MASK)
    except cv2.error:
        return scribble, 0.0  # one colour alone: nothing to tell apart
    found = _connected((trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD), marks)
    part = cv2.resize(found.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    return part, _score(colours, found, marks)


def _start(marks: Mask, window: Box, size: tuple[int, ...]) -> NDArray[np.uint8]:
    """What GrabCut starts from: a scribble is the object, a window's rim is not (the photo's may be)."""
    trimap = np.full(marks.shape, cv2.GC_PR_BGD, np.uint8)
    reach = cv2.distanceTransform((~marks).astype(np.uint8), cv2.DIST_L2, 3)
    trimap[reach < 0.2 * max(marks.shape)] = cv2.GC_PR_FGD
    rim = max(1, round(RIM_SHARE * max(marks.shape)))
    if window.top > 0:
        trimap[:rim] = cv2.GC_BGD
    if window.bottom < size[0]:
        trimap[-rim:] = cv2.GC_BGD
    if window.left > 0:
        trimap[:, :rim] = cv2.GC_BGD
    if window.right < size[1]:
        trimap[:, -rim:] = cv2.GC_BGD
    trimap[marks] = cv2.GC_FGD
    return trimap


def _connected(found: Mask, marks: Mask) -> Mask:
    """The parts that the scribble touches, without specks and with their holes filled."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    opened = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, disc) | marks.astype(np.uint8)
    _, labels = cv2.connectedComponents(opened)
    kept = np.isin(labels, np.unique(labels[marks])) & (opened > 0)
    _, outside = cv2.connectedComponents(
        np.pad(~kept, 1, constant_values=True).astype(np.uint8), connectivity=4
    )
    return np.asarray(outside[1:-1, 1:-1] != outside[0, 0])


def _score(colours: NDArray[np.uint8], found: Mask, marks: Mask) -> float:
    """Contrast across the outline, less what lies inside; nothing where the object fills its window."""
    share = found.mean()
    if share > 0.8 or found.sum() < 9:
        return 0.0
    gray = cv2.cvtColor(colours, cv2.COLOR_RGB2LAB).astype(np.float32) / 255
    slope = np.sqrt(
        sum(
            cv2.Sobel(gray[..., c], cv2.CV_32F, dx, dy, ksize=3) ** 2
            for c in range(3)
            for dx, dy in ((1, 0), (0, 1))
        )
    )
    slope = np.minimum(np.asarray(slope), 1)
    slope[[0, -1]] = slope[:, [0, -1]] = 0  # an outline at the window's end, or the photo's, follows nothing
    kernel = np.ones((3, 3), np.uint8)
    padded = np.pad(found.astype(np.uint8), 1)
    inner = cv2.erode(padded, kernel)[1:-1, 1:-1] > 0
    outline = found & ~inner
    inside = float(slope[inner].mean()) if inner.any() else 0.0
    return max(0.0, float(slope[outline].mean()) - 0.3 * inside)


def _with_margin(mask: Mask, margin_px: int) -> Mask:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin_px + 1,) * 2)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc) > 0)
