"""`edgeconnect single fill`: holes filled from the photo's own patches."""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeconnect.cli.options import add_mask_options, at_least, checked_masking
from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from edgeconnect.inpainters.single_image import Progress


def add_fill(uses: Any) -> None:
    """Add `fill` to the uses of one photo."""
    fill = uses.add_parser(
        "fill", help="fill holes from the photo's own patches: no training set, no weights"
    )
    fill.add_argument("photo", type=Path, metavar="PHOTO|DIR")
    add_mask_options(fill)
    fill.add_argument(
        "--budget",
        type=_budget,
        metavar="TIME",
        help="at most, a photo: 5s, 1m; what is done then is finished",
    )
    fill.add_argument(
        "--start",
        choices=("photo", "edgeconnect"),
        default="photo",
        help="what says what goes where: the photo alone or the EdgeConnect networks [%(default)s]",
    )
    fill.add_argument("--weights", metavar="NAME|PATH", help="of the EdgeConnect networks [default]")
    fill.add_argument(
        "--progress", type=Path, metavar="FILE.png", help="keep the picture so far in this file"
    )
    fill.add_argument("--seed", type=at_least(0), default=0, help="[%(default)s]")
    fill.add_argument("--device", default="auto", help="auto, cpu, cuda, ... [auto]")
    fill.add_argument(
        "--out", required=True, metavar="PATH|DIR", help="PNG unless named otherwise; a folder ends in /"
    )
    fill.set_defaults(run_use=_fill)


def _budget(text: str) -> float:
    from edgeconnect.inpainters.single_image import parse_seconds

    try:
        return parse_seconds(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _fill(options: argparse.Namespace) -> int:
    from edgeconnect.cli import filling
    from edgeconnect.cli.filling import work_through
    from edgeconnect.inpainters.edgeconnect import EdgeConnect
    from edgeconnect.inpainters.single_image import SingleImage
    from edgeconnect.io.jobs import check_free, plan

    masking = checked_masking(options)
    jobs = plan(options.photo, options.out, mask=options.mask)
    if options.progress:
        check_free(options.progress, jobs)
    show = _Show(options.progress)
    networks = None
    if options.start == "edgeconnect":
        networks = partial(EdgeConnect.load(options.weights, device=options.device).inpaint, texture=0.0)
    inpainter = SingleImage(
        networks, budget_seconds=options.budget, seed=options.seed, device=options.device, progress=show
    )

    return work_through(
        jobs,
        lambda job: filling.fill(inpainter, job, masking),
        options.out,
        skip_done=options.skip_done,
    )


class _Show:
    """The picture so far in a file, where one is asked for."""

    def __init__(self, file: Path | None) -> None:
        self._file, self._written = file, float("-inf")

    def __call__(self, progress: Progress) -> None:
        if self._file and time.monotonic() - self._written >= 2:
            from edgeconnect.io import images

            self._written = time.monotonic()
            images.write_png(self._file, progress.picture)
