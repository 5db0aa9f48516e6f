"""Filling files: a job's photo and mask in, its result and edge map out, one photo or a folder of them."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeconnect.edges.maps import Polarity, borrow_edges, repair_edges, write_edges
from edgeconnect.errors import InputError, printable
from edgeconnect.inpainters import outpaint
from edgeconnect.io import decoders, images
from edgeconnect.io.atomic import real_path
from edgeconnect.masks import repair, shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from edgeconnect.inpainters.edgeconnect import EdgeConnect, Lines
    from edgeconnect.io.jobs import Job
    from edgeconnect.types import Image, Mask

    Inpainter = Callable[[Image, Mask], Image]


BLACK = 0.03
"""Of white: what is darker counts as black surroundings (JPEG leaves some noise in them)."""


@dataclass(frozen=True)
class MaskOptions:
    """How a hole is made: boxes (x, y, width, height) in px, the files' polarity, px added around, px of
    fading; the polarity of edge maps drawn for it; what to ignore, whether the photo's left and right
    side are neighbours, and what it is extended by.
    """

    boxes: tuple[tuple[int, int, int, int], ...] = ()
    polarity: repair.Polarity = "guess"
    dilate_px: float = 0
    feather_px: float = 0
    edges_polarity: Polarity = "guess"
    ignore: str | None = None
    wrap: bool = False
    extend: str | None = None


@dataclass(frozen=True)
class Task:
    """A photo with its hole, as an inpainter is to see them, and notes on what reading changed.

    photo, hole: moved around by `shift` columns where the photo is a panorama (--wrap). ignored: (H,W) bool,
    what is neither filled nor copied from; it is shown as hole, and keeps its pixels.
    """

    photo: images.Photo
    hole: Mask
    ignored: Mask
    notes: list[str]
    shift: int = 0

    def back(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Something of the photo's size, moved back to where it was."""
        return np.roll(pixels, self.shift, axis=1) if self.shift else pixels

    def there(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Something of the file's size, moved as the photo is."""
        return np.roll(pixels, -self.shift, axis=1) if self.shift else pixels


@dataclass(frozen=True)
class FillOptions:
    """How a hole is filled: `EdgeConnect.inpaint` says what each means."""

    lines: Lines = "both"
    texture: float = 1.0
    seed: int = 0


def run(
    load: Callable[[], EdgeConnect], job: Job, options: MaskOptions, filling: FillOptions = FillOptions()
) -> list[str]:
    """Fill one photo and write the results (and the edge map); returns what should be said about them.

    load: gives the model, once the files were read: what is wrong with them is found in no time.
    """
    task = read(job, options)
    model = load()
    photo, notes = task.photo, task.notes
    repainted = shapes.dilate(task.hole, options.feather_px) | task.ignored
    edges, more = _given_edges(model, job, task, repainted, options)
    notes += more
    with _naming(job.photo):
        if job.save_edges and edges is None:
            edges = model.complete_edges(photo.rgb, repainted, filling.lines)
        if job.save_edges and edges is not None:
            notes += write_edges(job.save_edges, task.back(edges))
        outs = (job.out, *job.candidates)
        fills = model.candidates(photo.rgb, repainted, len(outs), edges, **asdict(filling))
        for out, result in zip(outs, fills, strict=True):
            notes += _write(replace(job, out=out), result, task, options)
    return notes


def fill(load: Callable[[], Inpainter], job: Job, options: MaskOptions) -> list[str]:
    """Fill one photo by any inpainter and write the result; returns what should be said about it."""
    task = read(job, options)
    repainted = shapes.dilate(task.hole, options.feather_px) | task.ignored
    with _naming(job.photo):
        result = load()(task.photo.rgb, repainted)
    return task.notes + _write(job, result, task, options)


def complete(
    load: Callable[[], EdgeConnect], job: Job, options: MaskOptions, lines: Lines = "both"
) -> list[str]:
    """Write the completed edge map of one photo to `job.out`: white lines on black, the photo's size."""
    task = read(job, options)
    with _naming(job.photo):
        edges = load().complete_edges(task.photo.rgb, task.hole | task.ignored, lines)
    return task.notes + write_edges(job.out, task.back(edges))


def read(job: Job, options: MaskOptions) -> Task:
    """A job's photo and hole; InputError where nothing of the photo is known."""
    if not job.mask and not options.boxes and options.extend is None:
        raise InputError(
            f"{job.photo}: expected a hole: a mask in its line, or --box X,Y,W,H for all, got none"
        )
    photo = images.read_photo(job.photo)
    notes = [f"{job.photo}: {note}" for note in photo.notes]
    size = (photo.rgb.shape[0], photo.rgb.shape[1])
    mask = np.zeros(size, bool)
    if options.boxes:
        mask |= shapes.boxes(size[0], size[1], options.boxes)
        notes += [f"{job.photo}: {note}" for note in _clipped(options.boxes, size)]
    if job.mask:
        if real_path(job.mask) == real_path(job.photo) and not photo.is_transparent:
            raise InputError(
                f"{job.mask}: expected a mask, got the photo itself, of which nothing is transparent"
            )
        drawn, more = _read_mask(job.mask, photo, options.polarity)
        notes += [f"{job.mask}: {note}" for note in more if not _AS_DOCUMENTED.match(note)]
        mask |= drawn
    with _naming(job.photo):
        ignored, more = _ignored(photo, options.ignore)
    notes += [f"{job.photo}: {note}" for note in more]
    mask = shapes.dilate(mask, options.dilate_px) & ~ignored
    if options.extend is not None:
        if options.wrap:
            raise InputError("--extend: expected no --wrap with it, as a panorama has no sides")
        with _naming(job.photo):
            photo, mask, ignored = _extended(photo, mask, ignored, options.extend)
    if (mask | ignored).all():
        raise InputError(
            f"{job.mask or '--box'}: expected at least one known pixel, got a hole over the whole photo"
            + "".join(f"; {note}" for note in notes if str(job.mask) in note)
        )
    if not options.wrap:
        return Task(photo, mask, ignored, notes)
    shift = shapes.widest_gap(mask)
    moved = replace(photo, rgb=np.roll(photo.rgb, -shift, axis=1))
    if photo.alpha is not None:
        moved = replace(moved, alpha=np.roll(photo.alpha, -shift, axis=1))
    return Task(moved, np.roll(mask, -shift, axis=1), np.roll(ignored, -shift, axis=1), notes, shift)


_AS_DOCUMENTED = re.compile(r"guessed that white is the hole \([\d.]+% of the image\)$")  # what the help says


def _extended(photo: images.Photo, mask: Mask, ignored: Mask, text: str) -> tuple[images.Photo, Mask, Mask]:
    """A photo, its hole and what is ignored, with a border that is hole too, opaque where there is alpha."""
    sides = outpaint.border(outpaint.parse(text), *mask.shape)
    rgb, hole = outpaint.extend(photo.rgb, sides, mask)
    new = outpaint.new_pixels(sides, *mask.shape)
    ignored = outpaint.extended(ignored, sides) & ~new
    if photo.alpha is None:
        return replace(photo, rgb=rgb), hole, ignored
    alpha = outpaint.extended(photo.alpha, sides)
    alpha[new] = np.iinfo(alpha.dtype).max
    return replace(photo, rgb=rgb, alpha=alpha), hole, ignored


def _clipped(boxes: Sequence[tuple[int, int, int, int]], size: tuple[int, int]) -> list[str]:
    """What is said about boxes that reach beyond the photo."""
    return [
        f"box {x},{y},{width},{height} reaches beyond the photo's {size[1]}x{size[0]} pixels: cut off there"
        for x, y, width, height in boxes
        if x < 0 or y < 0 or x + width > size[1] or y + height > size[0]
    ]


def _ignored(photo: images.Photo, which: str | None) -> tuple[Mask, list[str]]:
    """What --ignore names: black that touches the border, transparent pixels, or the white of a mask file."""
    if which is None:
        return np.zeros(photo.rgb.shape[:2], bool), []
    if which == "alpha":
        if photo.alpha is None:
            raise InputError("--ignore alpha: expected a photo with an alpha channel, got one without")
        found = np.asarray(photo.alpha == 0)
    elif which == "black":
        border = np.zeros(photo.rgb.shape[:2], bool)
        border[[0, -1]], border[:, [0, -1]] = True, True
        dark = photo.rgb.max(axis=2) <= np.iinfo(photo.rgb.dtype).max * BLACK
        found = images.touching(dark, border & dark)
    else:
        found, _ = _read_mask(Path(which), photo, "white")
    return found, [f"--ignore {which}: {found.mean():.1%} of it is neither filled nor copied from"]


def _read_mask(path: Path, photo: images.Photo, polarity: repair.Polarity) -> tuple[Mask, list[str]]:
    """A mask file at the photo's size, upright as the photo is, and notes."""
    size = (photo.rgb.shape[0], photo.rgb.shape[1])
    pixels, notes = images.read_raw(path), []
    # EXIF orientations from 5 on swap height and width
    if photo.orientation >= 5 and _fits(pixels.shape[1::-1], size) and not _fits(pixels.shape, size):
        pixels = decoders.turn(pixels, photo.orientation)
        notes.append("turned as its photo was, whose proportions it has only then")
    with _naming(path):
        try:
            mask, more = repair.repair(pixels, size, polarity)
        except InputError as error:
            if repair.looks_like_mask(photo.rgb):
                raise InputError(f"{error}; the photo looks like a mask: are the two swapped?") from None
            raise
    return mask, notes + more


def _fits(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Whether pixels of (height, width, ...) have the proportions of a size, but for rounding."""
    return abs(shape[0] * size[1] - shape[1] * size[0]) <= max(size)


def _write(job: Job, result: Image, task: Task, options: MaskOptions) -> list[str]:
    """Write a result, blended where that is asked for, and with what is to be ignored as it was."""
    photo, notes = task.photo, []
    if options.feather_px:
        from edgeconnect.inpainters.edgeconnect import blend

        result = blend(photo.rgb, result, task.hole, options.feather_px)
        notes.append(f"{job.out}: known pixels within {options.feather_px:g} px of the hole were blended")
    if task.ignored.any():
        result = np.where(task.ignored[..., None], photo.rgb, result)
    shown = photo.without_eraser(task.hole)
    if shown is not photo:
        notes.append(f"{job.out}: the hole, transparent before, is opaque")
    if shown.alpha is not None:
        shown = replace(shown, alpha=task.back(shown.alpha))
    return notes + images.write_photo(job.out, task.back(result), shown)


def _given_edges(
    model: EdgeConnect, job: Job, task: Task, mask: NDArray[np.bool_], options: MaskOptions
) -> tuple[NDArray[np.float32] | None, list[str]]:
    """The edge map that a job brings instead of the model's own, None without one, and notes."""
    source = job.edges or job.edges_from
    if source is None:
        return None, []
    with _naming(source):
        if job.edges:
            edges, notes = repair_edges(images.read_raw(job.edges), mask.shape, options.edges_polarity)
            edges = task.there(edges)
        else:
            edges, notes = borrow_edges(images.read_colours(source), mask.shape, model.detect_edges)
            known = model.photo_edges(task.photo.rgb, mask)
            edges = np.where(mask, task.there(edges), known).astype(np.float32)
    return edges, [f"{source}: {note}" for note in notes]


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say which file an InputError is about, where it does not yet."""
    try:
        yield
    except InputError as error:
        raise error if printable(path) in str(error) else InputError(f"{path}: {error}") from None
