"""What the HTTP API does, in the worker's thread: a form in, a picture out. Its description: openapi.yaml."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage import data
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from edgeconnect import files, images, masks
from edgeconnect.edges import repair_edges
from edgeconnect.encoders import as_stored, encode_png
from edgeconnect.errors import InputError
from edgeconnect.inpaint import CONTEXT_PER_DEPTH, CONTEXT_PX, LEAST_WINDOW_PX
from edgeconnect.regions import BLOCK_PX, Box, depth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeconnect.edges import Polarity
    from edgeconnect.images import Photo
    from edgeconnect.web.fields import Fields
    from edgeconnect.web.models import Models
    from edgeconnect.web.photos import PhotoStore

    Mask = NDArray[np.bool_]

_HOLE = ("photo", "photo_id", "mask", "mask_polarity", "box", "x", "y", "weights", "part")
FIELDS = {
    "/api/edges": (*_HOLE, "edges_from"),
    "/api/inpaint": (*_HOLE, "edges", "edges_polarity", "edges_from"),
    "/api/photos": ("photo",),
    "/api/mask": ("photo", "photo_id", "mask", "mask_polarity"),
}
"""The form fields of each verb."""

MASK_POLARITIES: tuple[masks.Polarity, ...] = ("guess", "white", "black", "alpha")
EDGE_POLARITIES: tuple[Polarity, ...] = ("guess", "white", "black")
PARTS = ("whole", "surroundings", "hole")

SAMPLES = {
    "astronaut": data.astronaut,
    "cat": data.chelsea,
    "coffee": data.coffee,
    "rocket": data.rocket,
}


@dataclass(frozen=True)
class Desk:
    """What the verbs work with."""

    models: Models
    photos: PhotoStore


@dataclass(frozen=True)
class Task:
    """A photo with its hole, and the part of it that filling depends on."""

    photo_id: str
    photo: Photo
    mask: Mask
    window: Box
    notes: list[str]


def edges(desk: Desk, fields: Fields) -> Response:
    """The edge map, completed in the hole or with another photo's lines there: grey PNG, white lines."""
    task, model = _task(desk, fields), desk.models.get(fields.text("weights"))
    window, box = _boxes(task, fields)
    mask = task.mask[window.slices]
    lines = model.complete_edges(task.photo.rgb[window.slices], mask)
    if (borrowed := _borrowed(fields, task, model.sigma)) is not None:
        lines = np.where(mask, borrowed[window.slices], lines)
    pixels = np.rint(lines[box.inside(window).slices] * 255).astype(np.uint8)
    return _png(_encode(pixels), box, task)


def inpaint(desk: Desk, fields: Fields) -> Response:
    """The photo with its hole filled, as deep, grey and transparent as it came: PNG."""
    if not fields.has("mask") and not fields.texts("box"):
        raise HTTPException(400, "expected a hole: send a file `mask` or a text `box`")
    task, model = _task(desk, fields), desk.models.get(fields.text("weights"))
    _, box = _boxes(task, fields)
    given = _given(fields, task)
    given = _borrowed(fields, task, model.sigma) if given is None else given
    inner = task.window.slices
    filled = model.inpaint(task.photo.rgb[inner], task.mask[inner], None if given is None else given[inner])
    result = task.photo.rgb.copy()
    result[inner] = filled
    alpha = None if task.photo.alpha is None else task.photo.alpha[box.slices]
    pixels = as_stored(result[box.slices], task.photo.is_gray, alpha)
    return _png(_encode(pixels, task.photo.icc_profile), box, task)


def keep_photo(desk: Desk, fields: Fields) -> Response:
    """Read a photo and keep it for the other verbs: JSON with its id, size and what reading changed."""
    photo_id, photo = _photo(desk, fields)
    height, width = photo.rgb.shape[:2]
    return JSONResponse({"id": photo_id, "width": width, "height": height, "notes": list(photo.notes)})


def kept_photo(desk: Desk, photo_id: str) -> Response:
    """A kept photo as PNG."""
    photo = desk.photos.get(photo_id)
    pixels = as_stored(photo.rgb, photo.is_gray, photo.alpha)
    return Response(_encode(pixels, photo.icc_profile), media_type="image/png")


def repaired_mask(desk: Desk, fields: Fields) -> Response:
    """A mask file as this package understands it, at the photo's size: PNG, white = hole."""
    photo_id, photo = _photo(desk, fields)
    size = photo.rgb.shape[:2]
    polarity = fields.choice("mask_polarity", MASK_POLARITIES)
    mask, notes = masks.repair(fields.picture("mask", images.read_raw), size, polarity)
    task = Task(photo_id, photo, mask, _whole(size), notes)
    return _png(_encode(mask.astype(np.uint8) * np.uint8(255)), task.window, task)


@cache
def sample(name: str) -> bytes:
    """One of scikit-image's sample photos as PNG."""
    pixels = np.asarray(SAMPLES[name](), np.uint8)  # type: ignore[no-untyped-call]
    return _encode(pixels)


