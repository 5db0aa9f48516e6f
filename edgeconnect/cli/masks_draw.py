"""Fill a folder with drawn masks, sorted by hole ratio."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from edgeconnect.cli.options import at_least
from edgeconnect.errors import InputError
from edgeconnect.io.images import write_png
from edgeconnect.masks import kinds, shapes, strokes

if TYPE_CHECKING:
    from collections.abc import Iterator

RATIOS = "0-10,10-20,20-30,30-40,40-50,50-60"
BORDERS = ("border", "inside", "any")
# a mask of 0 % is no mask: the first class begins at a hole that can be seen
SMALLEST_RATIO = 0.005


def run(options: argparse.Namespace) -> int:
    """Draw the masks; the exit code."""
    jobs = list(_jobs(options))
    for name, mask in tqdm(_drawn(options, jobs), total=len(jobs), unit="mask"):
        write_png(options.out / name, mask)
    print(f"{len(jobs)} masks of {options.width}x{options.height} in {options.out}")
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--out", type=Path, required=True, help="folder for the PNG files (white = hole)")
    parser.add_argument(
        "--kind", choices=tuple(kinds.KINDS), default="strokes", help="shape of the holes [%(default)s]"
    )
    parser.add_argument(
        "--ratios", default=RATIOS, help="classes of hole ratio in percent (default: %(default)s)"
    )
    parser.add_argument(
        "--count", type=at_least(1), default=60, help="masks a class and border kind (default: 60)"
    )
    parser.add_argument("--border", choices=("both", "border", "inside"), default="both",
                        help="strokes that touch the image's border, keep inside, or both kinds")  # fmt: skip
    parser.add_argument("--boxes", type=at_least(1), nargs=2, default=(1, 5), metavar=("MIN", "MAX"))
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--seed", type=at_least(0), default=0, help="the same seed draws the same masks")


def _jobs(options: argparse.Namespace) -> Iterator[tuple[int, int, str, int]]:
    """Every mask to draw: its class in percent, its border kind and its number in the class."""
    borders = BORDERS[:2] if options.border == "both" else (options.border,)
    if min(options.width, options.height) < 16:
        raise InputError(f"expected at least 16x16 pixels, got {options.width}x{options.height}")
    if options.boxes[0] > options.boxes[1]:
        raise InputError(f"--boxes: expected MIN MAX, got {options.boxes[0]} {options.boxes[1]}")
    for low, high in _classes(options.ratios):
        for border in borders if options.kind == "strokes" else BORDERS[2:]:
            yield from ((low, high, border, number) for number in range(options.count))


def _classes(text: str) -> list[tuple[int, int]]:
    """Classes such as 0-10,10-20 as pairs of whole percents."""
    try:
        classes = [(int(low), int(high)) for low, high in (part.split("-") for part in text.split(","))]
    except ValueError:
        classes = []
    if not classes or any(not 0 <= low < high <= 100 for low, high in classes):
        raise InputError(f"--ratios: expected percents like 0-10,10-20, got {text!r}")
    return classes


def _drawn(
    options: argparse.Namespace, jobs: list[tuple[int, int, str, int]]
) -> Iterator[tuple[str, np.ndarray]]:
    """File names and masks; each mask depends on the seed and its own place alone."""
    for low, high, border, number in jobs:
        rng = np.random.default_rng((options.seed, low, high, BORDERS.index(border), number))
        ratio = (max(low / 100, SMALLEST_RATIO), high / 100)
        name = f"{options.kind}_{low:02d}-{high:02d}_{border}_{number:03d}.png"
        if options.kind == "strokes":
            yield name, strokes.strokes(rng, options.height, options.width, ratio, border == "border")
        elif options.kind == "boxes":
            yield name, shapes.random_boxes(rng, options.height, options.width, tuple(options.boxes), ratio)
        else:
            yield name, _of_ratio(options, rng, ratio)


def _of_ratio(
    options: argparse.Namespace, rng: np.random.Generator, ratio: tuple[float, float]
) -> np.ndarray:
    """A mask of any other kind that is in the class; InputError where none of 100 is."""
    for _ in range(100):
        mask = kinds.KINDS[options.kind](rng, options.height, options.width, ratio)
        if ratio[0] <= mask.mean() <= ratio[1]:
            return mask
    raise InputError(
        f"--ratios: expected classes that {options.kind} can have, got {ratio[0]:.0%} to {ratio[1]:.0%}"
    )
