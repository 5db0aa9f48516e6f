"""Photos made ready for training: scaled once, split by seed, listed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from edgeconnect.cli.options import at_least
from edgeconnect.errors import InputError, printable
from edgeconnect.io.atomic import real_path, write_atomically
from edgeconnect.io.images import Photo, read_rgb, resize, write_photo

if TYPE_CHECKING:
    from edgeconnect.io.paths import PathList

Outcome = tuple[str, str | None]
"""A prepared photo's name below the output folder, and a sentence if it is broken."""


def run(options: argparse.Namespace) -> int:
    """Prepare a folder of photos; the exit code."""
    prepare(options)
    return 0


def prepare(options: argparse.Namespace) -> None:
    """Scale or copy every photo, then write the lists; raise InputError before that if possible."""
    _check(options)
    from edgeconnect.io.paths import photo_paths

    paths = photo_paths(options.photos)
    targets = _targets(paths, options.format)
    sizes = _split_sizes(options.split, len(paths))
    broken = []
    kept = []
    for name, sentence in tqdm(_prepare_all(paths, targets, options), total=len(paths), unit="photo"):
        if sentence is None:
            kept.append(name)
        elif options.skip_broken:
            broken.append(sentence)
        else:
            raise InputError(sentence)
    _write_lists(kept, sizes, options)
    if broken:
        print(f"left out {len(broken)} broken photos:", *broken, sep="\n  ")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("--photos", type=Path, required=True, help="folder (searched below) or list file")
    add("--out", type=Path, required=True, help="folder for the prepared photos and lists")
    add("--short-side", type=at_least(1), default=288, help="px; smaller photos are copied (288)")
    add("--split", action="append", default=[], metavar="NAME=COUNT", help="a part besides train: val=120")
    add("--seed", type=at_least(0), default=0, help="of the split")
    add("--format", choices=("jpg", "png"), default="jpg", help="of scaled photos: quality 95, or lossless")
    add("--shards", type=at_least(1), metavar="COUNT", help="write tars of so many photos, not files")
    add("--skip-broken", action="store_true", help="leave broken photos out and list them")
    add("--workers", type=at_least(1), default=2, help="threads")


def _check(options: argparse.Namespace) -> None:
    source, out = real_path(options.photos), real_path(options.out)
    if source.is_dir() and out.is_relative_to(source):
        raise InputError(f"--out: expected a folder outside {options.photos}, got {options.out}")


def _targets(paths: PathList, suffix: str) -> list[str]:
    """Names below the output folder, without their suffix's case; two photos never share one."""
    sources: dict[str, Path] = {}
    for index in range(len(paths)):
        name = paths.name(index)
        plain = Path(name.name) if name.is_absolute() or ".." in name.parts else name
        target = plain.with_suffix(f".{suffix}").as_posix()
        if target in sources:
            raise InputError(f"{name} and {sources[target]}: both would become {target}")
        sources[target] = name
    return list(sources)


def _split_sizes(splits: list[str], count: int) -> dict[str, int]:
    """Sizes of the parts that are set apart, by name."""
    sizes = {}
    for split in splits:
        name, _, size = split.partition("=")
        if not name.isidentifier() or not size.isdecimal() or name == "train":
            raise InputError(f"--split: expected NAME=COUNT such as val=120, got {split!r}")
        sizes[name] = int(size)
    if sum(sizes.values()) >= count:
        raise InputError(f"--split: expected fewer than all {count} photos, got {sum(sizes.values())}")
    return sizes


def _prepare_all(paths: PathList, targets: list[str], options: argparse.Namespace) -> Iterator[Outcome]:
    def one(index: int) -> Outcome:
        try:
            with paths.file(index) as photo:
                return _prepare(photo, options.out, targets[index], options.short_side), None
        except InputError as error:
            return targets[index], str(error)

    with ThreadPool(options.workers) as pool:
        yield from pool.imap(one, range(len(paths)))


def _prepare(photo: Path, out: Path, target: str, short_side: int) -> str:
    """Write one photo; its name below `out`. A photo that is small enough is copied byte for byte."""
    rgb = read_rgb(photo)
    scale = short_side / min(rgb.shape[:2])
    if scale >= 1:
        target = Path(target).with_suffix(photo.suffix).as_posix()
    if scale >= 1:
        write_atomically(out / target, photo.read_bytes())
    else:
        height, width = (max(short_side, round(length * scale)) for length in rgb.shape[:2])
        small = resize(rgb, height, width)
        write_photo(out / target, small, like=Photo(small))
    return target


def _write_lists(names: list[str], sizes: dict[str, int], options: argparse.Namespace) -> None:
    """One list a part, sorted, relative to the output folder; which photo is where follows from the seed."""
    order = [names[index] for index in np.random.default_rng(options.seed).permutation(len(names))]
    if sum(sizes.values()) >= len(order):
        raise InputError(f"{options.photos}: {len(order)} photos are left, too few for --split")
    for name, size in sizes.items():
        part, order = order[:size], order[size:]
        _write_part(options, name, part)
    _write_part(options, "train", order)


def _write_part(options: argparse.Namespace, part: str, names: list[str]) -> None:
    """A part's list, or its photos in tars instead of files."""
    if not options.shards:
        _write_list(options.out / f"{part}.txt", names)
        return
    from edgeconnect.io.shards import write_shard

    names = sorted(names)
    starts = range(0, len(names), options.shards)
    for number, start in enumerate(tqdm(starts, unit="tar")):
        files = [options.out / name for name in names[start : start + options.shards]]
        contents = ((path.relative_to(options.out).as_posix(), path.read_bytes()) for path in files)
        write_shard(options.out / part / f"{number:06d}.tar", contents)
        for path in files:
            path.unlink()
    print(printable(f"{options.out / part}: {len(names)} photos in {len(starts)} tars"))


def _write_list(path: Path, names: list[str]) -> None:
    write_atomically(path, b"".join(os.fsencode(name) + b"\n" for name in sorted(names)))
    print(printable(f"{path}: {len(names)} photos"))
