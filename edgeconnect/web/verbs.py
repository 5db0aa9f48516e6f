"""What the HTTP API does, in the worker's thread: a form in, a picture out. Its description: openapi.yaml."""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage import data
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from edgeconnect.errors import InputError
from edgeconnect.inpainters import outpaint
from edgeconnect.inpainters.base import fill as fill_hole
from edgeconnect.inpainters.budget import Pace
from edgeconnect.inpainters.single_image import STARTED_SHARE, SingleImage
from edgeconnect.inpainters.texture import windows_of
from edgeconnect.io import images
from edgeconnect.io.encoders import as_stored, encode_png
from edgeconnect.io.metadata import NOTHING, Metadata
from edgeconnect.masks import repair, selection
from edgeconnect.web.models import NETWORKS
from edgeconnect.web.tasks import (
    MASK_POLARITIES,
    Task,
    asked_boxes,
    borrowed_edges,
    budget_seconds,
    check_size,
    given_edges,
    hole_bounds,
    needs_hole,
    read_photo,
    read_task,
    whole_box,
)
from edgeconnect.web.worker import Checking

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edgeconnect.io.images import Photo, Pixels
    from edgeconnect.masks.regions import Box
    from edgeconnect.types import Mask
    from edgeconnect.web.fields import Fields
    from edgeconnect.web.tasks import State

_HOLE = ("photo", "photo_id", "mask", "mask_polarity", "box", "x", "y", "weights", "part")
_FILL = ("guide", "texture", "seed", "seconds")
FIELDS = {
    "/api/edges": (*_HOLE, "edges_from"),
    "/api/inpaint": (*_HOLE, "inpainter", "edges", "edges_polarity", "edges_from", *_FILL),
    "/api/single": (*_HOLE, "edges", "edges_polarity", "edges_from", "start", "seconds", "seed"),
    "/api/composite": ("photo", "photo_id", "mask", "mask_polarity", "box", "x", "y", "fill"),
    "/api/photos": ("photo",),
    "/api/mask": ("photo", "photo_id", "mask", "mask_polarity"),
    "/api/select": ("photo", "photo_id", "mask", "mask_polarity", "box", "x", "y"),
    "/api/extend": ("photo", "photo_id", "left", "top", "right", "bottom"),
}
"""The form fields of each verb."""

GUIDES = ("networks", "photo")
"""What decides where things go in a hole."""

SAMPLES = {
    "astronaut": data.astronaut,
    "cat": data.chelsea,
    "coffee": data.coffee,
    "rocket": data.rocket,
}


def edges(state: State, fields: Fields) -> Response:
    """The edge map, completed in the hole or with another photo's lines there: grey PNG, white lines."""
    task, model = read_task(state, fields), state.models.get(fields.text("weights"))
    window, box = asked_boxes(task, fields)
    mask = task.mask[window.slices]
    lines = model.complete_edges(task.photo.rgb[window.slices], mask)
    if (borrowed := borrowed_edges(fields, task, model)) is not None:
        lines = np.where(mask, borrowed[window.slices], lines)
    pixels = np.rint(lines[box.inside(window).slices] * 255).astype(np.uint8)
    return _png(_encode(pixels), box, task)


def inpaint(state: State, fields: Fields) -> Response:
    """The photo with its hole filled, as deep, grey and transparent as it came: PNG."""
    needs_hole(fields)
    task = read_task(state, fields)
    name = fields.text("inpainter")
    if name is None or name == NETWORKS:
        return answer(task, fields, filled(state, fields, task))
    if fields.has("edges") or fields.has("edges_from"):
        raise HTTPException(400, f"edges and edges_from: expected inpainter={NETWORKS} with them")
    if given := [field for field in _FILL if fields.text(field) is not None]:
        raise HTTPException(400, f"{given[0]}: expected inpainter={NETWORKS} with it")
    inner, inpainter = task.window.slices, state.models.inpainter(name)
    result = task.photo.rgb.copy()
    if task.mask.any():
        result[inner] = fill_hole(inpainter, task.photo.rgb[inner], task.mask[inner])
    return answer(task, fields, result)


