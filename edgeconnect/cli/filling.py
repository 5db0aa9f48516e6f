"""Filling files: a job's photo and mask in, its result and edge map out, one photo or a folder of them."""

from __future__ import annotations

import re
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeconnect.edges.canny import to_gray
from edgeconnect.edges.maps import Polarity, borrow_edges, repair_edges, write_edges
from edgeconnect.errors import InputError
from edgeconnect.inpainters import outpaint
from edgeconnect.io import decoders, images
from edgeconnect.masks import repair, shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from edgeconnect.inpainters.edgeconnect import EdgeConnect, Lines
    from edgeconnect.io.jobs import Job
    from edgeconnect.types import Image, Mask

    Inpainter = Callable[[Image, Mask], Image]


@dataclass(frozen=True)
class MaskOptions:
    """How a hole is made: boxes (x, y, width, height) in px, the files' polarity, px added around, px of
    fading; the polarity of edge maps drawn for it; and what the photo is extended by.
    """

    boxes: tuple[tuple[int, int, int, int], ...] = ()
    polarity: repair.Polarity = "guess"
    dilate_px: float = 0
    feather_px: float = 0
    edges_polarity: Polarity = "guess"
    extend: str | None = None


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
    photo, mask, notes = read(job, options)
    model = load()
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


def fill(load: Callable[[], Inpainter], job: Job, options: MaskOptions) -> list[str]:
    """Fill one photo by any inpainter and write the result; returns what should be said about it."""
    photo, mask, notes = read(job, options)
    repainted = shapes.dilate(mask, options.feather_px)
    with _naming(job.photo):
        result = load()(photo.rgb, repainted)
    if options.feather_px:
        result, more = _blended(job, options, photo, result, mask)
        notes += more
    return notes + _write(job, result, photo, mask)


def complete(
    load: Callable[[], EdgeConnect], job: Job, options: MaskOptions, lines: Lines = "both"
) -> list[str]:
    """Write the completed edge map of one photo to `job.out`: white lines on black, the photo's size."""
    photo, mask, notes = read(job, options)
    with _naming(job.photo):
        edges = load().complete_edges(photo.rgb, mask, lines)
    return notes + write_edges(job.out, edges)


def read(job: Job, options: MaskOptions) -> tuple[images.Photo, NDArray[np.bool_], list[str]]:
    """A job's photo and mask, and notes on what reading changed."""
    photo = images.read_photo(job.photo)
    notes = [f"{job.photo}: {note}" for note in photo.notes]
    size = (photo.rgb.shape[0], photo.rgb.shape[1])
    mask = np.zeros(size, bool)
    if options.boxes:
        mask |= shapes.boxes(size[0], size[1], options.boxes)
        notes += [f"{job.photo}: {note}" for note in _clipped(options.boxes, size)]
    if job.mask:
        pixels = images.read_raw(job.mask)
        is_as_stored = pixels.shape[1::-1] == size != pixels.shape[:2]
        if is_as_stored and photo.orientation >= 5:  # EXIF orientations that swap height and width
            pixels = decoders.turn(pixels, photo.orientation)
            notes.append(f"{job.mask}: turned as its photo was, whose size it has only then")
        with _naming(job.mask):
            _check_swapped(job, photo.rgb, pixels)
            drawn, more = repair.repair(pixels, size, options.polarity)
        notes += [f"{job.mask}: {note}" for note in more if not note.startswith(_AS_DOCUMENTED)]
        mask |= drawn
    mask = shapes.dilate(mask, options.dilate_px)
    if options.extend is None:
        return photo, mask, notes
    with _naming(job.photo):
        return (*_extended(photo, mask, options.extend), notes)


_AS_DOCUMENTED = "guessed that white is the hole"  # with no doubt: it is what the help says


def _extended(photo: images.Photo, mask: Mask, text: str) -> tuple[images.Photo, Mask]:
    """A photo and its hole with a border that is a hole too, opaque where the photo is transparent."""
    sides = outpaint.border(outpaint.parse(text), *mask.shape)
    rgb, hole = outpaint.extend(photo.rgb, sides, mask)
    if photo.alpha is None:
        return replace(photo, rgb=rgb), hole
    alpha = outpaint.extended(photo.alpha, sides)
    alpha[outpaint.new_pixels(sides, *mask.shape)] = np.iinfo(alpha.dtype).max
    return replace(photo, rgb=rgb, alpha=alpha), hole


def _clipped(boxes: Sequence[tuple[int, int, int, int]], size: tuple[int, int]) -> list[str]:
    """What is said about boxes that reach beyond the photo."""
    return [
        f"box {x},{y},{width},{height} reaches beyond the photo's {size[1]}x{size[0]} pixels: cut off there"
        for x, y, width, height in boxes
        if x < 0 or y < 0 or x + width > size[1] or y + height > size[0]
    ]


