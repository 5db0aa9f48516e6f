"""The options that say where the hole is, for every command that takes one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from edgeconnect.cli.filling import MaskOptions


def add_mask_options(parser: argparse.ArgumentParser) -> None:
    """Add --mask, --mask-polarity, --box and --dilate."""
    parser.add_argument(
        "--mask", type=Path, metavar="FILE|DIR", help="white = hole, unless it looks otherwise"
    )
    parser.add_argument(
        "--mask-polarity",
        default="guess",
        choices=("guess", "white", "black", "alpha"),
        help="what the hole is [guess]",
    )
    parser.add_argument(
        "--box", type=_box, action="extend", nargs="+", default=[], metavar="X,Y,W,H", help="hole(s) in px"
    )
    parser.add_argument(
        "--dilate", type=pixels, default=0, metavar="PX", help="make the hole larger all around [0]"
    )


def checked_masking(options: argparse.Namespace) -> MaskOptions:
    """How the hole is made, from the options (and those of edge maps where a command has them).

    Raises InputError where there is neither a mask nor a box.
    """
    from edgeconnect.cli.filling import MaskOptions

    if not options.mask and not options.box:
        raise InputError("expected a hole: give --mask FILE|DIR or --box X,Y,W,H")
    return MaskOptions(
        tuple(options.box),
        options.mask_polarity,
        options.dilate,
        getattr(options, "feather", 0.0),
        getattr(options, "edges_polarity", "guess"),
    )


def pixels(text: str) -> float:
    """A distance: 0 or more."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected pixels, 0 or more, got {text}")
    return value


def _box(text: str) -> tuple[int, int, int, int]:
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected X,Y,W,H in whole pixels, got {text!r}") from None
    return x, y, width, height
