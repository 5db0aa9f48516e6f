"""Filling files: a job's photo and mask in, its result and edge map out, one photo or a folder of them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeconnect.edges.maps import Polarity, borrow_edges, repair_edges, write_edges
from edgeconnect.errors import InputError, printable
from edgeconnect.inpainters.edgeconnect import EdgeConnect, blend
from edgeconnect.io import decoders, images
from edgeconnect.masks import repair, shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from edgeconnect.inpainters.edgeconnect import Lines
    from edgeconnect.io.jobs import Job
    from edgeconnect.types import Image, Mask

    Inpainter = Callable[[Image, Mask], Image]


@dataclass(frozen=True)
class MaskOptions:
    """How a hole is made: boxes (x, y, width, height) in px, the files' polarity, px added around, px of
    fading; and the polarity of edge maps drawn for it.
    """

    boxes: tuple[tuple[int, int, int, int], ...] = ()
    polarity: repair.Polarity = "guess"
    dilate_px: float = 0
    feather_px: float = 0
    edges_polarity: Polarity = "guess"


@dataclass(frozen=True)
class FillOptions:
    """How a hole is filled: `EdgeConnect.inpaint` says what each means."""

    lines: Lines = "both"
    texture: float = 1.0
    seed: int = 0


def run(
    model: EdgeConnect, job: Job, options: MaskOptions, filling: FillOptions = FillOptions()
) -> list[str]:
    """Fill one photo and write the results (and the edge map); returns what should be said about them."""
    photo, mask, notes = read(job, options)
    repainted = shapes.dilate(mask, options.feather_px)
    edges, more = _given_edges(model, job, photo, repainted, options)
    notes += more
    with _naming(job.photo):
        if job.save_edges and edges is None:
            edges = model.complete_edges(photo.rgb, repainted, filling.lines)
        if job.save_edges and edges is not None:
            notes += write_edges(job.save_edges, edges)
        outs = (job.out, *job.candidates)
        fills = model.candidates(photo.rgb, repainted, len(outs), edges, **asdict(filling))
        for out, result in zip(outs, fills, strict=True):
            if options.feather_px:
                result, more = _blended(job, options, photo, result, mask)
                notes += more
            notes += _write(replace(job, out=out), result, photo, mask)
    return notes


def fill(inpainter: Inpainter, job: Job, options: MaskOptions) -> list[str]:
    """Fill one photo by any inpainter and write the result; returns what should be said about it."""
    photo, mask, notes = read(job, options)
    repainted = shapes.dilate(mask, options.feather_px)
    with _naming(job.photo):
        result = inpainter(photo.rgb, repainted)
    if options.feather_px:
        result, more = _blended(job, options, photo, result, mask)
        notes += more
    return notes + _write(job, result, photo, mask)


def complete(model: EdgeConnect, job: Job, options: MaskOptions, lines: Lines = "both") -> list[str]:
    """Write the completed edge map of one photo to `job.out`: white lines on black, the photo's size."""
    photo, mask, notes = read(job, options)
    with _naming(job.photo):
        edges = model.complete_edges(photo.rgb, mask, lines)
    return notes + write_edges(job.out, edges)


def read(job: Job, options: MaskOptions) -> tuple[images.Photo, NDArray[np.bool_], list[str]]:
    """A job's photo and mask, and notes on what reading changed."""
    photo = images.read_photo(job.photo)
    notes = [f"{job.photo}: {note}" for note in photo.notes]
    size = (photo.rgb.shape[0], photo.rgb.shape[1])
    mask = np.zeros(size, bool)
    if options.boxes:
        mask |= shapes.boxes(size[0], size[1], options.boxes)
    if job.mask:
        drawn, more = _read_mask(job.mask, photo, options.polarity)
        notes += [f"{job.mask}: {note}" for note in more]
        mask |= drawn
    mask = shapes.dilate(mask, options.dilate_px)
    if mask.all():
        raise InputError(
            f"{job.mask or '--box'}: expected at least one known pixel, got a hole over the whole photo"
            + "".join(f"; {note}" for note in notes if str(job.mask) in note)
        )
    return photo, mask, notes


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


def _blended(
    job: Job, options: MaskOptions, photo: images.Photo, result: Image, mask: Mask
) -> tuple[Image, list[str]]:
    note = f"{job.out}: known pixels within {options.feather_px:g} px of the hole were blended"
    return blend(photo.rgb, result, mask, options.feather_px), [note]


def _write(job: Job, result: Image, photo: images.Photo, hole: Mask) -> list[str]:
    shown = photo.without_eraser(hole)
    notes = [] if shown is photo else [f"{job.out}: the hole, transparent before, is opaque"]
    return notes + images.write_photo(job.out, result, shown)


def _given_edges(
    model: EdgeConnect, job: Job, photo: images.Photo, mask: NDArray[np.bool_], options: MaskOptions
) -> tuple[NDArray[np.float32] | None, list[str]]:
    """The edge map that a job brings instead of the model's own, None without one, and notes."""
    source = job.edges or job.edges_from
    if source is None:
        return None, []
    with _naming(source):
        if job.edges:
            edges, notes = repair_edges(images.read_raw(job.edges), mask.shape, options.edges_polarity)
        else:
            edges, notes = borrow_edges(images.read_colours(source), mask.shape, model.detect_edges)
            known = model.photo_edges(photo.rgb, mask)
            edges = np.where(mask, edges, known).astype(np.float32)
    return edges, [f"{source}: {note}" for note in notes]


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say which file an InputError is about, where it does not yet."""
    try:
        yield
    except InputError as error:
        raise error if printable(path) in str(error) else InputError(f"{path}: {error}") from None


def work_through(jobs: Sequence[Job], work: Callable[[Job], list[str]], out: str | Path) -> int:
    """Do `work`, which returns notes, for each job; the exit code.

    A folder has a progress bar, and a photo of it that cannot be used is said and left out: InputError at the
    end. One photo's InputError goes through.
    """
    from tqdm import tqdm

    if len(jobs) == 1:
        _print_notes(work(jobs[0]))
        print(printable(jobs[0].out))
        return 0
    failed = 0
    for job in tqdm(jobs, unit="photo", dynamic_ncols=True):
        try:
            _print_notes(work(job))
        except InputError as error:
            failed += 1
            _print_notes([f"{error}; left out"])
    print(printable(out))
    if failed:
        raise InputError(f"{failed} of {len(jobs)} photos were left out, as said above")
    return 0


def _print_notes(notes: Sequence[str]) -> None:
    from tqdm import tqdm

    for note in notes:
        tqdm.write(printable(note), file=sys.stderr)
