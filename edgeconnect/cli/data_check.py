"""What is wrong with a folder of photos."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from edgeconnect.cli.options import at_least
from edgeconnect.errors import InputError, printable
from edgeconnect.io.atomic import write_atomically
from edgeconnect.io.images import Photo, read_photo, resize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeconnect.io.paths import PathList

NEAR_BITS = 3
NEAR_LEVELS = 10
"""Two photos look alike when at most NEAR_BITS of their 64 bits differ, and their 8x9 thumbnails by at most
NEAR_LEVELS of 255 on average (different stripes and checks may share their bits)."""


@dataclass(frozen=True)
class Facts:
    """One photo: a sentence if it is broken; else its short side in px, kind, file's hash and thumbnail."""

    broken: str | None = None
    short_side: int = 0
    kind: str = "RGB"
    file_hash: bytes = b""
    thumbnail: NDArray[np.uint8] | None = None


def run(options: argparse.Namespace) -> int:
    """Print what was found; 0 when every photo can be used as it is, 1 otherwise."""
    from edgeconnect.io.paths import photo_paths

    paths = photo_paths(options.photos)
    if options.good and not paths.are_files:
        raise InputError(f"--good: expected photos that are files of their own, got tars: {options.photos}")
    facts = _examine_all(paths, options.workers)
    problems = find_problems(paths, facts, options.min_side)
    for title, found in problems.items():
        print(f"{len(found)} {title}", *(printable(sentence) for _, sentence in found), sep="\n  ")
    for kind in sorted({fact.kind for fact in facts if not fact.broken} - {"RGB"}):
        print(f"{sum(fact.kind == kind for fact in facts)} {kind}: read as 8-bit RGB in training")
    rejected = {index for found in problems.values() for index, _ in found}
    print(f"{len(paths)} photos, {len(rejected)} to leave out")
    if options.good:
        _write_good(options.good, paths.without(rejected))
    return 1 if rejected else 0


def find_problems(paths: PathList, facts: Sequence[Facts], min_side: int) -> dict[str, list[tuple[int, str]]]:
    """(index, sentence) of the photos to leave out, by what is wrong; of two equal photos the later one."""
    whole = [index for index, fact in enumerate(facts) if not fact.broken]
    equal = _equal(facts, whole)
    rest = [index for index in whole if index not in equal]
    alike = _alike([np.asarray(facts[index].thumbnail, np.uint8) for index in rest])
    near = {rest[late]: rest[early] for late, early in alike.items()}
    small = [index for index in whole if facts[index].short_side < min_side]
    return {
        "broken": [(index, fact.broken) for index, fact in enumerate(facts) if fact.broken],
        "duplicates": [(late, f"{paths[late]} = {paths[early]}") for late, early in equal.items()],
        "near duplicates": [(late, f"{paths[late]} ~ {paths[early]}") for late, early in near.items()],
        f"with a short side under {min_side} px": [
            (index, f"{paths[index]}: {facts[index].short_side}") for index in small
        ],
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--photos", type=Path, required=True, help="folder (searched below) or list file")
    parser.add_argument("--min-side", type=int, default=256, help="smallest short side in px (256)")
    parser.add_argument(
        "--good", type=Path, metavar="FILE", help="write a list of the photos without problems"
    )
    parser.add_argument("--workers", type=at_least(1), default=2, help="threads")


def _examine_all(paths: PathList, workers: int) -> list[Facts]:
    with ThreadPool(workers) as pool:
        found = pool.imap(partial(_examine, paths), range(len(paths)))
        return list(tqdm(found, total=len(paths), unit="photo"))


def _examine(paths: PathList, index: int) -> Facts:
    try:
        with paths.file(index) as path:
            photo = read_photo(path)
            file_hash = hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    except InputError as error:
        return Facts(broken=str(error))
    return Facts(None, min(photo.rgb.shape[:2]), _kind(photo), file_hash, thumbnail(photo.rgb))


def _kind(photo: Photo) -> str:
    """What training does not see of a photo's file."""
    traits = [
        "16 bit" if photo.rgb.dtype == np.uint16 else "",
        "CMYK" if any("CMYK" in note for note in photo.notes) else "",
        "gray" if photo.is_gray else "",
        "with alpha" if photo.alpha is not None else "",
    ]
    return " ".join(trait for trait in traits if trait) or "RGB"


def thumbnail(rgb: NDArray[np.unsignedinteger]) -> NDArray[np.uint8]:
    """A photo at 8x9 pixels: (H,W,3) uint8 or uint16 -> (8,9,3) uint8."""
    return resize(rgb if rgb.dtype == np.uint8 else (rgb >> 8).astype(np.uint8), 8, 9)


def look(small: NDArray[np.uint8]) -> int:
    """64 bits of a thumbnail: whether each cell is brighter than its right-hand neighbour.

    Scaling, recompression and a change of brightness leave nearly all of them.
    """
    brightness = small.sum(axis=2, dtype=np.int32)
    return int.from_bytes(np.packbits(brightness[:, :-1] > brightness[:, 1:]).tobytes())


def _equal(facts: Sequence[Facts], indices: Sequence[int]) -> dict[int, int]:
    """Later photo -> the first one with the same bytes."""
    first: dict[bytes, int] = {}
    later = {}
    for index in indices:
        if (early := first.setdefault(facts[index].file_hash, index)) != index:
            later[index] = early
    return later


def _alike(thumbnails: Sequence[NDArray[np.uint8]]) -> dict[int, int]:
    """Later position -> the earliest one that looks alike."""
    members: dict[int, list[int]] = defaultdict(list)
    for position, small in enumerate(thumbnails):
        members[look(small)].append(position)
    pairs = [(group[0], late) for group in members.values() for late in group[1:]]
    for one, two in _near_pairs(list(members)):
        pairs.append((min(members[one][0], members[two][0]), max(members[one][0], members[two][0])))
    found: dict[int, int] = {}
    for early, late in sorted(pairs, reverse=True):
        if np.abs(np.subtract(thumbnails[early], thumbnails[late], dtype=np.int32)).mean() <= NEAR_LEVELS:
            found[late] = early
    return found


def _near_pairs(looks: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Pairs of distinct looks with at most NEAR_BITS differing bits: one of 4 bands of 16 must be equal."""
    for band in range(NEAR_BITS + 1):
        same_band: dict[int, list[int]] = defaultdict(list)
        for bits in looks:
            same_band[bits >> 16 * band & 0xFFFF].append(bits)
        for group in same_band.values():
            for one, two in combinations(group, 2):
                if (one ^ two).bit_count() <= NEAR_BITS:
                    yield one, two


def _write_good(path: Path, paths: PathList) -> None:
    write_atomically(path, b"".join(os.fsencode(photo.absolute()) + b"\n" for photo in paths))
    print(printable(f"{path}: {len(paths)} photos"))
