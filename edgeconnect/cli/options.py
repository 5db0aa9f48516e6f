"""Options and their types that several verbs share: numbers, holes, models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeconnect.cli.batch import Telling
    from edgeconnect.cli.filling import MaskOptions
    from edgeconnect.engines.choice import Engine
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


def add_mask_options(parser: argparse.ArgumentParser) -> Any:
    """Add --mask, --mask-polarity, --box, --dilate, --ignore and --wrap; returns their group."""
    hole = parser.add_argument_group("the hole")
    hole.add_argument("--mask", type=Path, metavar="FILE|DIR", help="white = hole, unless it looks otherwise")
    hole.add_argument(
        "--mask-polarity",
        default="guess",
        choices=_POLARITIES,
        help="what the hole is; alpha: what is transparent, opaque: the rest of it [guess]",
    )
    hole.add_argument(
        "--box", type=_box, action="extend", nargs="+", default=[], metavar="X,Y,W,H", help="hole(s) in px"
    )
    hole.add_argument(
        "--dilate", type=pixels, default=0, metavar="PX", help="make the hole larger all around [0]"
    )
    hole.add_argument(
        "--ignore",
        metavar="black|alpha|FILE",
        help="neither fill nor copy from: black surroundings, what is transparent, the white of a mask file",
    )
    hole.add_argument(
        "--wrap",
        action="store_true",
        help="the photo is a 360-degree panorama: its sides are neighbours",
    )
    return hole


def add_polarity_option(parser: argparse.ArgumentParser) -> None:
    """Add --polarity of the masks that results are scored with."""
    parser.add_argument(
        "--polarity",
        choices=_POLARITIES,
        help="the hole in mask files [white, if they look so]",
    )


def checked_masking(options: argparse.Namespace) -> MaskOptions:
    """How the hole is made, from the options (and those of edge maps where a verb has them).

    Raises InputError where there is neither a mask nor a box nor an extension.
    """
    from edgeconnect.cli.filling import MaskOptions
    from edgeconnect.io.manifest import is_manifest

    extend = getattr(options, "extend", None)
    if not options.mask and not options.box and extend is None and not any(map(is_manifest, options.photo)):
        also = ", or --extend 10% for a larger photo" if hasattr(options, "extend") else ""
        raise InputError(f"expected a hole: give --mask FILE|DIR or --box X,Y,W,H{also}")
    return MaskOptions(
        tuple(options.box),
        options.mask_polarity,
        options.dilate,
        getattr(options, "feather", 0.0),
        getattr(options, "edges_polarity", "guess"),
        options.ignore,
        options.wrap,
        extend,
    )


def add_lines_option(parser: Any) -> None:
    """Add --lines."""
    parser.add_argument(
        "--lines",
        default="both",
        choices=("learned", "continued", "both"),
        help="the hole's lines: drawn by the network, continued from the known ones, or both [both]",
    )


def add_photo_argument(parser: argparse.ArgumentParser) -> None:
    """Add the photos: files, folders and patterns."""
    parser.add_argument(
        "photo",
        type=Path,
        nargs="+",
        metavar="PHOTO|DIR|LIST",
        help="photos, folders, quoted patterns such as 'a*.jpg'; - reads one from standard input; a .csv or "
        ".jsonl lists photos, their masks and results (photo,mask,out), however many",
    )


def add_output_options(parser: argparse.ArgumentParser) -> Any:
    """Add --out, --skip-done, --quiet, --verbose, --jobs and --engine; returns the group of results."""
    group = parser.add_argument_group("the results")
    group.add_argument(
        "--out",
        required=True,
        metavar="PATH|DIR",
        help="PNG unless named otherwise; a folder ends in /; - writes a PNG to standard output",
    )
    group.add_argument(
        "--skip-done", action="store_true", help="leave out photos whose results are there already"
    )
    loudness = group.add_mutually_exclusive_group()
    loudness.add_argument("-q", "--quiet", action="store_true", help="say nothing but mistakes")
    loudness.add_argument(
        "-v", "--verbose", action="store_true", help="say everything, of every photo, and how long it took"
    )
    add_engine_options(parser, "photos at a time, each in a process with a model of its own")
    return group


def add_engine_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --jobs, whose help begins with `what`, and --engine."""
    many = parser.add_argument_group("many photos")
    many.add_argument(
        "--jobs", type=at_least(1), metavar="N", help=f"{what} [1; on Ray as many as have room]"
    )
    many.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: on the machines of a Ray cluster, which see the same files (RAY_ADDRESS) [%(default)s]",
    )


def engine(options: argparse.Namespace) -> Engine:
    """Who is to work."""
    from edgeconnect.engines.choice import Engine

    photos, out = getattr(options, "photo", []), str(getattr(options, "out", ""))
    if options.engine == "ray" and (Path("-") in photos or out == "-"):
        raise InputError("-: expected files with --engine ray, whose machines do not share pipes")
    return Engine(options.engine, options.jobs, options.device != "cpu")


def telling(options: argparse.Namespace) -> Telling:
    """How much is to be said."""
    from edgeconnect.cli.batch import Telling

    return Telling(options.quiet, options.verbose)


def add_model_options(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add --weights (any number where `several`), --device and --precision."""
    number: dict[str, Any] = {"nargs": "+", "default": []} if several else {}
    networks = parser.add_argument_group("the networks")
    networks.add_argument(
        "--weights", metavar="NAME|PATH", help="a shipped name, a weights file or a run [default]", **number
    )
    networks.add_argument("--device", default="auto", help="auto, cpu, cuda, ... [auto]")
    networks.add_argument(
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
    if width < 1 or height < 1:
        raise argparse.ArgumentTypeError(
            f"expected X,Y,W,H with a width and height of 1 or more, got {text!r}"
        )
    return x, y, width, height
