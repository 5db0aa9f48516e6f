"""Inpainting files: which photo goes with which mask, edge map and result; everything is checked before the
first.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeconnect import decoders, encoders, images, masks
from edgeconnect.edges import Polarity, canny, repair_edges, to_gray
from edgeconnect.errors import InputError
from edgeconnect.inpaint import EdgeConnect, blend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from edgeconnect.inpaint import Mask, Pixels

    Inpainter = Callable[[Pixels, Mask], Pixels]


@dataclass(frozen=True)
class Job:
    """One photo to fill: where its parts lie and where the results go (edge maps optional)."""

    photo: Path
    out: Path
    mask: Path | None = None
    edges: Path | None = None
    edges_from: Path | None = None
    save_edges: Path | None = None


@dataclass(frozen=True)
class MaskOptions:
    """How a hole is made: boxes (x, y, width, height) in px, the files' polarity, px added around, px of
    fading; and the polarity of edge maps drawn for it.
    """

    boxes: tuple[tuple[int, int, int, int], ...] = ()
    polarity: masks.Polarity = "guess"
    dilate_px: float = 0
    feather_px: float = 0
    edges_polarity: Polarity = "guess"


# what a job's field is called in a sentence
_FIELDS = {"mask": "mask", "edges": "edge map", "edges_from": "photo to take edges from"}


def plan(
    photo: Path,
    out: str | Path,
    *,
    mask: Path | None = None,
    edges: Path | None = None,
    edges_from: Path | None = None,
    save_edges: str | Path | None = None,
) -> list[Job]:
    """The jobs for a photo or a folder of photos; masks, edge maps and photos to take edges from are a file,
    or a folder paired by stem (which may hold others too where there is one photo).

    Results of a folder keep their place and stem in the folder `out`, as PNG; that of one photo goes to the
    file `out`, or into the folder, which is there already or ends in a slash; `save_edges` likewise. Raises
    InputError where something is missing, would not fit or would replace an input.
    """
    if not photo.exists():
        raise InputError(f"{photo}: no such photo or folder")
    if photo.is_dir():
        photos = images.list_images(photo)
        if not photos:
            raise InputError(f"{photo}: expected a folder of photos, found none in it")
        _check_folders(out, save_edges)
        jobs = [
            Job(
                path,
                _in_folder(out, path.relative_to(photo)),
                save_edges=_in_folder(save_edges, path.relative_to(photo)) if save_edges else None,
            )
            for path in photos
        ]
    else:
        jobs = [
            Job(photo, _target(out, photo), save_edges=_target(save_edges, photo) if save_edges else None)
        ]
    jobs = _with(jobs, "mask", mask)
    jobs = _with(jobs, "edges", edges)
    jobs = _with(jobs, "edges_from", edges_from)
    _check(jobs)
    return jobs


def run(model: EdgeConnect, job: Job, options: MaskOptions) -> list[str]:
    """Fill one photo and write the result (and its edge map); returns what should be said about it."""
    photo, mask, notes = read(job, options)
    repainted = masks.dilate(mask, options.feather_px)
    edges, more = _given_edges(model, job, photo, repainted, options)
    notes += more
    with _naming(job.photo):
        if job.save_edges and edges is None:
            edges = model.complete_edges(photo.rgb, repainted)
        result = model.inpaint(photo.rgb, repainted, edges)
    if options.feather_px:
        result = blend(photo.rgb, result, mask, options.feather_px)
        notes.append(f"{job.out}: known pixels within {options.feather_px:g} px of the hole were blended")
    if job.save_edges and edges is not None:
        notes += write_edges(job.save_edges, edges)
    return notes + _write(job, result, photo, mask)


def fill(inpainter: Inpainter, job: Job, options: MaskOptions) -> list[str]:
    """Fill one photo by any inpainter and write the result; returns what should be said about it."""
    photo, mask, notes = read(job, options)
    with _naming(job.photo):
        result = inpainter(photo.rgb, mask)
    return notes + _write(job, result, photo, mask)


def complete(model: EdgeConnect, job: Job, options: MaskOptions) -> list[str]:
    """Write the completed edge map of one photo to `job.out`: white lines on black, the photo's size."""
    photo, mask, notes = read(job, options)
    with _naming(job.photo):
        edges = model.complete_edges(photo.rgb, mask)
    return notes + write_edges(job.out, edges)


def read(job: Job, options: MaskOptions) -> tuple[images.Photo, NDArray[np.bool_], list[str]]:
    """A job's photo and mask, and notes on what reading changed."""
    photo = images.read_photo(job.photo)
    notes = [f"{job.photo}: {note}" for note in photo.notes]
    size = (photo.rgb.shape[0], photo.rgb.shape[1])
    mask = np.zeros(size, bool)
    if options.boxes:
        mask |= masks.boxes(size[0], size[1], options.boxes)
    if job.mask:
        pixels = images.read_raw(job.mask)
        is_as_stored = pixels.shape[1::-1] == size != pixels.shape[:2]
        if is_as_stored and photo.orientation >= 5:  # EXIF orientations that swap height and width
            pixels = decoders.turn(pixels, photo.orientation)
            notes.append(f"{job.mask}: turned as its photo was, whose size it has only then")
        with _naming(job.mask):
            drawn, more = masks.repair(pixels, size, options.polarity)
        notes += [f"{job.mask}: {note}" for note in more]
        mask |= drawn
    return photo, masks.dilate(mask, options.dilate_px), notes


