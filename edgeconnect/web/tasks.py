"""What a form asks for: a photo, its hole, edges for it, and how much to answer with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from starlette.exceptions import HTTPException

from edgeconnect.edges import maps
from edgeconnect.edges.maps import repair_edges
from edgeconnect.errors import InputError
from edgeconnect.inpainters import texture
from edgeconnect.inpainters.edgeconnect import CONTEXT_PER_DEPTH, CONTEXT_PX, MIN_WINDOW_PX
from edgeconnect.io import images
from edgeconnect.masks import repair, shapes
from edgeconnect.masks.regions import BLOCK_PX, Box, depth, hole_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeconnect.edges.maps import Polarity
    from edgeconnect.inpainters.edgeconnect import EdgeConnect
    from edgeconnect.io.images import Photo
    from edgeconnect.types import Mask
    from edgeconnect.web.fields import Fields
    from edgeconnect.web.models import Models
    from edgeconnect.web.photos import PhotoStore


MASK_POLARITIES = repair.POLARITIES
EDGE_POLARITIES: tuple[Polarity, ...] = ("guess", "white", "black")
DEFAULT_SECONDS = 30  # for a fill
PARTS = ("whole", "surroundings", "hole")


@dataclass(frozen=True)
class State:
    """What the verbs work with."""

    models: Models
    photos: PhotoStore
    patch_pixels: int  # of a hole with the surroundings that patches are taken from, at most
    hole_pixels: int  # likewise, of those that networks or another inpainter look at
    photo_pixels: int  # of a photo, at most
    most_seconds: int  # that may be asked for a fill


@dataclass(frozen=True)
class Task:
    """A photo with its hole, and the part of it that filling depends on."""

    photo_id: str
    photo: Photo
    mask: Mask
    window: Box
    notes: list[str]


def surroundings(mask: Mask) -> Box:
    """The part of a photo that filling its hole depends on: filled alone, it gives the same pixels.

    Holds every window that the networks and the patches look at and begins on the grid that holes are grouped
    on. All of the photo where there is no hole.
    """
    hole = hole_bounds(mask)
    deepest = depth(mask[hole.grown(1, mask.shape).slices])
    box = hole.grown(max(MIN_WINDOW_PX, CONTEXT_PX, round(CONTEXT_PER_DEPTH * deepest)), mask.shape)
    boxes = [box, *(texture.window_of(group, mask.shape) for group in hole_groups(mask, texture.CONTEXT_PX))]
    top, left = min(b.top for b in boxes), min(b.left for b in boxes)
    bottom, right = max(b.bottom for b in boxes), max(b.right for b in boxes)
    return Box(top // BLOCK_PX * BLOCK_PX, left // BLOCK_PX * BLOCK_PX, bottom, right)


def check_size(mask: Mask, max_pixels: int) -> None:
    """Raise InputError for a hole that would take too much memory: that follows the window of its patches."""
    for group in hole_groups(mask, texture.CONTEXT_PX):
        window = texture.window_of(group, mask.shape)
        _check_window(group, window, "what fills it", max_pixels, " for the photo's own texture")


def check_hole(mask: Mask, max_pixels: int) -> None:
    """Raise InputError for a hole that would take too much memory to be filled by anything."""
    for group in hole_groups(mask, CONTEXT_PX):
        height, width = group.bottom - group.top, group.right - group.left
        margin = max(CONTEXT_PX, round(CONTEXT_PER_DEPTH * min(height, width) / 2))
        _check_window(group, group.grown(margin, mask.shape), "its surroundings", max_pixels)


def _check_window(hole: Box, window: Box, what: str, max_pixels: int, purpose: str = "") -> None:
    """Raise InputError where the window of a hole, which holds also `what`, has too many pixels."""
    pixels = (window.bottom - window.top) * (window.right - window.left)
    if pixels > max_pixels:
        raise InputError(
            f"a hole of {hole.right - hole.left}x{hole.bottom - hole.top} px and {what} are "
            f"{pixels / 1e6:.1f} megapixels: expected at most {max_pixels / 1e6:g}{purpose}; "
            "paint a smaller hole"
        )


def needs_hole(fields: Fields) -> None:
    """Raise HTTPException 400 where the form says nothing about a hole."""
    if not fields.has("mask") and not fields.texts("box"):
        raise HTTPException(400, "expected a hole: send a file `mask` or a text `box`")


def budget_seconds(fields: Fields, most: int) -> int:
    """How long a form lets patches be matched; HTTPException 400 where that is longer than `most`."""
    seconds = fields.whole("seconds")
    if seconds is None:
        return min(DEFAULT_SECONDS, most)
    if seconds > most:
        raise HTTPException(400, f"seconds: expected at most {most}, got {seconds}")
    return seconds


def read_task(state: State, fields: Fields) -> Task:
    """The photo and its hole from a form."""
    photo_id, photo = read_photo(state, fields)
    size = photo.rgb.shape[:2]
    mask, notes = np.zeros(size, bool), [f"photo: {note}" for note in photo.notes]
    if boxes := [_corners(text) for text in fields.texts("box")]:
        mask |= shapes.boxes(size[0], size[1], boxes)
    if fields.has("mask"):
        polarity = fields.choice("mask_polarity", MASK_POLARITIES)
        drawn, more = repair.repair(fields.picture("mask", images.read_raw), None, polarity)
        box = _place(fields, "mask", drawn.shape, size)
        mask[box.slices] |= drawn
        if box == whole_box(size):  # of a part, that it is all hole says nothing
            notes += [f"mask: {note}" for note in more]
    check_hole(mask, state.hole_pixels)
    return Task(photo_id, photo, mask, surroundings(mask), notes)


def read_photo(state: State, fields: Fields) -> tuple[str, Photo]:
    """The photo sent, or the kept one that is named; a sent one is kept."""
    name = fields.text("photo_id")
    if name is not None and fields.has("photo"):
        raise HTTPException(400, "expected photo or photo_id, got both")
    if name is not None:
        return name, state.photos.get(name)
    name = fields.content_hash("photo")
    if name not in state.photos:
        state.photos.keep(name, fields.picture("photo", images.read_photo))
    return name, state.photos.get(name)


def given_edges(fields: Fields, task: Task) -> NDArray[np.float32] | None:
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


def borrowed_edges(fields: Fields, task: Task, model: EdgeConnect) -> NDArray[np.float32] | None:
    """Another photo's lines at the photo's size; None where none was sent."""
    if not fields.has("edges_from"):
        return None
    other = fields.picture("edges_from", images.read_colours)
    lines, notes = maps.borrow_edges(other, task.mask.shape, model.detect_edges)
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
        return whole_box(size)
    if y + part[0] > size[0] or x + part[1] > size[1]:
        raise InputError(
            f"{name}: expected a part inside the photo's {size[1]}x{size[0]} pixels, "
            f"got {part[1]}x{part[0]} at {x},{y}"
        )
    return Box(y, x, y + part[0], x + part[1])


def asked_boxes(task: Task, fields: Fields) -> tuple[Box, Box]:
    """What to look at and what to answer with, as the field `part` says."""
    part = fields.choice("part", PARTS)
    if part == "whole":
        return (whole_box(task.mask.shape),) * 2
    return task.window, hole_bounds(task.mask) if part == "hole" else task.window


def hole_bounds(mask: Mask) -> Box:
    """The bounds of all holes together; all of the photo where there is none."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return whole_box(mask.shape)
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def _corners(text: str) -> tuple[int, int, int, int]:
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() and len(part) < 10 for part in parts):
        raise HTTPException(400, f"box: expected x,y,width,height in whole pixels, got {text[:50]!r}")
    x, y, width, height = (int(part) for part in parts)
    return x, y, width, height


def whole_box(size: tuple[int, ...]) -> Box:
    return Box(0, 0, size[0], size[1])
