"""Step three: holes filled with the photo's own patches, window by window, in the photo's own depth."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch

from edgeconnect.masks.regions import Box, hole_groups, wide_parts
from edgeconnect.patches.fill import FULL, Effort, NoPatchesError, as_floats, patch_tiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edgeconnect.types import Image, Mask

# chosen on 60 photos by the distance of `eval.benchmark --features`; in wide holes by eye: more is hazy
WIDE_PX = 12  # half the width from which on a hole is wide
RAMP_PX = 4  # from the rim, over which patches replace the guide
SOFT, SHARP = 0.5, 0.9  # the guide's detail against the patches', between which they replace it at the rim
FINE_PX, AROUND_PX, LEAST_DETAIL = 1.5, 4, 0.5  # what is detail, and where: sigmas, and squared levels
AROUND_HOLE_PX = 32  # surroundings that this is decided by: farther than its filters reach
FLAT_PX, FLAT_SPREAD = 9, 1.5 / 255  # flat: no two pixels so near together differ so much
CONTEXT_PX = 96  # surroundings of a hole that it is filled from, at least; its own longer side where more


def fill_holes(
    photo: Image,
    mask: Mask,
    guide: Image | None = None,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Callable[[Callable[[], Image]], None] = lambda picture: None,
    is_over: Callable[[], bool] = lambda: False,
    effort: Callable[[], Effort] = lambda: FULL,
) -> Image:
    """The photo with its holes filled from its own patches; every known pixel is identical.

    photo: (H,W,3) uint8 or uint16. mask: (H,W) bool, True = hole. guide: like photo, with its holes filled
    softly: what the result should resemble where it is blurred. seed: another one gives another fill.
    progress: called at each scale with a function that makes the photo as filled so far; may raise to stop.
    is_over: asked before each iteration; once true, the fill is finished from what it has.
    effort: asked before each of `windows_of(mask)` how much is done for it at most.
    Where nothing is known that could be copied, the guide stays; without one NoPatchesError is raised.
    """
    result = photo.copy()
    missing = mask.copy()
    for window, group in windows_of(mask):
        allowed = effort()
        if not missing[group.slices].any():
            continue
        hole = np.zeros_like(mask[window.slices])
        inner = group.inside(window).slices
        hole[inner] = missing[group.slices]
        forbidden = mask[window.slices] & ~hole
        # where nothing was filled before, the copy has all that is known: a large photo is not copied again
        is_as_it_was = not (forbidden & ~missing[window.slices]).any()

        def shown(picture: Callable[[], torch.Tensor], window: Box = window, hole: Mask = hole) -> Image:
            result[window.slices][hole] = _pixels(picture().cpu().numpy()[hole], photo.dtype)
            return result

        def show(picture: Callable[[], torch.Tensor], shown: Callable[..., Image] = shown) -> None:
            progress(partial(shown, picture))

        seen = (result if is_as_it_was else photo, *(() if guide is None else (guide,)))
        parts = [_shared(array[window.slices]).to(device) for array in seen]
        try:
            for tile, around, filled in patch_tiles(
                parts[0],
                torch.from_numpy(hole).to(device),
                parts[1] if guide is not None else None,
                forbidden=torch.from_numpy(forbidden).to(device) if forbidden.any() else None,
                seed=seed,
                progress=show,
                is_over=is_over,
                effort=allowed,
            ):
                if guide is not None:
                    filled = _over_guide(hole[around.slices], filled, as_floats(parts[1][around.slices]))
                new = hole[tile.slices]
                pixels = _pixels(filled.cpu().numpy()[tile.inside(around).slices][new], photo.dtype)
                result[window.slices][tile.slices][new] = pixels
        except NoPatchesError:
            if guide is None:
                raise
            result[window.slices][hole] = guide[window.slices][hole]
        progress(lambda: result)
        missing[group.slices] = False
    return result


def _shared(pixels: Image) -> torch.Tensor:
    """Pixels as a tensor, without a copy where they may be written, which PyTorch asks for."""
    return torch.from_numpy(pixels) if pixels.flags.writeable else torch.tensor(pixels)


def _over_guide(hole: Mask, filled: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
    """What was copied, laid over the guide as `_patch_share` says: (h,w,3)."""
    left, top, width, height = cv2.boundingRect(hole.astype(np.uint8))
    part = Box(top, left, top + height, left + width).grown(AROUND_HOLE_PX, hole.shape).slices
    new, soft = filled[part], guide[part]
    share = torch.from_numpy(_patch_share(hole[part], new.cpu().numpy(), soft.cpu().numpy()))[..., None]
    share = share.to(filled)
    result = filled.clone()
    result[part] = torch.where(share < 1, torch.lerp(soft, new, share), new)
    return result


def windows_of(mask: Mask) -> list[tuple[Box, Box]]:
    """The windows in the order in which they are filled, each with the bounds of its group of holes.

    mask: (H,W) bool, True = hole.
    """
    return [(window_of(group, mask.shape), group) for group in hole_groups(mask, CONTEXT_PX)]


def window_of(group: Box, shape: tuple[int, ...]) -> Box:
    """What a group of holes is filled from: as much on each side as it is long, at least CONTEXT_PX.

    group: the bounds of the holes. shape: of the photo, (height, width, ...).
    """
    longer = max(group.bottom - group.top, group.right - group.left)
    return group.grown(max(CONTEXT_PX, longer), shape)


def _patch_share(hole: Mask, filled: NDArray[np.float32], guide: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of the patches is taken, the rest being the guide's: (H,W), 0 to 1.

    More and more with the distance from the rim: near to it the networks are surest, and a patch may bring a
    speck. Where in a wide hole the guide is softer than the patches, it would show as a hazy frame, and
    patches are taken up to the rim. Where the fill is flat all of it is taken: what is flat around a hole
    stays so.
    """
    padded = np.pad(hole.astype(np.uint8), RAMP_PX, mode="edge")
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[RAMP_PX:-RAMP_PX, RAMP_PX:-RAMP_PX]
    share = np.minimum(depth / RAMP_PX, 1)
    wide = np.asarray(cv2.GaussianBlur(wide_parts(hole, WIDE_PX).astype(np.float32), (0, 0), 2), np.float32)
    sharpness = np.sqrt(_detail(hole, guide) / _detail(hole, filled))
    share = np.maximum(share, wide * np.clip((SHARP - sharpness) / (SHARP - SOFT), 0, 1))
    box = np.ones((FLAT_PX, FLAT_PX), np.uint8)
    spread = (cv2.dilate(filled, box) - cv2.erode(filled, box)).max(2)
    return np.asarray(np.where(spread < FLAT_SPREAD, 1, share), np.float32)


def _detail(hole: Mask, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The energy of the fine detail around each pixel of the hole: (H,W), in squared levels of 8 bit."""
    fine = 255 * (picture - cv2.GaussianBlur(picture, (0, 0), FINE_PX))
    inside = hole.astype(np.float32)
    energy = cv2.GaussianBlur((fine * fine).mean(2) * inside, (0, 0), AROUND_PX)
    around = np.maximum(cv2.GaussianBlur(inside, (0, 0), AROUND_PX), 1e-3)
    return np.asarray(energy / around + LEAST_DETAIL, np.float32)


def _pixels(picture: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    top = np.iinfo(dtype).max
    pixels: NDArray[Any] = np.clip(np.rint(picture * top), 0, top).astype(dtype)
    return pixels
