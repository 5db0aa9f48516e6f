"""Write the completed edge map of a photo, ready to edit in a paint program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeconnect.cli.options import (
    add_lines_option,
    add_mask_options,
    add_model_options,
    checked_masking,
    load_model,
)

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("photo", type=Path, metavar="PHOTO|DIR")
    add_mask_options(parser)
    parser.add_argument("--out", required=True, metavar="PATH|DIR")
    add_lines_option(parser)
    add_model_options(parser)


def run(options: argparse.Namespace) -> int:
    """Plan all jobs, load the model, complete one edge map after another; the exit code."""
    from edgeconnect.cli import filling
    from edgeconnect.io.jobs import plan

    masking = checked_masking(options)
    jobs = plan(options.photo, options.out, mask=options.mask)
    model = load_model(options)
    return filling.work_through(
        jobs,
        lambda job: filling.complete(model, job, masking, options.lines),
        options.out,
        skip_done=options.skip_done,
    )
