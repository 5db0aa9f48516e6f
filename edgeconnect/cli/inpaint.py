"""Fill the holes of photos, or extend them; every known pixel stays identical."""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from edgeconnect.cli.options import (
    add_lines_option,
    add_mask_options,
    add_model_options,
    add_output_options,
    add_photo_argument,
    at_least,
    checked_masking,
    engine,
    load_model,
    pixels,
    share,
    telling,
)
from edgeconnect.errors import InputError
from edgeconnect.inpainters.registry import PLAIN, check_kind, names

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeconnect.cli.batch import Work
    from edgeconnect.cli.filling import MaskOptions
    from edgeconnect.types import Image, Mask

EXAMPLES = """examples:
  edgeconnect inpaint photo.jpg --mask mask.png --out filled.png
  edgeconnect inpaint photo.jpg --box 120,80,64,64 300,40,50,90 --out filled.png
  edgeconnect inpaint photos/ --mask masks/ --out filled/ --skip-done --jobs 4
  edgeconnect inpaint photos.csv --out filled/ --engine ray
  edgeconnect inpaint photo.jpg --mask mask.png --candidates 3 --out filled.png
  edgeconnect inpaint photo.jpg --extend left=20%,right=20% --out wide.png
  cat photo.jpg | edgeconnect inpaint - --box 120,80,64,64 --out - > filled.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    add_photo_argument(parser)
    hole = add_mask_options(parser)
    hole.add_argument(
        "--extend",
        type=_extension,
        metavar="LENGTH",
        help="make the photo larger and fill its new border: 10%%, 64px, or left=20%%,top=64px",
    )
    hole.add_argument(
        "--feather", type=pixels, default=0, metavar="PX", help="blend known pixels this near [0]"
    )
    structure = parser.add_argument_group("its lines")
    given = structure.add_mutually_exclusive_group()
    given.add_argument("--edges", type=Path, metavar="FILE|DIR", help="edge maps, used as given in the hole")
    given.add_argument(
        "--edges-from", type=Path, metavar="FILE|DIR", help="other photos, whose edges fill the hole"
    )
    structure.add_argument(
        "--edges-polarity", default="guess", choices=("guess", "white", "black"), help="the strokes [guess]"
    )
    add_lines_option(structure)
    filling = parser.add_argument_group("the fill")
    filling.add_argument(
        "--texture",
        type=share,
        default=1.0,
        metavar="SHARE",
        help="of the photo's own texture over the networks' colours, 0 to 1; 0: smooth [%(default)s]",
    )
    filling.add_argument(
        "--candidates",
        type=at_least(1, 16),
        default=1,
        metavar="N",
        help="different fills to choose from; the others are written beside --out as NAME-2, NAME-3, ... [1]",
    )
    filling.add_argument("--seed", type=at_least(0), default=0, help="another one, another texture [0]")
    filling.add_argument(
        "--inpainter",
        default="edgeconnect",
        metavar="NAME",
        help=f"another one than the three steps: {', '.join(names())} (some with :VALUE, as lama:FILE) or "
        "module:callable; a LaMa file and a module are programs: take them from sources you trust "
        "[%(default)s]",
    )
    results = add_output_options(parser)
    results.add_argument("--save-edges", metavar="PATH|DIR", help="also write the edge map(s) used")
    add_model_options(parser)


def _extension(text: str) -> str:
    from edgeconnect.inpainters import outpaint

    try:
        outpaint.parse(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("extend: ")) from None
    return text


def run(options: argparse.Namespace) -> int:
    """Plan all jobs, fill the photos; the exit code."""
    from edgeconnect.cli import batch
    from edgeconnect.cli.pipes import piped
    from edgeconnect.io.jobs import plan

    check_kind(options.inpainter)
    who = engine(options)
    if options.inpainter in PLAIN:
        who = replace(who, use_gpus=False)
    with piped(options):
        masking = checked_masking(options)
        if str(options.out).endswith("stdout.png") and options.candidates > 1:
            raise InputError("--candidates: expected --out with a name, as there are several results")
        paths = {name: getattr(options, name) for name in ("mask", "edges", "edges_from", "save_edges")}
        jobs = plan(options.photo, options.out, candidates=options.candidates, **paths)
        make = partial(_make, options, masking)
        make()  # tells what the options cannot mean
        return batch.work_through(jobs, make, options.out, telling(options), who, skip_done=options.skip_done)


def _make(options: argparse.Namespace, masking: MaskOptions, *, at_once: bool = False) -> Work:
    """What is done with each photo: by networks, or by an inpainter that takes a photo and a mask."""
    from edgeconnect.cli import filling

    if options.inpainter == "edgeconnect":
        load = cache(lambda: load_model(options))
        how = filling.FillOptions(options.lines, options.texture, options.seed)
        if at_once:
            load()
        return lambda job: filling.run(load, job, masking, how)
    given = [name for name in ("edges", "edges_from", "save_edges", "weights") if getattr(options, name)]
    given += ["candidates"] if options.candidates > 1 else []
    if given:
        flag = f"--{given[0].replace('_', '-')}"
        raise InputError(f"{flag} is for the networks, which --inpainter {options.inpainter} does not use")

    @cache
    def load_other() -> Callable[[Image, Mask], Image]:
        from edgeconnect.inpainters import get
        from edgeconnect.inpainters.base import fill

        return partial(fill, get(options.inpainter, options.device))

    if at_once:
        load_other()
    return lambda job: filling.fill(load_other, job, masking)
