"""Fill the holes of a photo or of a folder of photos; every known pixel stays identical."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edgeconnect.cli.options import (
    add_lines_option,
    add_mask_options,
    add_model_options,
    at_least,
    checked_masking,
    load_model,
    pixels,
    share,
)
from edgeconnect.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from edgeconnect.cli.filling import MaskOptions
    from edgeconnect.io.jobs import Job


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("photo", type=Path, metavar="PHOTO|DIR")
    add_mask_options(parser)
    parser.add_argument(
        "--feather", type=pixels, default=0, metavar="PX", help="blend known pixels this near [0]"
    )
    structure = parser.add_mutually_exclusive_group()
    structure.add_argument(
        "--edges", type=Path, metavar="FILE|DIR", help="edge maps, used as given in the hole"
    )
    structure.add_argument(
        "--edges-from", type=Path, metavar="FILE|DIR", help="other photos, whose edges fill the hole"
    )
    parser.add_argument(
        "--edges-polarity", default="guess", choices=("guess", "white", "black"), help="the strokes [guess]"
    )
    add_lines_option(parser)
    parser.add_argument(
        "--texture",
        type=share,
        default=1.0,
        metavar="SHARE",
        help="of the photo's own texture over the networks' colours, 0 to 1; 0: smooth [%(default)s]",
    )
    parser.add_argument(
        "--candidates",
        type=at_least(1, 16),
        default=1,
        metavar="N",
        help="different fills to choose from; the others are written beside --out as NAME-2, NAME-3, ... [1]",
    )
    parser.add_argument("--seed", type=at_least(0), default=0, help="another one, another texture [0]")
    parser.add_argument("--save-edges", metavar="PATH|DIR", help="also write the edge map(s) used")
    parser.add_argument(
        "--inpainter",
        default="edgeconnect",
        metavar="NAME",
        help="another one than the networks: telea, ns, biharmonic, patches, lama:FILE, module:callable ...; "
        "the last two are programs: take them from sources you trust "
        "[%(default)s]",
    )
    parser.add_argument(
        "--out", required=True, metavar="PATH|DIR", help="PNG unless named otherwise; a folder ends in /"
    )
    add_model_options(parser)


def run(options: argparse.Namespace) -> int:
    """Plan all jobs, load the model, fill one photo after another; the exit code."""
    from edgeconnect.cli import filling
    from edgeconnect.io.jobs import plan

    masking = checked_masking(options)
    paths = {name: getattr(options, name) for name in ("mask", "edges", "edges_from", "save_edges")}
    jobs = plan(options.photo, options.out, candidates=options.candidates, **paths)
    if options.inpainter != "edgeconnect":
        return _by_another(options, jobs, masking)
    model = load_model(options)
    how = filling.FillOptions(options.lines, options.texture, options.seed)
    return filling.work_through(
        jobs, lambda job: filling.run(model, job, masking, how), options.out, skip_done=options.skip_done
    )


def _by_another(options: argparse.Namespace, jobs: Sequence[Job], masking: MaskOptions) -> int:
    """Fill by an inpainter that takes a photo and a mask and nothing else."""
    from edgeconnect.cli import filling
    from edgeconnect.inpainters import get
    from edgeconnect.inpainters.base import fill

    given = [name for name in ("edges", "edges_from", "save_edges", "weights") if getattr(options, name)]
    given += ["candidates"] if options.candidates > 1 else []
    if given:
        flag = f"--{given[0].replace('_', '-')}"
        raise InputError(f"{flag} is for the networks, which --inpainter {options.inpainter} does not use")
    inpainter = get(options.inpainter, options.device)
    return filling.work_through(
        jobs,
        lambda job: filling.fill(partial(fill, inpainter), job, masking),
        options.out,
        skip_done=options.skip_done,
    )