def _check_swapped(job: Job, photo: Image, mask: NDArray[Any]) -> None:
    """Raise InputError where the photo is black and white alone and the mask has colours."""
    if mask.ndim != 3 or mask.shape[2] < 3:
        return
    top = np.iinfo(photo.dtype).max
    is_mask = ((photo == 0) | (photo == top)).mean() > 0.99 and (photo == photo[..., :1]).all()
    colours = mask[..., :3].astype(int)
    is_photo = (np.ptp(colours, axis=2) > np.iinfo(mask.dtype).max // 16).mean() > 0.05
    if is_mask and is_photo and len(np.unique(colours[::4, ::4].reshape(-1, 3), axis=0)) > 64:
        raise InputError(
            f"expected a photo and its mask, got {job.photo}, which looks like a mask, and {job.mask}, which "
            "looks like a photo: are they swapped?"
        )


def _blended(
    job: Job, options: MaskOptions, photo: images.Photo, result: Image, mask: Mask
) -> tuple[Image, list[str]]:
    from edgeconnect.inpainters.edgeconnect import blend

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
            edges, notes = borrow_edges(images.read_rgb(source), mask.shape, model.detect_edges)
            known = model.detect_edges(to_gray(photo.rgb), ~mask)
            edges = np.where(mask, edges, known).astype(np.float32)
    return edges, [f"{source}: {note}" for note in notes]


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say which file an InputError is about, where it does not yet."""
    try:
        yield
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from None


@dataclass(frozen=True)
class Telling:
    """How much is said: nothing but mistakes (quiet), each kind of note once, or everything (verbose)."""

    is_quiet: bool = False
    is_verbose: bool = False


def work_through(
    jobs: Sequence[Job],
    work: Callable[[Job], list[str]],
    out: str | Path,
    telling: Telling = Telling(),
    *,
    skips_existing: bool = False,
) -> int:
    """Do `work`, which returns notes, for each job; the exit code.

    Several have a progress bar on a terminal, and a photo of them that cannot be used is said and left out:
    InputError at the end. One photo's InputError goes through. A kind of note is printed once, with how many
    more there were at the end. skips_existing: what has its results already is left as it is.
    """
    from tqdm import tqdm

    notes = _Notes(telling)
    if skips_existing:
        done = [job for job in jobs if all(path.exists() for path in (job.out, *job.candidates))]
        jobs = [job for job in jobs if job not in done]
        if done:
            notes.add([f"{out}: {len(done)} results were there already: skipped"])
    if len(jobs) == 1:
        seconds = time.monotonic()
        with _elapsed(jobs[0].photo.name, telling):
            said = work(jobs[0])
        notes.add(said)
        notes.end()
        if telling.is_verbose:
            print(f"{time.monotonic() - seconds:.1f} s", file=sys.stderr)
        if not telling.is_quiet:
            print(jobs[0].out)
        return 0
    failed = 0
    for job in tqdm(jobs, unit="photo", dynamic_ncols=True, disable=True if telling.is_quiet else None):
        try:
            notes.add(work(job))
        except InputError as error:
            failed += 1
            tqdm.write(f"{error}; left out", file=sys.stderr)
    notes.end()
    if not telling.is_quiet:
        print(out)
    if failed:
        raise InputError(f"{failed} of {len(jobs)} photos were left out, as said above")
    return 0


@contextmanager
def _elapsed(name: str, telling: Telling) -> Iterator[None]:
    """Show on a terminal for how long something that cannot say how far it is has been at work."""
    from tqdm import tqdm

    over = threading.Event()
    hidden = True if telling.is_quiet else None  # None: where there is no terminal
    with tqdm(desc=name, bar_format="{desc}: {elapsed}", leave=False, disable=hidden, delay=1) as bar:

        def tick() -> None:
            while not over.wait(0.5):
                bar.refresh()

        clock = threading.Thread(target=tick, daemon=True)
        if not bar.disable:
            clock.start()
        try:
            yield
        finally:
            over.set()
            if not bar.disable:
                clock.join()


class _Notes:
    """Notes "file: what" on stderr: of each kind the first, and how many more there were."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._counts: dict[str, int] = {}

    def add(self, notes: Sequence[str]) -> None:
        """Print those that are new."""
        from tqdm import tqdm

        for note in notes:
            kind = re.sub(r"\d+(\.\d+)?", "#", note.partition(": ")[2] or note)
            self._counts[kind] = self._counts.get(kind, 0) + 1
            if not self._telling.is_quiet and (self._telling.is_verbose or self._counts[kind] == 1):
                tqdm.write(note, file=sys.stderr)

    def end(self) -> None:
        """Print how often the others came."""
        if self._telling.is_quiet or self._telling.is_verbose:
            return
        for kind, count in self._counts.items():
            if count > 1:
                print(f"... and {count - 1} more: {kind}", file=sys.stderr)
