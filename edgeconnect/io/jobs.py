"""Which photo goes with which mask, edge map and result; everything is checked before the first."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeconnect.errors import InputError
from edgeconnect.io import encoders, images
from edgeconnect.io.atomic import check_target, real_path
from edgeconnect.io.pairing import is_mask_name, is_named_after, pair_by_stem

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Job:
    """One photo to fill: where its parts lie and where the results go (edge maps optional).

    candidates: where further fills of the same hole go.
    """

    photo: Path
    out: Path
    candidates: tuple[Path, ...] = ()
    mask: Path | None = None
    edges: Path | None = None
    edges_from: Path | None = None
    save_edges: Path | None = None

    @property
    def results(self) -> list[Path]:
        """All files that are written."""
        return [path for path in (self.out, *self.candidates, self.save_edges) if path]

    @property
    def is_done(self) -> bool:
        """Whether all of them are there."""
        return all(path.is_file() for path in self.results)


# what a job's field is called in a sentence
_FIELDS = {"mask": "mask", "edges": "edge map", "edges_from": "photo to take edges from"}


def plan(
    photos: Path | Sequence[Path],
    out: str | Path,
    *,
    mask: Path | None = None,
    edges: Path | None = None,
    edges_from: Path | None = None,
    save_edges: str | Path | None = None,
    candidates: int = 1,
) -> list[Job]:
    """The jobs for a photo, a folder of photos, or several of both.

    photos: files, folders, and patterns where names that hold *, ? or [ do not exist. Masks, edge maps and
    photos to take edges from are a file, or a folder paired by stem (which may hold others too where no
    folder of photos is given). Results of a folder keep their place and stem in the folder `out`, as PNG;
    several photos keep their stem; that of one photo goes to the file `out`, or into the folder, which is
    there already or ends in a slash; `save_edges` likewise. Of several `candidates` the others lie beside
    it, numbered: out-2.png, out-3.png, ... Raises InputError where something is missing, would not fit or
    would replace an input. In a folder that holds the masks too, itself or in one below, these are no
    photos: those called PHOTO_mask, those below.
    """
    given = _matched([photos] if isinstance(photos, Path) else photos)
    if len(given) == 1 and not given[0].is_dir():
        photo = given[0]
        jobs = [
            Job(photo, _target(out, photo), save_edges=_target(save_edges, photo) if save_edges else None)
        ]
    else:
        _check_folders(out, save_edges)
        jobs = [
            Job(
                path, _in_folder(out, place), save_edges=_in_folder(save_edges, place) if save_edges else None
            )
            for path, place in _places(given, mask)
        ]
    jobs = [replace(job, candidates=_numbered(job.out, candidates)) for job in jobs]
    may_hold_others = len(jobs) == 1 or not any(path.is_dir() for path in given)
    for field, source in (("mask", mask), ("edges", edges), ("edges_from", edges_from)):
        jobs = _with(jobs, field, source, may_hold_others)
    _check(jobs)
    return jobs


def _matched(photos: Sequence[Path]) -> list[Path]:
    """Files and folders that are there, patterns replaced by what they match; InputError for others."""
    found: list[Path] = []
    for photo in photos:
        if photo.exists():
            found.append(photo)
            continue
        if not any(mark in str(photo) for mark in "*?["):
            raise InputError(f"{photo}: no such photo or folder")
        names = glob.glob(str(photo), recursive=True)  # noqa: PTH207 (it may be absolute)
        matches = [Path(name) for name in sorted(names)]
        matches = [path for path in matches if path.is_file() and images.is_image(path)]
        if not matches:
            raise InputError(f"{photo}: expected a pattern that photos match, found none")
        found += matches
    return list(dict.fromkeys(found))


def _places(given: Sequence[Path], mask: Path | None) -> list[tuple[Path, Path]]:
    """Each photo of files and folders, and its place in the folder of results."""
    places: list[tuple[Path, Path]] = []
    for path in given:
        if not path.is_dir():
            places.append((path, Path(path.name)))
            continue
        photos = _without_masks(images.list_images(path), path, mask)
        if not photos:
            raise InputError(f"{path}: expected a folder of photos, found none in it")
        places += [(photo, photo.relative_to(path)) for photo in photos]
    return places


def _without_masks(found: list[Path], folder: Path, mask: Path | None) -> list[Path]:
    """The photos among what lies in a folder with (or in) which masks were given."""
    if mask is None or not mask.exists():
        return found
    if not mask.samefile(folder):
        inside = real_path(mask)
        return [path for path in found if not real_path(path).is_relative_to(inside)]
    photos = [path for path in found if not is_mask_name(path)]
    if found and len(photos) in (0, len(found)):
        raise InputError(
            f"{folder}: expected photos and their masks, called PHOTO_mask, in one folder, "
            f"got {len(found)} pictures with{'out such' if photos else ' only such'} a name"
        )
    return photos


def _numbered(out: Path, candidates: int) -> tuple[Path, ...]:
    return tuple(out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(2, candidates + 1))


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


def _with(jobs: Sequence[Job], field: str, source: Path | None, may_hold_others: bool) -> list[Job]:
    """The jobs with their masks or edge maps: one file for all, or a folder's by stem."""
    if source is None:
        return list(jobs)
    if not source.exists():
        raise InputError(f"{source}: no such {_FIELDS[field]} or folder")
    if not source.is_dir():
        return [_given(job, field, source) for job in jobs]
    # a photo is not its own mask or edge map, and another one's neither
    photos = {real_path(job.photo) for job in jobs if field != "edges_from"}
    files = [path for path in images.list_images(source) if real_path(path) not in photos]
    if may_hold_others:
        files = [path for path in files if any(is_named_after(path, job.photo) for job in jobs)]
    partner = dict(pair_by_stem([job.photo for job in jobs], files, _FIELDS[field]))
    return [_given(job, field, partner[job.photo]) for job in jobs]


def _given(job: Job, field: str, path: Path) -> Job:
    changes: dict[str, Any] = {field: path}
    return replace(job, **changes)


def check_free(path: Path, jobs: Sequence[Job]) -> None:
    """Raises InputError where a PNG at `path` would replace what a job reads or writes."""
    if path.is_dir() or encoders.output_format(path)[0] != "PNG":
        raise InputError(f"{path}: expected the name of a PNG file, got another")
    if real_path(path) in _inputs(jobs) | {real_path(job.out) for job in jobs}:
        raise InputError(f"{path}: this would replace an input or a result; choose another name")


def _inputs(jobs: Sequence[Job]) -> set[Path]:
    found = [path for job in jobs for path in (job.photo, job.mask, job.edges, job.edges_from) if path]
    return set(map(real_path, found))


def _check(jobs: Sequence[Job]) -> None:
    """Refuse results that could not be written, or that would replace an input or one another."""
    inputs = _inputs(jobs)
    taken: set[Path] = set()
    for job in jobs:
        for path in job.results:
            encoders.output_format(path)
            check_target(path)
            if real_path(path) in inputs:
                raise InputError(f"{path}: the result would replace an input; choose another --out")
            if real_path(path) in taken:
                raise InputError(f"{path}: two results would have this name; rename one of the photos")
            taken.add(real_path(path))
