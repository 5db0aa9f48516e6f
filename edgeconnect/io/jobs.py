"""Which photo goes with which mask, edge map and result; everything is checked before the first."""

from __future__ import annotations

import glob
import os
from array import array
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edgeconnect.errors import InputError
from edgeconnect.io import encoders, images
from edgeconnect.io.atomic import check_target, real_path
from edgeconnect.io.manifest import Manifest, is_manifest
from edgeconnect.io.pairing import is_mask_name, is_named_after, pair_by_stem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


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
    def inputs(self) -> list[Path]:
        """All files that are read."""
        return [path for path in (self.photo, self.mask, self.edges, self.edges_from) if path]

    @property
    def results(self) -> list[Path]:
        """All files that are written."""
        return [path for path in (self.out, *self.candidates, self.save_edges) if path]

    @property
    def is_done(self) -> bool:
        """Whether all of them are there."""
        return all(path.is_file() for path in self.results)


class Jobs(Protocol):
    """Some or millions of them, in their order."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Job]: ...


class _Listed:
    """The jobs that a manifest lists: read once to check them all, then as they are needed.

    Photos and masks are looked for when their turn comes.
    """

    def __init__(self, manifest: Manifest, candidates: int) -> None:
        self._manifest, self._candidates = manifest, candidates
        self._count = self._check()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Job]:
        for entry in self._manifest:
            yield Job(candidates=_numbered(entry["out"], self._candidates), **entry)

    def _check(self) -> int:
        """How many there are; InputError where a result would replace an input or another result.

        Eight bytes of each name are kept, and those that seem to be equal looked at again.
        """
        count, results, inputs = 0, array("q"), array("q")
        for job in self:
            count += 1
            encoders.output_format(job.out)
            results.extend(hash(_by_folder(path)) for path in job.results)
            inputs.extend(hash(_by_folder(path)) for path in job.inputs)
        if not count:
            raise InputError(f"{self._manifest.file}: expected lines that name photos, got none")
        suspects = _in_both(np.asarray(results), np.asarray(inputs))
        if suspects:
            self._compare(suspects)
        return count

    def _compare(self, suspects: set[int]) -> None:
        results: set[str] = set()
        inputs: set[str] = set()
        for job in self:
            inputs |= {name for name in map(_by_folder, job.inputs) if hash(name) in suspects}
            for name in map(_by_folder, job.results):
                if name in results:
                    raise InputError(f"{name}: two results would have this name; change one of the lines")
                results |= {name} if hash(name) in suspects else set()
        if both := sorted(results & inputs):
            raise InputError(f"{both[0]}: the result would replace an input; choose another name")


def _in_both(results: NDArray[np.int64], inputs: NDArray[np.int64]) -> set[int]:
    """Numbers that come twice among the results, or among the inputs too; both are sorted in place."""
    results.sort()
    inputs.sort()
    twice = results[1:][results[1:] == results[:-1]]
    places = np.searchsorted(inputs, results).clip(max=len(inputs) - 1)
    return {*twice.tolist(), *results[inputs[places] == results].tolist()}


def _by_folder(path: Path) -> str:
    """The path without links in its folder, which millions of photos share."""
    return f"{_real_folder(path.parent)}/{path.name}"


@lru_cache(1024)
def _real_folder(folder: Path) -> Path:
    return real_path(folder)


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
) -> Jobs:
    """The jobs for a photo, a folder of photos, several of both, or a manifest (`io.manifest`).

    photos: files, folders, and patterns where names that hold *, ? or [ do not exist. Masks, edge maps and
    photos to take edges from are a file, or a folder paired by stem (which may hold others too where no
    folder of photos is given). Results of a folder keep their place and stem in the folder `out`, as PNG;
    several photos keep their stem; that of one photo goes to the file `out`, or into the folder, which is
    there already or ends in a slash; `save_edges` likewise. Of several `candidates` the others lie beside
    it, numbered: out-2.png, out-3.png, ... Raises InputError where something is missing, would not fit or
    would replace an input. In a folder that holds the masks too, itself or in one below, these are no
    photos: those called PHOTO_mask, those below.
    mask, edges, edges_from: such a file or folder; None: none.
    """
    given = _matched([photos] if isinstance(photos, Path) else photos)
    if any(map(is_manifest, given)):
        beside = {"mask": mask, "edges": edges, "edges_from": edges_from, "save_edges": save_edges}
        return _listed(given, out, candidates, [name for name, path in beside.items() if path])
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


def _listed(given: Sequence[Path], out: str | Path, candidates: int, beside: Sequence[str]) -> Jobs:
    """The jobs of a manifest, which is alone and names all there is."""
    if len(given) > 1:
        raise InputError(f"{given[1]}: expected a list of photos alone, got more beside it")
    if beside:
        flag = f"--{beside[0].replace('_', '-')}"
        raise InputError(f"{given[0]}: expected no {flag} beside a list, whose lines name theirs")
    _check_folders(out)
    return _Listed(Manifest(given[0], Path(out)), candidates)


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


def check_free(path: Path, jobs: Jobs) -> None:
    """Raises InputError where a PNG at `path` would replace what a job reads or writes.

    path: to be written. jobs: as `plan` made them.
    """
    if path.is_dir() or encoders.output_format(path)[0] != "PNG":
        raise InputError(f"{path}: expected the name of a PNG file, got another")
    if real_path(path) in _inputs(jobs) | {real_path(job.out) for job in jobs}:
        raise InputError(f"{path}: this would replace an input or a result; choose another name")


def _inputs(jobs: Jobs) -> set[Path]:
    return {real_path(path) for job in jobs for path in job.inputs}


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
