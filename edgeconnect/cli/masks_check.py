"""What is in a folder of masks, and what is wrong with it."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeconnect.errors import InputError, printable
from edgeconnect.io import pairing
from edgeconnect.io.atomic import real_path
from edgeconnect.io.images import list_images, read_raw, read_rgb, write_png
from edgeconnect.masks import repair, shapes
from edgeconnect.masks.repair import share_between

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANNELS = {1: "grey", 2: "grey+alpha", 3: "RGB", 4: "RGBA"}
# a fringe wider than this moves the hole's rim by pixels: the mask was blurred, or it is no mask
LARGEST_SHARE_BETWEEN = 0.02


@dataclass(frozen=True)
class Finding:
    """One mask file: its line for the report, what was guessed about its polarity, and its problems."""

    line: str
    guess: str
    problems: list[str]


def run(options: argparse.Namespace) -> int:
    """Print a line a file and a summary; 0 when nothing is wrong, 1 otherwise."""
    files = list_images(options.masks)
    if options.photos and real_path(options.photos) == real_path(options.masks):
        files = [path for path in files if pairing.is_mask_name(path)]
    if not files:
        raise InputError(f"{options.masks}: expected mask files, got no picture")
    if options.repair_to and real_path(options.repair_to) == real_path(options.masks):
        raise InputError(f"--repair-to: expected another folder than {options.masks}, got the same")
    photo_of, problems = _pair(files, options.photos)
    findings = [_examine(path, photo_of.get(path), options) for path in files]
    for path, finding in zip(files, findings, strict=True):
        print(printable(finding.line))
        problems += [f"{path.name}: {problem}" for problem in finding.problems]
    problems += _mixed(findings)
    print(f"\n{len(files)} masks, {len(problems)} problems", *map(printable, problems), sep="\n  ")
    return 1 if problems else 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("masks", type=Path, help="folder of mask files")
    parser.add_argument("--photos", type=Path, help="folder of the photos that they belong to")
    parser.add_argument("--polarity", choices=repair.POLARITIES, default="guess",
                        help="what is the hole (default: guess, and say)")  # fmt: skip
    parser.add_argument("--repair-to", type=Path, metavar="DIR",
                        help="write each readable mask there as a clean PNG, white = hole")  # fmt: skip


def _pair(files: list[Path], photos: Path | None) -> tuple[dict[Path, Path], list[str]]:
    """Each mask's photo, and what is missing on either side."""
    if photos is None:
        return {}, []
    try:
        found = [path for path in list_images(photos) if path not in files]
        return {mask: photo for photo, mask in pairing.pair_by_stem(found, files)}, []
    except InputError as error:
        return {}, [str(error)]


def _examine(path: Path, photo: Path | None, options: argparse.Namespace) -> Finding:
    """Read and repair one mask, and put into words what came of it."""
    name = path.relative_to(options.masks)
    try:
        pixels = read_raw(path)
        size = None if photo is None else read_rgb(photo).shape[:2]
        mask, notes = repair.repair(pixels, size, options.polarity)
    except InputError as error:
        return Finding(f"{name}: cannot be used", "", [str(error)])
    if options.repair_to:
        write_png((options.repair_to / name).with_suffix(".png"), mask)
    border = "touches the border" if shapes.touches_border(mask) else "inside"
    line = f"{name}: {_shape(pixels)}, hole {shapes.hole_ratio(mask):.1%}, {border}"
    guess = next((note for note in notes if note.startswith("guessed that ")), "")
    guess = guess.removeprefix("guessed that ").split(" is the hole")[0]
    problems = _problems(pixels, mask, size)
    if guess and 0.5 < mask.mean() < 1:
        problems.append(f"{mask.mean():.1%} of it are the hole by a guess ({guess}): tell --polarity")
    return Finding("; ".join([line, *notes]), guess, problems)


def _shape(pixels: NDArray[np.unsignedinteger]) -> str:
    """Size, channels and depth of a file's pixels."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    return f"{pixels.shape[1]}x{pixels.shape[0]} {CHANNELS[channels]} {pixels.dtype.itemsize * 8} bit"


def _problems(
    pixels: NDArray[np.unsignedinteger], mask: NDArray[np.bool_], size: tuple[int, ...] | None
) -> list[str]:
    """What a user should look at before training on a mask."""
    problems = []
    if not mask.any() or mask.all():
        problems.append("all hole" if mask.all() else "no hole")
    values = (pixels >> 8 if pixels.dtype == np.uint16 else pixels).astype(np.uint8)
    if values.max() >= 128 and (share := share_between(values)) > LARGEST_SHARE_BETWEEN:
        problems.append(f"{share:.1%} of its values are neither black nor white: blurred, or no mask")
    if size is not None and size != pixels.shape[:2]:
        problems.append(f"{pixels.shape[1]}x{pixels.shape[0]} for a photo of {size[1]}x{size[0]}")
    return problems


def _mixed(findings: list[Finding]) -> list[str]:
    """One folder, one polarity: mixed guesses mean that some of them are wrong."""
    guesses = Counter(finding.guess for finding in findings if finding.guess)
    if len(guesses) < 2:
        return []
    counts = ", ".join(f"{count} times {guess}" for guess, count in guesses.most_common())
    return [f"mixed polarity ({counts}): tell it with --polarity"]