def composite(state: State, fields: Fields) -> Response:
    """The whole photo with a picture that was answered for its hole's bounding box in the hole: PNG."""
    needs_hole(fields)
    task = read_task(state, fields)
    box, fill = hole_bounds(task.mask), fields.picture("fill", images.read_photo).rgb
    result, hole = task.photo.rgb.copy(), task.mask[box.slices]
    if fill.shape[:2] != hole.shape or fill.dtype != result.dtype:
        raise InputError(
            f"fill: expected the hole's {hole.shape[1]}x{hole.shape[0]} pixels of {result.dtype}, "
            f"got {fill.shape[1]}x{fill.shape[0]} of {fill.dtype}"
        )
    result[box.slices][hole] = fill[hole]
    whole = whole_box(result.shape)
    return _png(encode(result, task.photo.without_eraser(task.mask), whole), whole, task)


def keep_photo(state: State, fields: Fields) -> Response:
    """Read a photo and keep it for the other verbs: JSON with its id, size and what reading changed."""
    photo_id, photo = read_photo(state, fields)
    height, width = photo.rgb.shape[:2]
    return JSONResponse({"id": photo_id, "width": width, "height": height, "notes": list(photo.notes)})


def kept_photo(state: State, photo_id: str) -> Response:
    """A kept photo as PNG."""
    photo = state.photos.get(photo_id)
    pixels = as_stored(photo.rgb, photo.is_gray, photo.alpha)
    return Response(_encode(pixels, photo.icc_profile), media_type="image/png")


def repaired_mask(state: State, fields: Fields) -> Response:
    """A mask file as this package understands it, at the photo's size: PNG, white = hole."""
    photo_id, photo = read_photo(state, fields)
    size = photo.rgb.shape[:2]
    polarity = fields.choice("mask_polarity", MASK_POLARITIES)
    mask, notes = repair.repair(fields.picture("mask", images.read_raw), size, polarity)
    task = Task(photo_id, photo, mask, whole_box(size), notes)
    return _png(_encode(mask.astype(np.uint8) * np.uint8(255)), task.window, task)


def selected(state: State, fields: Fields) -> Response:
    """The object that a scribble (the form's mask) lies on: PNG of its bounding box, white = object."""
    needs_hole(fields)
    task = read_task(state, fields)
    found = selection.select_object(task.photo.rgb, task.mask)
    stroke = hole_bounds(task.mask)
    is_click = max(stroke.bottom - stroke.top, stroke.right - stroke.left) < 0.05 * max(found.shape)
    if is_click and found.sum() < 4 * task.mask.sum():
        task.notes.append("only the stroke is marked, as nothing stands out there: paint over it instead")
    box = hole_bounds(found)
    return _png(_encode(found[box.slices].astype(np.uint8) * np.uint8(255)), box, task)


def extended(state: State, fields: Fields) -> Response:
    """The photo with a border to be filled, in which its outermost pixels are repeated: PNG."""
    photo_id, photo = read_photo(state, fields)
    height, width = photo.rgb.shape[:2]
    lengths = {side: (float(fields.whole(side) or 0), "px") for side in outpaint.SIDES}
    border = outpaint.border(lengths, height, width)
    size = border.size(height, width)
    if size[0] * size[1] > state.photo_pixels:
        raise InputError(
            f"extend: expected at most {state.photo_pixels / 1e6:g} megapixels, got {size[1]}x{size[0]} px"
        )
    rgb = outpaint.extended(photo.rgb, border)
    new = outpaint.new_pixels(border, height, width)
    alpha = None
    if photo.alpha is not None:
        alpha = outpaint.extended(photo.alpha, border)
        alpha[new] = np.iinfo(alpha.dtype).max  # what is filled can be seen
    task = Task(photo_id, photo, new, whole_box(size), [f"photo: {note}" for note in photo.notes])
    pixels = as_stored(rgb, photo.is_gray, alpha)
    return _png(_encode(pixels, photo.icc_profile), task.window, task)


