"""Inpainting files: which photo goes with which mask, edge map and result; everything is checked before the
first.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeconnect import encoders, images, masks
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


def plan(
    photo: Path,
    out: Path,
    *,
    mask: Path | None = None,
    edges: Path | None = None,
    edges_from: Path | None = None,
    save_edges: Path | None = None,
) -> list[Job]:
    """The jobs for a photo or a folder of photos; masks, edge maps and photos to take edges from are a file,
    or a folder paired by stem.

    Results of a folder keep their place and stem in the folder `out`, as PNG. Raises InputError where
    something is missing, would not fit or would replace an input.
    """
    if not photo.exists():
        raise InputError(f"{photo}: no such photo or folder")
    if photo.is_dir():
        photos = images.list_images(photo)
        if not photos:
            raise InputError(f"{photo}: expected a folder of photos, found none in it")
        jobs = [Job(path, _in_folder(out, path.relative_to(photo))) for path in photos]
        if save_edges:
            jobs = [
                replace(job, save_edges=_in_folder(save_edges, job.photo.relative_to(photo))) for job in jobs
            ]
    else:
        target = out / f"{photo.stem}.png" if out.is_dir() else out
        jobs = [Job(photo, target, save_edges=save_edges)]
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
    if job.save_edges and edges is None:
        with _naming(job.photo):
            edges = model.complete_edges(photo.rgb, repainted)
    with _naming(job.photo):
        result = model.inpaint(photo.rgb, repainted, edges)
    if options.feather_px:
        result = blend(photo.rgb, result, mask, options.feather_px)
        notes.append(f"{job.out}: known pixels within {options.feather_px:g} px of the hole were blended")
    notes += images.write_photo(job.out, result, photo)
    if job.save_edges and edges is not None:
        write_edges(job.save_edges, edges)
    return notes


def fill(inpainter: Inpainter, job: Job, options: MaskOptions) -> list[str]:
    """Fill one photo by any inpainter and write the result; returns what should be said about it."""
    photo, mask, notes = read(job, options)
    with _naming(job.photo):
        result = inpainter(photo.rgb, mask)
    return notes + images.write_photo(job.out, result, photo)


def complete(model: EdgeConnect, job: Job, options: MaskOptions) -> list[str]:
    """Write the completed edge map of one photo to `job.out`: white lines on black, PNG, the photo's size."""
    photo, mask, notes = read(job, options)
    with _naming(job.photo):
        write_edges(job.out, model.complete_edges(photo.rgb, mask))
    return notes


def read(job: Job, options: MaskOptions) -> tuple[images.Photo, NDArray[np.bool_], list[str]]:
    """A job's photo and mask, and notes on what reading changed."""
    photo = images.read_photo(job.photo)
    notes = [f"{job.photo}: {note}" for note in photo.notes]
    size = (photo.rgb.shape[0], photo.rgb.shape[1])
    mask = np.zeros(size, bool)
    if options.boxes:
        mask |= masks.boxes(size[0], size[1], options.boxes)
    if job.mask:
        with _naming(job.mask):
            drawn, more = masks.repair(images.read_raw(job.mask), size, options.polarity)
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


def write_edges(path: Path, edges: NDArray[np.float32]) -> None:
    """An edge map (H,W) in [0,1] as an 8-bit PNG, white lines on black."""
    images.write_png(path, np.rint(edges * 255).astype(np.uint8))


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


def _in_folder(folder: Path, relative: Path) -> Path:
    return folder / relative.with_suffix(".png")


def _with(jobs: Sequence[Job], field: str, source: Path | None) -> list[Job]:
    """The jobs with their masks or edge maps: one file for all, or a folder's by stem."""
    if source is None:
        return list(jobs)
    if not source.exists():
        raise InputError(f"{source}: no such {field} file or folder")
    if not source.is_dir():
        return [replace(job, **{field: source}) for job in jobs]
    partner = dict(masks.pair_by_stem([job.photo for job in jobs], images.list_images(source)))
    return [replace(job, **{field: partner[job.photo]}) for job in jobs]


def _check(jobs: Sequence[Job]) -> None:
    """Refuse results that could not be written, or that would replace an input or one another."""
    inputs = {
        path.resolve() for job in jobs for path in (job.photo, job.mask, job.edges, job.edges_from) if path
    }
    taken: set[Path] = set()
    for job in jobs:
        for path in filter(None, (job.out, job.save_edges)):
            encoders.output_format(path)
            if path.resolve() in inputs:
                raise InputError(f"{path}: the result would replace an input; choose another --out")
            if path.resolve() in taken:
                raise InputError(f"{path}: two results would have this name; rename one of the photos")
            taken.add(path.resolve())