def surroundings(mask: Mask) -> Box:
    """The part of a photo that filling its hole depends on: filled alone, it gives the same pixels.

    Holds every window that EdgeConnect looks at and begins on the grid that holes are grouped on. All of the
    photo where there is no hole.
    """
    hole = _hole(mask)
    deepest = depth(mask[hole.grown(1, mask.shape).slices])
    box = hole.grown(max(LEAST_WINDOW_PX, CONTEXT_PX, round(CONTEXT_PER_DEPTH * deepest)), mask.shape)
    return Box(box.top // BLOCK_PX * BLOCK_PX, box.left // BLOCK_PX * BLOCK_PX, box.bottom, box.right)


def _task(desk: Desk, fields: Fields) -> Task:
    photo_id, photo = _photo(desk, fields)
    size = photo.rgb.shape[:2]
    mask, notes = np.zeros(size, bool), [f"photo: {note}" for note in photo.notes]
    if boxes := [_corners(text) for text in fields.texts("box")]:
        mask |= masks.boxes(size[0], size[1], boxes)
    if fields.has("mask"):
        polarity = fields.choice("mask_polarity", MASK_POLARITIES)
        drawn, more = masks.repair(fields.picture("mask", images.read_raw), None, polarity)
        box = _place(fields, "mask", drawn.shape, size)
        mask[box.slices] |= drawn
        if box == _whole(size):  # of a part, that it is all hole says nothing
            notes += [f"mask: {note}" for note in more]
    return Task(photo_id, photo, mask, surroundings(mask), notes)


def _photo(desk: Desk, fields: Fields) -> tuple[str, Photo]:
    """The photo sent, or the kept one that is named; a sent one is kept."""
    name = fields.text("photo_id")
    if name is not None and fields.has("photo"):
        raise HTTPException(400, "expected photo or photo_id, got both")
    if name is not None:
        return name, desk.photos.get(name)
    name = fields.content_hash("photo")
    if name not in desk.photos:
        desk.photos.keep(name, fields.picture("photo", images.read_photo))
    return name, desk.photos.get(name)


def _given(fields: Fields, task: Task) -> NDArray[np.float32] | None:
    """The client's edge map at the photo's size; None where none was sent."""
    if not fields.has("edges"):
        return None
    if fields.has("edges_from"):
        raise HTTPException(400, "expected edges or edges_from, got both")
    pixels = fields.picture("edges", images.read_raw)
    size = (pixels.shape[0], pixels.shape[1])
    box = _place(fields, "edges", size, task.mask.shape)
    lines = np.zeros(task.mask.shape, np.float32)
    polarity = fields.choice("edges_polarity", EDGE_POLARITIES)
    lines[box.slices], notes = repair_edges(pixels, size, polarity)
    task.notes.extend(f"edges: {note}" for note in notes)
    return lines


def _borrowed(fields: Fields, task: Task, sigma: float) -> NDArray[np.float32] | None:
    """Another photo's lines at the photo's size; None where none was sent."""
    if not fields.has("edges_from"):
        return None
    other = fields.picture("edges_from", images.read_rgb)
    lines, notes = files.borrow_edges(other, task.mask.shape, sigma)
    task.notes.extend(f"edges_from: {note}" for note in notes)
    return lines


def _place(fields: Fields, name: str, part: tuple[int, ...], size: tuple[int, ...]) -> Box:
    """Where in the photo a mask or edge map lies: everywhere, or from the fields x and y on."""
    x, y = fields.whole("x"), fields.whole("y")
    if (x is None) != (y is None):
        raise HTTPException(400, "expected both x and y, or neither")
    if x is None or y is None:
        if part != tuple(size):
            raise InputError(
                f"{name}: expected the photo's {size[1]}x{size[0]} pixels, got {part[1]}x{part[0]} "
                "(send x and y where it is a part of the photo)"
            )
        return _whole(size)
    if y + part[0] > size[0] or x + part[1] > size[1]:
        raise InputError(
            f"{name}: expected a part inside the photo's {size[1]}x{size[0]} pixels, "
            f"got {part[1]}x{part[0]} at {x},{y}"
        )
    return Box(y, x, y + part[0], x + part[1])


def _boxes(task: Task, fields: Fields) -> tuple[Box, Box]:
    """What to look at and what to answer with, as the field `part` says."""
    part = fields.choice("part", PARTS)
    if part == "whole":
        return (_whole(task.mask.shape),) * 2
    return task.window, _hole(task.mask) if part == "hole" else task.window


def _hole(mask: Mask) -> Box:
    """The bounds of all holes together; all of the photo where there is none."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return _whole(mask.shape)
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def _corners(text: str) -> tuple[int, int, int, int]:
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() and len(part) < 10 for part in parts):
        raise HTTPException(400, f"box: expected x,y,width,height in whole pixels, got {text[:50]!r}")
    x, y, width, height = (int(part) for part in parts)
    return x, y, width, height


def _whole(size: tuple[int, ...]) -> Box:
    return Box(0, 0, size[0], size[1])


def _encode(pixels: NDArray[np.unsignedinteger[Any]], icc_profile: bytes | None = None) -> bytes:
    """A PNG file, quickly: somebody waits for it."""
    return encode_png(pixels, icc_profile, "picture", level=2)[0]


def _png(content: bytes, box: Box, task: Task) -> Response:
    headers = {
        "Edgeconnect-Box": f"{box.left},{box.top},{box.right - box.left},{box.bottom - box.top}",
        "Edgeconnect-Photo": task.photo_id,
        "Edgeconnect-Notes": json.dumps(task.notes),
    }
    return Response(content, media_type="image/png", headers=headers)
