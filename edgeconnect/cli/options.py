"""Options and their types that several verbs share: numbers, holes, models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeconnect.cli.filling import MaskOptions
    from edgeconnect.inpainters.edgeconnect import EdgeConnect

_POLARITIES = ("guess", "white", "black", "alpha", "opaque")


def at_least(low: int, high: int | None = None) -> Callable[[str], int]:
    """A type for argparse: a whole number from `low` to `high` (None: without end)."""
    wanted = f"{low} or more" if high is None else f"{low} to {high}"

    def whole(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if number < low or (high is not None and number > high):
            raise argparse.ArgumentTypeError(f"expected a whole number, {wanted}, got {text!r}")
        return number

    return whole


def add_mask_options(parser: argparse.ArgumentParser) -> None:
    """Add --mask, --mask-polarity, --box, --dilate, --ignore, --wrap and --skip-done."""
    parser.add_argument(
        "--mask", type=Path, metavar="FILE|DIR", help="white = hole, unless it looks otherwise"
    )
    parser.add_argument(
        "--mask-polarity",
        default="guess",
        choices=_POLARITIES,
        help="what the hole is; alpha: what is transparent, opaque: the rest of it [guess]",
    )
    parser.add_argument(
        "--box", type=_box, action="extend", nargs="+", default=[], metavar="X,Y,W,H", help="hole(s) in px"
    )
    parser.add_argument(
        "--dilate", type=pixels, default=0, metavar="PX", help="make the hole larger all around [0]"
    )
    parser.add_argument(
        "--skip-done",
        action="store_true",
        help="leave out photos of a folder whose results are there",
    )
    parser.add_argument(
        "--ignore",
        metavar="black|alpha|FILE",
        help="neither fill nor copy from: black surroundings, what is transparent, the white of a mask file",
    )
    parser.add_argument(
        "--wrap",
        action="store_true",
        help="the photo is a 360-degree panorama: its sides are neighbours",
    )


def add_polarity_option(parser: argparse.ArgumentParser) -> None:
    """Add --polarity of the masks that results are scored with."""
    parser.add_argument(
        "--polarity",
        choices=_POLARITIES,
        help="the hole in mask files [white, if they look so]",
    )


def checked_masking(options: argparse.Namespace) -> MaskOptions:
    """How the hole is made, from the options (and those of edge maps where a verb has them).

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
        options.ignore,
        options.wrap,
    )


def add_lines_option(parser: argparse.ArgumentParser) -> None:
    """Add --lines."""
    parser.add_argument(
        "--lines",
        default="both",
        choices=("learned", "continued", "both"),
        help="the hole's lines: drawn by the network, continued from the known ones, or both [both]",
    )


def add_model_options(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add --weights (any number where `several`), --device and --precision."""
    number: dict[str, Any] = {"nargs": "+", "default": []} if several else {}
    parser.add_argument(
        "--weights", metavar="NAME|PATH", help="a shipped name, a weights file or a run [default]", **number
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ... [auto]")
    parser.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "float32", "bf16"),
        help="auto: bf16 where hardware has it",
    )


def load_model(options: argparse.Namespace) -> EdgeConnect:
    """The EdgeConnect that the model options mean; raises InputError."""
    from edgeconnect.inpainters.edgeconnect import EdgeConnect

    return EdgeConnect.load(options.weights, device=options.device, precision=options.precision)


def pixels(text: str) -> float:
    """A type for argparse: a distance in pixels, 0 or more."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected pixels, 0 or more, got {text}")
    return value


def share(text: str) -> float:
    """A type for argparse: a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to 1, got {text!r}")
    return value


def _box(text: str) -> tuple[int, int, int, int]:
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected X,Y,W,H in whole pixels, got {text!r}") from None
    return x, y, width, height