def borrow_edges(
    other: NDArray[np.uint8], size: tuple[int, ...], sigma: float
) -> tuple[NDArray[np.float32], list[str]]:
    """The Canny edges of another photo at a photo's size: its structure, to be taken over in a hole.

    other (h,w,3) uint8, resized to `size` (H,W) first; sigma in px -> (H,W) float32, 0 or 1, and notes.
    """
    (height, width), (old_height, old_width) = size, other.shape[:2]
    notes = []
    if abs(stretch := (width / old_width) / (height / old_height) - 1) > 0.01:
        notes.append(f"resized to {width}x{height}, which stretches its width by {1 + stretch:.2f}")
    fitting = images.resize(other, height, width) if (height, width) != (old_height, old_width) else other
    return canny(to_gray(fitting), sigma).astype(np.float32), notes


def write_edges(path: Path, edges: NDArray[np.float32]) -> list[str]:
    """An edge map (H,W) in [0,1] as 8-bit grey, white lines on black; the suffix chooses the format."""
    gray = np.repeat(np.rint(edges * 255).astype(np.uint8)[..., None], 3, axis=2)
    return [f"{path}: {note}" for note in images.write_photo(path, gray, images.Photo(gray, is_gray=True))]


def _write(job: Job, result: Pixels, photo: images.Photo, hole: Mask) -> list[str]:
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
            edges, notes = borrow_edges(images.read_rgb(source), mask.shape, model.sigma)
            known = canny(to_gray(photo.rgb), model.sigma, known=~mask)
            edges = np.where(mask, edges, known).astype(np.float32)
    return edges, [f"{source}: {note}" for note in notes]


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say which file an InputError is about, where it does not yet."""
    try:
        yield
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from None


def _in_folder(folder: str | Path, relative: Path) -> Path:
    return folder / relative.with_suffix(".png")


def _target(out: str | Path, photo: Path) -> Path:
    """Where one photo's result goes: to the file `out`, or into the folder."""
    is_folder = Path(out).is_dir() or str(out).endswith(("/", os.sep))
    return Path(out, f"{photo.stem}.png") if is_folder else Path(out)


def _check_folders(*outs: str | Path | None) -> None:
    """Refuse what looks like a file where a folder of results should be."""
    for path in [Path(out) for out in outs if out]:
        if path.is_file() or (path.suffix.lower() in encoders.ENCODERS and not path.is_dir()):
            raise InputError(f"{path}: expected a folder for a folder's results, got the name of a file")


def _with(jobs: Sequence[Job], field: str, source: Path | None) -> list[Job]:
    """The jobs with their masks or edge maps: one file for all, or a folder's by stem."""
    if source is None:
        return list(jobs)
    if not source.exists():
        raise InputError(f"{source}: no such {_FIELDS[field]} or folder")
    if not source.is_dir():
        return [replace(job, **{field: source}) for job in jobs]
    files = images.list_images(source)
    if len(jobs) == 1:
        files = [path for path in files if masks.is_named_after(path, jobs[0].photo)]
    partner = dict(masks.pair_by_stem([job.photo for job in jobs], files, _FIELDS[field]))
    return [replace(job, **{field: partner[job.photo]}) for job in jobs]


def check_free(path: Path, jobs: Sequence[Job]) -> None:
    """Raises InputError where a PNG at `path` would replace what a job reads or writes."""
    if path.is_dir() or encoders.output_format(path)[0] != "PNG":
        raise InputError(f"{path}: expected the name of a PNG file, got another")
    if path.resolve() in _inputs(jobs) | {job.out.resolve() for job in jobs}:
        raise InputError(f"{path}: this would replace an input or a result; choose another name")


def _inputs(jobs: Sequence[Job]) -> set[Path]:
    return {
        path.resolve() for job in jobs for path in (job.photo, job.mask, job.edges, job.edges_from) if path
    }


def _check(jobs: Sequence[Job]) -> None:
    """Refuse results that could not be written, or that would replace an input or one another."""
    inputs = _inputs(jobs)
    taken: set[Path] = set()
    for job in jobs:
        for path in filter(None, (job.out, job.save_edges)):
            encoders.output_format(path)
            if path.resolve() in inputs:
                raise InputError(f"{path}: the result would replace an input; choose another --out")
            if path.resolve() in taken:
                raise InputError(f"{path}: two results would have this name; rename one of the photos")
            taken.add(path.resolve())