def filled(state: State, fields: Fields, task: Task) -> Pixels:
    """The photo filled along the networks' structure or from the photo alone, as the field `guide` says."""
    seconds = budget_seconds(fields, state.most_seconds)
    if fields.choice("guide", GUIDES) == "networks":
        texture = 1.0 if (share := fields.share("texture")) is None else share
        try:
            check_size(task.mask, state.patch_pixels if texture else sys.maxsize)
        except InputError as error:
            task.notes.append(f"filled by the networks alone: {error}")
            texture = 0.0
        return by_networks(state, fields, task, texture, seconds)
    if any(fields.has(name) for name in ("edges", "edges_from")) or fields.text("texture") is not None:
        raise HTTPException(400, "edges, edges_from and texture: expected guide=networks with them")
    check_size(task.mask, state.patch_pixels)
    seed, device = fields.whole("seed") or 0, state.models.device
    inpainter = SingleImage(budget_seconds=seconds, seed=seed, device=device)
    result = _within_window(state, task, lambda photo, mask, window: inpainter(photo, mask))
    task.notes.extend(inpainter.notes)
    return result


def by_networks(
    state: State, fields: Fields, task: Task, texture: float, seconds: float | None = None
) -> Pixels:
    """The photo filled by a pair of networks, with the form's edges where it has some.

    seconds: how long that may take with its texture; None for no limit.
    """
    pace = None
    if seconds is not None and texture:
        pace = Pace(windows_of(task.mask[task.window.slices]), seconds, STARTED_SHARE)
    model, seed = state.models.get(fields.text("weights")), fields.whole("seed") or 0
    given = given_edges(fields, task)
    given = borrowed_edges(fields, task, model) if given is None else given

    def fill(photo: Pixels, mask: Mask, window: Box) -> Pixels:
        lines = None if given is None else given[window.slices]
        return model.inpaint(photo, mask, lines, texture=texture, seed=seed, pace=pace)

    result = _within_window(state, task, fill)
    task.notes.extend(pace.notes if pace else [])
    return result


def _within_window(state: State, task: Task, fill: Callable[[Pixels, Mask, Box], Pixels]) -> Pixels:
    """The photo with what `fill` makes of the part that its hole depends on, cancelled at any operation."""
    result, window = task.photo.rgb.copy(), task.window
    with Checking(state.models.check_cancelled):
        result[window.slices] = fill(task.photo.rgb[window.slices], task.mask[window.slices], window)
    return result


def answer(task: Task, fields: Fields, result: Pixels) -> Response:
    """As much of the filled photo as the field `part` says."""
    _, box = asked_boxes(task, fields)
    return _png(encode(result, task.photo.without_eraser(task.mask), box), box, task)


def encode(rgb: Pixels, photo: Photo, box: Box) -> bytes:
    """A part of a filled photo as PNG, as deep, grey and transparent as the photo."""
    alpha = None if photo.alpha is None else photo.alpha[box.slices]
    pixels = as_stored(rgb[box.slices], photo.is_gray, alpha)
    is_whole = box == whole_box(rgb.shape)
    return _encode(pixels, photo.icc_profile, photo.metadata if is_whole else NOTHING)


@cache
def sample(name: str) -> bytes:
    """One of scikit-image's sample photos as PNG."""
    pixels = np.asarray(SAMPLES[name](), np.uint8)  # type: ignore[no-untyped-call]
    return _encode(pixels)


def _encode(
    pixels: NDArray[np.unsignedinteger[Any]],
    icc_profile: bytes | None = None,
    metadata: Metadata = NOTHING,
) -> bytes:
    """A PNG file, quickly: somebody waits for it."""
    return encode_png(pixels, icc_profile, "picture", metadata, level=2)[0]


def _png(content: bytes, box: Box, task: Task) -> Response:
    headers = {
        "Edgeconnect-Box": f"{box.left},{box.top},{box.right - box.left},{box.bottom - box.top}",
        "Edgeconnect-Photo": task.photo_id,
        "Edgeconnect-Notes": json.dumps(task.notes),
    }
    return Response(content, media_type="image/png", headers=headers)
