"""`edgeconnect single fill`: holes filled from the photo's own patches."""

from __future__ import annotations

import argparse
import time
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeconnect.cli.options import (
    add_mask_options,
    add_output_options,
    add_photo_argument,
    at_least,
    checked_masking,
    telling,
)
from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from edgeconnect.inpainters.single_image import Progress, SingleImage
    from edgeconnect.io.jobs import Job


def add_fill(uses: Any) -> None:
    """Add `fill` to the uses of one photo."""
    fill = uses.add_parser(
        "fill", help="fill holes from the photo's own patches: no training set, no weights"
    )
    add_photo_argument(fill)
    add_mask_options(fill)
    fill.add_argument(
        "--budget",
        type=_budget,
        metavar="TIME",
        help="at most, a photo: 5s, 1m; less is done where the sizes would take longer, and it is said",
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
    add_output_options(fill)
    fill.set_defaults(run_use=_fill)


def _budget(text: str) -> float:
    from edgeconnect.inpainters.single_image import parse_seconds

    try:
        return parse_seconds(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _fill(options: argparse.Namespace) -> int:
    from edgeconnect.cli import filling
    from edgeconnect.cli.pipes import piped
    from edgeconnect.io.jobs import check_free, plan

    with piped(options):
        masking = checked_masking(options)
        jobs = plan(options.photo, options.out, mask=options.mask)
        if options.progress:
            check_free(options.progress, jobs)

        @cache
        def load() -> SingleImage:
            from edgeconnect.inpainters.edgeconnect import EdgeConnect
            from edgeconnect.inpainters.single_image import SingleImage

            networks = None
            if options.start == "edgeconnect":
                model = EdgeConnect.load(options.weights, device=options.device)
                networks = partial(model.inpaint, texture=0.0)
            return SingleImage(
                networks,
                budget_seconds=options.budget,
                seed=options.seed,
                device=options.device,
                progress=_Show(options.progress),
            )

        def fill(job: Job) -> list[str]:
            notes = filling.fill(load, job, masking)
            return notes + [f"{job.photo}: {note}" for note in load().notes]

        return filling.work_through(
            jobs,
            fill,
            options.out,
            telling(options),
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
