"""`edgeconnect single fill`: holes filled from the photo's own patches."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeconnect.cli.options import add_mask_options, at_least, checked_masking, share
from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from edgeconnect.inpainters.single_image import Progress
    from edgeconnect.io.jobs import Job


def add_fill(uses: Any) -> None:
    """Add `fill` to the uses of one photo."""
    fill = uses.add_parser(
        "fill", help="fill holes from the photo's own patches: no training set, no weights"
    )
    fill.add_argument("photo", type=Path, metavar="PHOTO|DIR")
    add_mask_options(fill)
    fill.add_argument(
        "--budget", type=_budget, default=120.0, metavar="TIME", help="at most, a photo: 20s, 2m, 20m [2m]"
    )
    fill.add_argument(
        "--iterations",
        type=at_least(0),
        metavar="N",
        help="of the refinement, instead of the budget: reproducible; 0: patch matching alone",
    )
    fill.add_argument(
        "--start",
        choices=("patches", "edgeconnect"),
        default="patches",
        help="where the structure comes from: the photo's patches or the EdgeConnect networks [patches]",
    )
    fill.add_argument(
        "--fade",
        type=share,
        default=0.2,
        metavar="SHARE",
        help="where patches are only a guess, colours and coarse shapes come from the networks, and fine "
        "detail fades into theirs by at most so much: more is paler; 0 uses the photo alone [%(default)s]",
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
    from tqdm import tqdm

    from edgeconnect.cli import filling
    from edgeconnect.cli.filling import work_through
    from edgeconnect.inpainters.edgeconnect import EdgeConnect
    from edgeconnect.inpainters.single_image import InGAN
    from edgeconnect.io.jobs import check_free, plan

    masking = checked_masking(options)
    jobs = plan(options.photo, options.out, mask=options.mask)
    if options.progress:
        check_free(options.progress, jobs)
    show = _Show(options.progress)
    networks = None
    if options.fade or options.start == "edgeconnect":
        networks = EdgeConnect.load(options.weights, device=options.device)
    inpainter = InGAN(
        options.budget,
        iterations=options.iterations,
        start=networks if options.start == "edgeconnect" else None,
        safe=networks,
        fade=options.fade,
        seed=options.seed,
        device=options.device,
        watch=show,
    )

    def work(job: Job) -> list[str]:
        with tqdm(unit="s", total=round(options.budget), leave=False, dynamic_ncols=True) as show.bar:
            return filling.fill(inpainter, job, masking)

    return work_through(jobs, work, options.out)


class _Show:
    """Progress on the terminal, and the picture so far in a file where one is asked for."""

    def __init__(self, file: Path | None) -> None:
        self.bar: Any = None
        self._file, self._written = file, float("-inf")

    def __call__(self, progress: Progress) -> None:
        self.bar.update(min(round(progress.seconds, 1), self.bar.total) - self.bar.n)
        self.bar.set_description(progress.stage, refresh=False)
        if self._file and time.monotonic() - self._written >= 2:
            from edgeconnect.io import images

            self._written = time.monotonic()
            images.write_png(self._file, progress.picture)
